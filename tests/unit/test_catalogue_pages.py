"""The pages of the catalogue, written from page.toml, scheme, goldens and routes.toml of each folder."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from fakes import ROOT, SHIPPED
from push_relay.adapters.catalog import read_table
from push_relay.core.rules.source_file import SourceFile
from relayctl.__main__ import main
from relayctl.reference.stored_secret import stored_secret

PAGE = """\
category = "Any sender"
setup = \"\"\"
1. Enter {url}, or `{url}?kiln=4`.
\"\"\"
notes = "It sends only when it is hot."
"""
SOURCE = """\
title = "Kiln & Co"
docs = "https://kiln.example/docs"
[verify]
scheme = "github"
[[message]]
when = "data.note == 'never'"
skip = "nobody wants it"
[[message]]
title = "Kiln: {{ data.note }}"
body = "{{ data.text }}"
sound = "{{ data.sound }}"
expiry_secs = 7200
"""
ROUTES = '[[route]]\nsource = "kiln"\nto = "external:4711"\n'
ALTERNATIVE = "[[verify.alternative]]\nscheme = "
TITLE = "{http://www.w3.org/2000/svg}title"


class Catalogue:
    """A folder with one source, and docs. `errors` has the errors of the last command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.errors = ""
        (folder / "docs").mkdir()
        self.write("source.toml", SOURCE)
        self.write("schema.json", "{}")
        self.write("page.toml", PAGE)
        self.write("routes.toml", ROUTES)
        self.example("hot", {"note": "hot", "text": "1 | *2*\n<b>", "sound": True})

    def write(self, name: str, text: str) -> Path:
        """Write a file of the source folder."""
        file = self.folder / "sources/kiln" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def example(self, name: str, body: Any, address: str = "https://kiln.example/hot") -> None:
        """Write an example and its golden."""
        request = {"documented_at": address, "headers": {}, "body": body}
        file = self.write(f"examples/{name}.request.json", json.dumps(request))
        assert main(["preview", "--update", "--sources", str(self.folder / "sources"), str(file)]) == 0

    def run(self, *options: str) -> int:
        """Run the command, and return its exit code."""
        self._capsys.readouterr()
        folders = ["--docs", str(self.folder / "docs"), "--sources", str(self.folder / "sources")]
        code = main(["reference", *folders, *options])
        self.errors = self._capsys.readouterr().err.replace(f"{self.folder}/", "")
        return code

    def page(self, name: str = "kiln.md") -> str:
        """Write the pages, and return one."""
        assert self.run() == 0, self.errors
        return (self.folder / "docs/sources" / name).read_text("utf-8")


@pytest.fixture
def catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Catalogue:
    """Return a catalogue with one source."""
    return Catalogue(tmp_path, capsys)


def test_a_page_has_what_a_newcomer_needs(catalogue: Catalogue) -> None:
    """The steps at the sender, what to store, the pushes, the routes, and the limits."""
    page = catalogue.page()
    assert "# Kiln & Co\n" in page
    address = "https://API-ID.execute-api.eu-west-1.amazonaws.com/webhooks/kiln"
    assert f"1. Enter `{address}`, or `{address}?kiln=4`.\n" in page
    assert 'the webhook\'s secret.\n\n```json\n{"kiln": "..."}\n```\n' in page
    assert f"```toml\n{ROUTES.strip()}\n```" in page
    assert "## Good to know\n\nIt sends only when it is hot.\n" in page


def test_the_words_of_a_push_are_shown_as_they_are(catalogue: Catalogue) -> None:
    """They come from strangers, and must not become markup or break the table."""
    push = "**Kiln: hot**<br>1 \\| \\*2\\*<br>&lt;b&gt;"
    assert f"| [Hot](https://kiln.example/hot) | {push} | yes | after 2 hours |" in catalogue.page()


def test_an_example_without_a_push_is_listed_with_its_reason(catalogue: Catalogue) -> None:
    """Even if no route is for it."""
    catalogue.write("routes.toml", f"{ROUTES}when = \"data.note == 'hot'\"\n")
    catalogue.example("never", {"note": "never"})
    assert "| [Never](https://kiln.example/hot) | nobody wants it |" in catalogue.page()


