"""The checker of docs/vocabulary.toml finds the banned words in each kind of text, and in no code."""

from pathlib import Path

import pytest

from fakes import ROOT
from prose.check import VOCABULARY, files, findings
from prose.masking import mask
from prose.vocabulary import Vocabulary, parts_of, read

LIST = """
[[prose]]
find = ["bread box", "as its * has it"]
write = "slicer"
why = "one word for one thing"

[[prose]]
find = ["stale"]
write = "old"
unless = ["stale while"]

[[opening]]
find = ["Which"]
write = "The one that"

[[name]]
find = ["slice_bread"]
write = "cut"
unless = ["SLICE_BREAD"]

[[name]]
find = ["Crumb"]
write = "Rest"
exact = true

[[allow]]
path = "old.md"
find = "stale"
why = "it is about it"

"""


@pytest.fixture(name="vocabulary", scope="module")
def _vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """Return a short list of our own, so that no change of the real one breaks a test."""
    path = tmp_path_factory.mktemp("prose") / "vocabulary.toml"
    path.write_text(LIST, "utf-8")
    return read(path)


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.md", "A bread box.\n", [(1, "bread box")]),
        ("a.md", "One.\n\nA bread\n  box.\n", [(3, "bread box")]),
        ("a.md", "Written as its\nauthor has it.\n", [(1, "as its * has it")]),
        ("a.md", "Bread boxes. BREAD BOX. The `bread box`. [x](bread box)\n", [(1, "bread box")]),
        ("a.md", "```\nbread box\n```\n\n`bread\nbox`\n", []),
        ("a.md", "It is stale while it waits. Stale!\n", [(1, "stale")]),
        ("a.py", "# A bread\n# box.\n", [(1, "bread box")]),
        ("a.py", "# bread\nbox = 1\n# box\n", []),
        ("a.py", 'x = 1\n"""A loaf.\n\nA stale one.\n"""\n', [(4, "stale")]),
        ("a.py", "x = 'a bread '\ny = 'box'\n", []),
        ("a.py", "x = ('a bread '\n  'box is sharp')\n", [(1, "bread box")]),
        ("a.py", "x = f'a stale {bread} loaf {{stale loaf}}'\n", [(1, "stale"), (1, "stale")]),
        ("a.py", "x = 'stale'\nstale = 2\n", []),
        ("a.py", "x = 'the call stale(1), self.stale, a_stale, docs/stale'\n", []),
        ("a.py", "def test_a_bread_box() -> None: ...\n", [(1, "bread box")]),
        ("a.py", "def bread_box() -> None: ...\n", []),
        ("a.toml", "# A bread box\nx = '# stale' # old\n", [(1, "bread box")]),
        ("a.toml", "x = 'a bread box' # stale\n", [(1, "stale")]),
        ("Makefile", "bread: ## a bread box\n", [(1, "bread box")]),
    ],
)
def test_banned_words_are_found_in_prose_and_not_in_code(
    path: str, text: str, found: list[tuple[int, str]], vocabulary: Vocabulary
) -> None:
    """Each finding has the line on which its phrase begins, also if the phrase runs over several lines."""
    assert [(finding.line, finding.term.find) for finding in findings(path, text, vocabulary)] == found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Which is late waits. It knows which is late.", 1),
        ("First. Which is late waits.", 1),
        ("A line.\n\nWhich is late waits.", 1),
        ("- Which is late waits.", 1),
        ("(Which is late waits.)", 1),
        ("**Which is late** waits.", 1),
        ("Which one is late? That one.", 0),
        ("## Which is late\n\nThe bread.", 0),
        ("the bread, Which is late.", 0),
    ],
)
def test_a_sentence_is_found_by_its_opening(text: str, number: int, vocabulary: Vocabulary) -> None:
    """A question may begin with the word, and so may a heading, which is a title."""
    assert len(list(findings("a.md", text, vocabulary))) == number


