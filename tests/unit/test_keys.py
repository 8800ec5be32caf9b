"""The declarations of the keys agree with the code, the documentation, and the JSON Schemas for editors."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import shipped
from fakes import ROOT, SAMPLES, SHIPPED_ROUTES
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.push import RecipientKind
from push_relay.core.rules.configuration import Key, Table
from push_relay.core.rules.findings import Mistakes, Report
from push_relay.core.rules.kinds import Choice, Duration
from push_relay.core.rules.relay_file import PersonTable, RelayFile
from push_relay.core.rules.source_file import EventTable, SourceFile
from push_relay.core.trust.handshake_names import HANDSHAKE_NAMES
from push_relay.core.trust.schemes.registry import SCHEMES
from push_relay.core.trust.verify_table import VERIFY_TABLES
from relayctl.__main__ import main
from relayctl.reference import schemas, tables
from relayctl.reference.tables import TABLES

KEYS = [(name, key) for name, table in TABLES.items() for key in table.keys.values()]
EVERY_KEY = pytest.mark.parametrize("key", [key for _, key in KEYS], ids=[f"{n}.{k.name}" for n, k in KEYS])
PAGES = ("configuration.md", "writing-a-source.md", "security.md")
#: Tables that no page shows, because they have subtables, or no key of their own.
NOT_SHOWN = {"RelayFile", "Table", "Verify", "VerifyPlain", "VerifySenderAlone"}


def words(table: type[Table], name: str) -> tuple[str, ...]:
    """Return the words of a choice."""
    kind = table.keys[name].kind
    assert isinstance(kind, Choice)
    return kind.names


def test_the_declared_words_are_those_of_the_code() -> None:
    """The declarations don't import what has them, because `deliver` does not need all of it."""
    assert words(EventTable, "format") == tuple(FORMATS)
    assert words(SourceFile, "handshake") == HANDSHAKE_NAMES
    assert list(VERIFY_TABLES) == list(SCHEMES)
    assert list(PersonTable.keys) == list(RecipientKind)


# --- the documentation --------------------------------------------------------------------------------


@EVERY_KEY
def test_every_key_is_documented_in_sentences(key: Key[Any]) -> None:
    """An editor shows them alone."""
    assert key.doc[0].isupper()
    assert key.doc.endswith((".", ")."))


