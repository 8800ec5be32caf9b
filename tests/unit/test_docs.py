"""The docs name what exists: keys, functions, schemes, attacks, sources. Tables: test_reference.py."""

import importlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import shipped
from attacks import ATTACKS, Attack
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.queue_format import SOURCE_ATTRIBUTE
from push_relay.core.rules.functions import FUNCTIONS
from push_relay.core.trust.handshake_names import HANDSHAKE_NAMES
from push_relay.core.trust.schemes.registry import SCHEMES

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    """Return a file of the project."""
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_added_function_is_documented(function: str) -> None:
    """Every function beside JMESPath's own has a line."""
    assert f"| `{function}(" in read("docs/writing-a-source.md")


@pytest.mark.parametrize("name", [*FORMATS, *HANDSHAKE_NAMES])
def test_every_format_and_handshake_is_documented(name: str) -> None:
    """An author of a source chooses among them."""
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`", read("docs/writing-a-source.md"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_its_row(scheme: str) -> None:
    """Header, signed content, encoding, window and source of truth."""
    row = re.search(rf"^\| `{scheme}` \|(.*)\|$", read("docs/security.md"), re.MULTILINE)
    assert row
    assert row[1].count("|") == 4


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_attack_is_in_the_table(attack: Attack) -> None:
    """The table is the list that the suite goes through."""
    assert f"| {attack.name} | 401 |" in read("docs/security.md")


def test_each_attack_on_one_part_names_the_tests_that_try_it() -> None:
    """A test that was renamed or removed leaves an attack that nobody tries."""
    table = read("docs/security.md").partition("| part | attack |")[2].partition("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) > 30
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for row in rows:
        names = re.findall(r"`(test_\w+)`", row.rsplit(" | ", 1)[1])
        assert names, row
        assert [name for name in names if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("name", shipped.names())
def test_every_source_of_the_catalogue_has_examples(name: str) -> None:
    """An example is the only proof of a wording."""
    assert (shipped.FOLDERS / name / "source.toml").is_file()
    assert list((shipped.FOLDERS / name / "examples").glob("*.request.json"))


def test_the_catalogue_is_found() -> None:
    """An empty list would leave every test of the sources without work."""
    assert {"github", "grafana", "push"} <= set(shipped.names())


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_source_that_takes_webhooks_is_in_the_openapi_document(name: str) -> None:
    """`relayctl openapi --check` leaves out folders that the document does not name."""
    source = tomllib.loads((shipped.FOLDERS / name / "source.toml").read_text("utf-8"))
    assert (f'"/webhooks/{name}"' in read("docs/openapi.json")) is ("verify" in source)


def test_the_message_attribute_that_names_a_source_is_documented() -> None:
    """AWS senders learn how to name their source."""
    assert f"message attribute `{SOURCE_ATTRIBUTE}`" in read("docs/writing-a-source.md")


DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_between_documents_leads_somewhere(document: str) -> None:
    """A link may name a file, and a heading of it."""
    folder = (ROOT / document).parent
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", read(document)):
        path = folder / target if target else ROOT / document
        assert path.exists(), target
        if heading:
            assert heading in anchors(path), f"{target}#{heading}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


FOLDERS = ("src", "tools", "tests", "docs", "config", "bench", "build", "events", "requirements")
#: Files of runs, which are not in the repository.
MADE_BY_RUNS = {"config/relay.json", ".run/local-state.json", "bench/report.json"}


@cache
def paths() -> tuple[str, ...]:
    """Return every file and folder of the project, each beginning with a slash, folders ending with one."""
    found = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return tuple(f"/{path.relative_to(ROOT)}{'/' if path.is_dir() else ''}" for path in found)


#: Pages that describe the code as it is. Superseded decisions are history.
DESCRIBING = [
    "CONTRIBUTING.md",
    *(f"docs/{name}.md" for name in ("architecture", "reference", "reliability", "security")),
    *(name for name in DOCUMENTS if "/decisions/" in name and "Status: *superseded" not in read(name)),
]


@pytest.mark.parametrize("document", DESCRIBING)
def test_every_path_that_a_page_names_exists(document: str) -> None:
    """A reader looks for the file. A path may begin at any folder."""
    for path in re.findall(r"`([\w./-]+(?:\.(?:py|md|json|toml|yaml|txt)|/))`", read(document)):
        assert path in MADE_BY_RUNS or any(f"/{path}" in each for each in paths()), path


def test_each_port_is_beside_its_consumer() -> None:
    """The architecture's table is the way into the adapters."""
    table = read("docs/architecture.md").partition("| port |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.+?`) \| `([\w/.]+)`", table, re.MULTILINE)
    assert len(rows) > 5
    for ports, place in rows:
        path = ROOT / "src/push_relay" / place
        modules = [path] if path.suffix else sorted(path.glob("*.py"))
        names = [
            f"push_relay.{m.relative_to(ROOT / 'src/push_relay').with_suffix('')}".replace("/", ".")
            for m in modules
        ]
        for port in re.findall(r"`(\w+)`", ports):
            homes = [vars(importlib.import_module(name)).get(port) for name in names]
            assert any(getattr(home, "_is_protocol", False) for home in homes), port


RECORDS = sorted(path for path in (ROOT / "docs/decisions").glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_has_its_form_and_its_row_in_the_index(record: Path) -> None:
    """The index shows which decisions still hold, so its titles and statuses are those of the records."""
    form = re.fullmatch(
        r"# (\d+)\. (.+)\n\nStatus: (\*.+\*)\. Date: \d{4}-\d\d-\d\d\.\n"
        r"\n\*\*Context\.\*\* .+\n\n\*\*Decision\.\*\* .+\n\n\*\*Consequence\.\*\* .+\n",
        record.read_text("utf-8"),
        re.DOTALL,
    )
    assert form
    number, title, status = form.groups()
    assert record.name.startswith(f"{int(number):03}-")
    assert f"| {number} | [{title}]({record.name}) | {status} |" in read("docs/decisions/README.md")
    assert re.fullmatch(
        r"\*(accepted|(accepted, in part )?superseded by \[\d+\]\(.+\)( and \[\d+\]\(.+\))?)\*", status
    )


def test_decisions_are_numbered_in_a_row_and_the_index_has_no_others() -> None:
    """Two branches may each have added a record."""
    assert [record.name[:3] for record in RECORDS] == [f"{n:03}" for n in range(1, len(RECORDS) + 1)]
    assert read("docs/decisions/README.md").count("\n| ") - read("docs/decisions/README.md").count(
        "\n| no. |"
    ) == len(RECORDS)


def test_every_make_target_is_explained() -> None:
    """`make help` lists every target."""
    targets = re.findall(r"^([a-z-]+):(.*)$", read("Makefile"), re.MULTILINE)
    assert len(targets) > 5
    assert [name for name, rest in targets if "##" not in rest] == []