def test_the_name_of_a_test_is_a_sentence(vocabulary: Vocabulary) -> None:
    """People read the names of tests in the runner's output."""
    (found,) = findings("a.py", "def test_which_is_late_waits() -> None: ...\n", vocabulary)
    assert found.term.find == "Which"


@pytest.mark.parametrize(
    ("identifier", "is_found"),
    [
        ("slice_bread", True),
        ("_will_slice_bread_now", True),
        ("SliceBread", True),
        ("SLICE_BREAD", False),
        ("slice_brown_bread", False),
        ("sliced_bread", False),
        ("Crumb", True),
        ("_Crumb", True),
        ("crumb", False),
        ("Crumbs", False),
    ],
)
def test_a_banned_name_is_found_by_its_parts_or_as_it_is(
    identifier: str,
    is_found: bool,  # noqa: FBT001 (a column of the table)
    vocabulary: Vocabulary,
) -> None:
    """It is reported once for each file, at its first line."""
    text = f"x = 1\n{identifier} = 2\nprint({identifier})\n"
    assert [finding.line for finding in findings("a.py", text, vocabulary)] == [2] * is_found


def test_the_name_of_a_test_is_checked_as_prose_and_not_as_an_identifier(vocabulary: Vocabulary) -> None:
    """Otherwise a banned word in it would be reported twice."""
    assert not list(findings("a.py", "def test_slice_bread() -> None: ...\n", vocabulary))


def test_an_identifier_is_split_at_underscores_and_capitals() -> None:
    """An abbreviation in capitals is one part."""
    assert parts_of("_HTTPRequest_of2Days") == ["http", "request", "of", "2", "days"]


def test_masking_keeps_every_line_and_column() -> None:
    """A finding's line is taken from the masked text."""
    text = (ROOT / "tools" / "prose" / "masking.py").read_text("utf-8")
    masked = mask("masking.py", text).prose
    assert len(masked) == len(text)
    assert [len(line) for line in masked.split("\n")] == [len(line) for line in text.split("\n")]
    assert "Blank out what is not prose" in masked
    assert "import" not in masked


def test_a_finding_names_the_place_and_the_replacement(vocabulary: Vocabulary) -> None:
    """An editor can jump to it, and the reader need not open the list."""
    (found,) = findings("a.md", "A bread box.", vocabulary)
    assert str(found) == 'a.md:1: "bread box": write "slicer" (one word for one thing)'


def test_the_projects_own_list_is_sound() -> None:
    """Every entry has a replacement, no term is banned twice, and every allowance has its reason."""
    vocabulary = read(ROOT / VOCABULARY)
    for allowance in vocabulary.allowances:
        assert (ROOT / allowance.path).is_file()
        assert allowance.why
    terms = [term for phrases in (vocabulary.phrases, vocabulary.openings) for term in phrases.terms]
    banned = [term.find.lower() for term in terms if not term.is_fine]
    assert len(banned) == len(set(banned)) > 50
    assert all(term.write for term in terms)


def test_the_files_that_people_read_are_checked() -> None:
    """The list itself is left out, because it has every banned word."""
    checked = set(files(ROOT))
    assert {
        "README.md",
        "Makefile",
        "template.yaml",
        "docs/errors.md",
        "src/sources/github/source.toml",
    } <= checked
    assert Path(__file__).relative_to(ROOT).as_posix() in checked
    assert VOCABULARY not in checked


def test_the_files_of_a_deployer_are_not_checked(tmp_path: Path) -> None:
    """A deployer writes in any words, and these must not break the gate."""
    for name in ("config/relay.toml", "src/sources/mine/source.toml", "src/sources/ours/source.toml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("# told\n", "utf-8")
    (tmp_path / "src/sources/ours/page.toml").write_text("", "utf-8")
    assert set(files(tmp_path)) == {"src/sources/ours/source.toml", "src/sources/ours/page.toml"}