def test_every_table_is_on_a_page() -> None:
    """A key that is declared is in the reference."""
    shown = {name for page in PAGES for name in tables.named((ROOT / "docs" / page).read_text("utf-8"))}
    assert shown == set(TABLES) - NOT_SHOWN


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`make check` fails if a declaration has changed and the files have not."""
    page = tmp_path / "page.md"
    page.write_text("# By hand\n<!-- keys: PersonTable -->\n<!-- end of keys -->\nMore.\n")
    command = ["reference", "--docs", str(tmp_path), "--sources", str(tmp_path / "sources")]
    assert main([*command, "--check"]) == 1
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "following.schema.json: is not current; `make reference` writes it",
        "page.md: is not current; `make reference` writes it",
        "preview.schema.json: is not current; `make reference` writes it",
        "relay.schema.json: is not current; `make reference` writes it",
        "source.schema.json: is not current; `make reference` writes it",
    ]
    assert main(command) == 0
    assert main([*command, "--check"]) == 0
    first, *rows, last = page.read_text().splitlines()[1:]
    assert (first, last) == ("<!-- keys: PersonTable -->", "More.")
    assert rows[2].startswith("| `user` |")
    page.write_text(page.read_text().replace("| `user` |", "| `users` |"))
    assert main([*command, "--check"]) == 1


@pytest.mark.parametrize(("secs", "text"), [(60, "1m"), (90, "90s"), (7200, "2h"), (604_800, "7d")])
def test_a_duration_is_written_as_it_is_read(secs: float, text: str) -> None:
    """The reference shows defaults as a file would have them."""
    assert tables.duration(secs) == text
    assert Duration().read(text) == secs


# --- the JSON Schemas ---------------------------------------------------------------------------------


def violations(file: str, document: Any) -> list[str]:
    """Return where a document breaks a file's schema."""
    schema = json.loads((ROOT / "docs/schemas" / file).read_text("utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    return ["/".join(map(str, error.absolute_path)) for error in validator.iter_errors(document)]


@pytest.mark.parametrize("name", schemas.FILES)
def test_a_schema_is_one(name: str) -> None:
    """Editors ignore a schema that is wrong."""
    jsonschema.Draft7Validator.check_schema(schemas.build(name))


def correct_files() -> Iterator[tuple[str, Path]]:
    """Yield each configuration file of the project that belongs to the tests or ships, with its schema."""
    yield "relay.schema.json", SAMPLES / "relay.toml"
    yield "relay.schema.json", Path(SHIPPED_ROUTES)
    for folder in (SAMPLES / "sources").iterdir():
        yield "source.schema.json", folder / "source.toml"
    for name in shipped.names():
        yield "source.schema.json", shipped.FOLDERS / name / "source.toml"


@pytest.mark.parametrize(("schema", "file"), list(correct_files()), ids=str)
def test_a_correct_file_is_correct_in_an_editor(schema: str, file: Path) -> None:
    """An editor that underlines what is right is switched off."""
    assert violations(schema, tomllib.loads(file.read_text("utf-8"))) == []


#: A document with every key, by the file's schema.
COMPLETE: dict[str, Any] = {
    "relay.schema.json": {
        "account": {
            "default": {
                "base_url": "https://push.example.com",
                "format": "xml",
                "xml_root": "Note",
                "connections": 1,
                "keep_alive": False,
                "title_limit": 1,
                "body_limit": 1,
                "connect_timeout_secs": 1,
                "read_timeout_secs": 1,
                "vendor_finish_secs": 0,
                "daily_calls": 1,
                "time_zone": "Europe/Berlin",
                "reserved_percent": 0,
                "delivery_unknown": "resend",
                "resends": 0,
                "max_age": "1s",
            },
            "mill": {"credentials_secret": "relay/mill", "reserve_percent": 99},
        },
        "people": {"ada": {"user": "1"}, "bob": {"email": "b@example.com"}, "eve": {"external": "x"}},
        "route": [
            {
                "source": "shop",
                "when": "type == 'a'",
                "to": ["user:1", "person:ada"],
                "account": "mill",
                "priority": "high",
                "batch": "5m",
                "max_age": "2h",
            },
            {"source": "shop", "to": "user:1", "digest": "5m"},
        ],
        "source": {
            "shop": {
                "allow_ips": ["192.0.2.0/24"],
                "daily_calls": 1,
                "url": "https://h.example/x",
                "topics": "arn:aws:sns:eu-west-1:123456789012:t",
                "origins": [],
                "unverified": True,
            },
            "oven": {"address": "https://h.example/x"},
        },
        "aws": {"eventbridge_topics": ["arn:aws:sns:eu-west-1:123456789012:t"]},
    },
    "source.schema.json": {
        "title": "Shop",
        "docs": "d",
        "handshake": "slack",
        "verify": {"scheme": "hmac", "header": "X-S", "prefix": "", "digest": "sha1", "encoding": "hex"},
        "event": {
            "format": "json",
            "form_field": "*",
            "id": "data.id",
            "type": "data.type",
            "remember": "5m",
            "max_age": "1h",
        },
        "match": [
            {
                "sns_topic": "*",
                "sqs_queue": "*",
                "eventbridge_source": "*",
                "eventbridge_detail_type": "*",
                "when": "data.a",
            }
        ],
        "message": [
            {"when": "data.a", "title": "t", "body": "b", "sound": True, "expiry_secs": 60},
            {"title": "t", "body": "b", "sound": "{{ data.s }}", "expiry_secs": "{{ data.e }}"},
        ],
    },
}
READERS: dict[str, type[Table]] = {"relay.schema.json": RelayFile, "source.schema.json": SourceFile}
VERIFY = [
    {"scheme": "github"},
    {"scheme": "slack", "tolerance_secs": 86_400},
    {"scheme": "grafana", "header": "X-G", "timestamp_header": "X-T", "tolerance_secs": 1},
    {"scheme": "standard-webhooks", "header_prefix": "svix"},
    {"scheme": "sns-http", "minimum_version": 2},
    {"scheme": "hmac", "header": "X-S", "content": "{timestamp}{body}", "timestamp_header": "X-T"},
    {"scheme": "token", "query": "token", "prefix": "Bearer "},
    {"scheme": "none"},
]


def mistakes(file: str, document: Any) -> list[str]:
    """Return the mistakes that the relay finds in a document's keys."""
    report = Report()
    READERS[file](document, report)
    try:
        report.raise_mistakes()
    except Mistakes as exc:
        return [str(finding) for finding in exc.findings]
    return []


@pytest.mark.parametrize("file", COMPLETE)
def test_the_schema_and_the_relay_accept_every_key(file: str) -> None:
    """Both are made from the same declarations."""
    assert violations(file, COMPLETE[file]) == []
    assert mistakes(file, COMPLETE[file]) == []


@pytest.mark.parametrize("verify", VERIFY, ids=str)
def test_the_schema_and_the_relay_accept_the_keys_of_each_scheme(verify: dict[str, Any]) -> None:
    """They differ by scheme."""
    document = {"title": "t", "docs": "d", "verify": verify}
    assert violations("source.schema.json", document) == []
    assert mistakes("source.schema.json", document) == []


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in items:
        yield (*path, step)
        yield from places(child, (*path, step))


def changed(document: Any, path: tuple[str | int, ...], value: object, name: str = "") -> Any:
    """Return a copy of a document with another value at a path, perhaps under another name."""
    made = json.loads(json.dumps(document))
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    if name:
        del holder[path[-1]]
        holder[name] = value
    else:
        holder[path[-1]] = value
    return made


@pytest.mark.parametrize("file", COMPLETE)
def test_an_editor_finds_a_value_of_another_type_where_the_relay_does(file: str) -> None:
    """In every key: the schema must not be laxer than the reader in this."""
    for path in places(COMPLETE[file]):
        document = changed(COMPLETE[file], path, 0.5)
        assert mistakes(file, document), path
        assert violations(file, document), path


@pytest.mark.parametrize("file", COMPLETE)
def test_an_editor_finds_a_misspelt_key_where_the_relay_does(file: str) -> None:
    """In every table whose keys are declared."""
    for path in places(COMPLETE[file]):
        named_by_deployer = {("account",), ("people",), ("source",)}
        if isinstance(path[-1], int) or path[:-1] in named_by_deployer or path[-1] == "scheme":
            continue
        document = changed(COMPLETE[file], path, "x", name="misspelt")
        assert any("misspelt: is not a key here" in mistake for mistake in mistakes(file, document)), path
        assert violations(file, document), path