def test_a_shape_that_this_project_documents_is_linked_from_the_page(catalogue: Catalogue) -> None:
    """Such an address begins at the project's root."""
    catalogue.example("hot", {"note": "a", "text": "b"}, "docs/push-api.md#fields")
    assert "[Hot](../push-api.md#fields)" in catalogue.page()


def test_the_picture_has_the_most_urgent_pushes_unless_others_are_chosen(catalogue: Catalogue) -> None:
    """A push with sound first, then by name, and each title once."""
    catalogue.example("a-silent-one", {"note": "silent", "text": "x", "sound": False})
    catalogue.example("cold", {"note": "cold", "text": "x", "sound": True})
    catalogue.example("warm", {"note": "cold", "text": "x", "sound": True})
    shown = re.compile(r'class="title"[^>]*>([^<]+)<')
    assert shown.findall(catalogue.page("kiln.svg")) == ["Kiln: cold", "Kiln: hot", "Kiln: silent"]
    catalogue.write("page.toml", f'{PAGE}phone = ["a-silent-one"]\n')
    assert shown.findall(catalogue.page("kiln.svg")) == ["Kiln: silent"]
    assert 'alt="A phone with pushes of this source: Kiln: silent"' in catalogue.page()


def test_the_index_lists_the_sources_by_category(catalogue: Catalogue) -> None:
    """A folder without page.toml is a deployer's own."""
    catalogue.write("../own/source.toml", SOURCE)
    index = catalogue.page("README.md")
    assert "The catalogue has 1 source." in index
    assert "## Any sender\n\n| sender | source | events |\n|---|---|---|\n" in index
    assert "| [Kiln & Co](kiln.md) | `kiln` | hot |" in index
    assert "own" not in index.replace("your own", "")


def test_check_finds_an_outdated_page_and_one_without_a_source(catalogue: Catalogue) -> None:
    """`make check` fails, and `make reference` corrects it."""
    catalogue.page()
    assert catalogue.run("--check") == 0
    left = catalogue.folder / "docs/sources/oven.svg"
    left.write_text("x")
    catalogue.write("page.toml", PAGE.replace("hot", "cold"))
    assert catalogue.run("--check") == 1
    assert catalogue.errors.splitlines() == [
        "kiln.md: is not current; `make reference` writes it",
        "oven.svg: belongs to no source; `make reference` deletes it",
    ]
    assert catalogue.run() == 0
    assert not left.exists()
    assert catalogue.run("--check") == 0


@pytest.mark.parametrize(
    ("file", "text", "mistake"),
    [
        (
            "page.toml",
            PAGE.replace("Any sender", "Ovens"),
            "kiln/page.toml:1: category: `Ovens` is not one of: ",
        ),
        (
            "page.toml",
            f"{PAGE}phones = []",
            "kiln/page.toml:6: phones: is not a key here; did you mean `phone`?",
        ),
        ("page.toml", 'category = "AWS"', "kiln/page.toml:1: `setup` is missing"),
        (
            "page.toml",
            f"{PAGE}phone = ['hat']",
            "kiln/page.toml:6: phone: `hat` is not an example with a push; did",
        ),
        (
            "page.toml",
            f"{PAGE}phone = ['a', 'b', 'c', 'd']",
            "kiln/page.toml:6: phone: has more than 3 examples",
        ),
        ("page.toml", "category = ", "kiln/page.toml:1: is not TOML"),
        ("routes.toml", ROUTES.replace("to", "for"), "kiln/routes.toml:1: route[1]: `to` is missing"),
        ("source.toml", "title = 1", "kiln/source.toml:1: title: is not a text"),
        (
            "source.toml",
            SOURCE.replace('[verify]\nscheme = "github"', '[[match]]\nsns_topic = "*"'),
            "kiln/page.toml: setup: has {url}, and the source takes no webhooks",
        ),
    ],
)
def test_a_mistake_in_a_folder_has_its_place(
    catalogue: Catalogue, file: str, text: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page stays as it is, and those of other folders are written."""
    monkeypatch.chdir(catalogue.folder)
    page = catalogue.page()
    shutil.copytree(catalogue.folder / "sources/kiln", catalogue.folder / "sources/oven")
    catalogue.write("../oven/routes.toml", ROUTES.replace("kiln", "oven"))
    catalogue.write(file, text)
    assert catalogue.run() == 1
    assert f"sources/{mistake}" in catalogue.errors
    assert (catalogue.folder / "docs/sources/kiln.md").read_text("utf-8") == page
    assert (catalogue.folder / "docs/sources/oven.md").exists()
    assert catalogue.run("--check") == 1


@pytest.mark.parametrize("name", ["routes.toml", "examples/hot.pushes.json"])
def test_a_missing_file_is_explained(catalogue: Catalogue, name: str) -> None:
    """The page shows it."""
    (catalogue.folder / "sources/kiln" / name).unlink()
    assert catalogue.run() == 1
    assert f"kiln/{name}: is missing" in catalogue.errors


# --- what to store ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        ('[verify]\nscheme = "stripe"', ["the endpoint's signing secret", '{"kiln": "..."}', "within 5m"]),
        ('[verify]\nscheme = "basic"', ["`user:password`, as entered at the sender"]),
        (
            '[verify]\nscheme = "token"\nheader = "x-kiln"\nprefix = "Bearer "',
            ["a random token of your own, which the sender sends as `Bearer TOKEN` in the header `x-kiln`"],
        ),
        ('[verify]\nscheme = "token"\ntoken = "json:/key"', ["`TOKEN` in the member `/key` of the body"]),
        ('[verify]\nscheme = "signed"\nheader = "x-kiln"', ["with which the sender signs", "covers: body."]),
        (
            'handshake = "meta"\n[verify]\nscheme = "signed"\nheader = "x-kiln"',
            ['{"kiln": {"secret": "...", "verify-token": "..."}}', "[handshake `meta`]"],
        ),
        ('[verify]\nscheme = "asana"', ["`relayctl handshake kiln --url WEBHOOK_URL`"]),
        ('[verify]\nscheme = "google-pubsub"', ["You store nothing", "[source.kiln.settings]\naudience ="]),
        ('[verify]\nscheme = "twilio"', ["[source.kiln]\nurl ="]),
        ('[verify]\nscheme = "none"', ["unverified = true"]),
        (
            f'[verify]\nscheme = "any-of"\n{ALTERNATIVE}"github"\n{ALTERNATIVE}"token"\nquery = "key"',
            [
                '| `{"kiln": "TOKEN"}` | `TOKEN` in the query parameter `key` |',
                '"KEY"}}` | a signature by the key in the header `x-hub-signature-256` |',
                '"signing-key": "KEY"}}` | one of the two |',
            ],
        ),
        ('[verify]\nscheme = "sns-http"', ["You store nothing", "`topics`"]),
        ('[[match]]\nsns_topic = "*"', ["There is nothing to store"]),
    ],
)
def test_what_to_store_is_written_from_the_scheme(tmp_path: Path, keys: str, texts: list[str]) -> None:
    """The preset's row has the words for its provider."""
    file = tmp_path / "source.toml"
    file.write_text(f'title = "Kiln"\ndocs = "d"\n{keys}\n')
    source = read_table(file, SourceFile)
    source.report.raise_mistakes()
    written = stored_secret("kiln", source)
    assert [text for text in texts if text not in written] == []


# --- the shipped catalogue ------------------------------------------------------------------------------

SOURCES = sorted(path.name for path in SHIPPED.iterdir())


@pytest.mark.parametrize("name", SOURCES)
def test_the_routes_to_start_with_lead_to_somebody(name: str) -> None:
    """A route whose condition never holds would be copied by every deployer."""
    goldens = (SHIPPED / name / "examples").glob("*.pushes.json")
    assert any(push["to"] for file in goldens for push in json.loads(file.read_text("utf-8")))


@pytest.mark.parametrize("name", SOURCES)
def test_the_picture_of_a_source_is_small_and_describes_itself(name: str) -> None:
    """A page with it loads quickly, and a screen reader has the words."""
    file = ROOT / f"docs/sources/{name}.svg"
    assert file.stat().st_size < 8_000
    assert ET.parse(file).getroot().findtext(TITLE)  # noqa: S314 (our own)
