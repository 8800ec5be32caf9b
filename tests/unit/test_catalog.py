"""A mistake in a source folder or in relay.toml is reported with its file, line and cause."""

from pathlib import Path

import pytest

from fakes import SAMPLES, SHIPPED, SHIPPED_ROUTES
from push_relay.adapters.catalog import Catalog, line_of, read_routing_file, read_source_folder
from push_relay.core.errors import ConfigurationInvalid, UnknownSource

SOURCE = """title = "Shop"
docs = "d"

[verify]
scheme = "github"

[event]
id = "data.id"

[[match]]
sns_topic = "arn:*"

[[message]]
title = "one"
body = "b"

[[message]]
when = "type == 'x'"
title = "two"
body = "b"
sound = true
"""
RELAY = """# A comment
[account.default]
format = "json"
connections = 3

[people]
ada = { email = "ada@example.com" }

[[route]]
source = "shop"
to = ["person:ada"]

[[route]]
source = "shop"
when = "type == 'x'"
to = ["user:1"]
"""


def folder(directory: Path, source: str = SOURCE, schema: str = "{}") -> Path:
    """Create a source folder with these contents."""
    made = directory / "shop"
    made.mkdir()
    (made / "source.toml").write_text(source)
    (made / "schema.json").write_text(schema)
    return made


@pytest.mark.parametrize(
    ("before", "after", "line", "cause"),
    [
        ('title = "Shop"', "", 1, "`title` is missing"),
        ('title = "Shop"', 'title = ""', 1, "title: is empty"),
        ('docs = "d"', "docs = 1", 2, "docs: is not a text"),
        ('docs = "d"', 'docs = "d"\ndoc = "d"', 3, "doc: is not a key here; did you mean `docs`?"),
        ('scheme = "github"', 'scheme = "nosuch"', 5, "verify.scheme: `nosuch` does not exist"),
        ('scheme = "github"', "", 4, "verify: `scheme` is missing"),
        ('scheme = "github"', 'scheme = "github"\nheder = "x"', 6, "verify.heder: is not a key here"),
        ("[verify]", "[verfy]", 4, "verfy: is not a key here"),
        ('id = "data.id"', 'id = "data."', 8, "event.id: `data.` is not a JMESPath expression"),
        ('id = "data.id"', 'id = "headers"', 8, "event.id: `headers` takes headers whole"),
        ('docs = "d"', 'docs = "d"\nhandshake = "nosuch"', 3, "handshake: `nosuch` is not one of: slack"),
        (
            'docs = "d"',
            'docs = "d"\nhandshake = "sns"',
            3,
            "handshake: `sns` is only safe with the scheme `sns-http`",
        ),
        ('id = "data.id"', 'ids = "data.id"', 8, "event.ids: is not a key here"),
        ('id = "data.id"', 'format = "yaml"', 8, "event.format: `yaml` is not one of: json, list"),
        (
            'sns_topic = "arn:*"',
            'sns_topics = "arn:*"',
            11,
            "match[1].sns_topics: is not a key here; did you mean `sns_topic`?",
        ),
        ('sns_topic = "arn:*"', 'sns_topic = "arn:*"\nif = "x"', 12, "match[1].if: is not a key here"),
        ('title = "one"', "", 13, "message[1]: `title` is missing"),
        ('title = "two"', "", 17, "message[2]: `title` is missing"),
        ('title = "two"', 'title = "{{ two"', 19, "message[2].title: `{{ two` opens"),
        (
            'title = "two"',
            'title = "{{ data. }}"',
            19,
            "message[2].title: `data.` is not a JMESPath expression",
        ),
        ('title = "two"', 'title = "{{ query.* }}"', 19, "message[2].title: `query.*` takes query whole"),
        ('id = "data.id"', 'id = "*.a | [0]"', 8, "event.id: `*.a | [0]` takes headers whole"),
        ("type == 'x'", "nosuch(type)", 18, "message[2].when: `nosuch(type)` calls nosuch()"),
        ("sound = true", "sound = 1", 21, "message[2].sound: is not true or false, nor an expression"),
        (
            "sound = true",
            "expiry_secs = true",
            21,
            "message[2].expiry_secs: is not a whole number, nor an",
        ),
        ("sound = true", "sund = true", 21, "message[2].sund: is not a key here"),
        ("[[message]]", "[message]", 13, "is not TOML"),
        ("sound = true", "sound = ", 21, "is not TOML"),
    ],
)
def test_a_mistake_in_a_source_is_reported_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, cause: str
) -> None:
    """Each key is misspelt or has a wrong value. `relayctl check` prints exactly this text."""
    made = folder(tmp_path, SOURCE.replace(before, after, 1))
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_source_folder(made)
    place, reported = wrong.value.detail.split(": ", 1)
    assert cause in reported
    if "TOML" not in cause or before.startswith("sound"):
        assert place == f"{made}/source.toml:{line}"


@pytest.mark.parametrize(
    ("schema", "line", "cause"),
    [
        ("{", 1, "is not JSON"),
        ('{\n  "a": 1,\n}', 2, "is not JSON"),
        ("[]", 1, "is not an object"),
        ('{"type": "nosuch"}', 1, "the schema is wrong"),
        ('{"$ref": "https://example.com/x"}', 1, "the schema is wrong"),
        ('{"pattern": "("}', 1, "the schema is wrong"),
    ],
)
def test_a_mistake_in_a_schema_is_reported_with_its_file(
    tmp_path: Path, schema: str, line: int, cause: str
) -> None:
    """The text has the same format as for a mistake in source.toml."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_source_folder(folder(tmp_path, schema=schema))
    assert wrong.value.detail.startswith(f"{tmp_path}/shop/schema.json:{line}: {cause}")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """This can be the schema of a source folder, or relay.toml itself."""
    (folder(tmp_path) / "schema.json").unlink()
    with pytest.raises(ConfigurationInvalid, match=r"schema\.json: cannot be read: No such file"):
        read_source_folder(tmp_path / "shop")
    with pytest.raises(ConfigurationInvalid, match=r"relay\.toml: cannot be read"):
        read_routing_file(tmp_path / "relay.toml")


def test_a_file_in_another_charset_is_reported(tmp_path: Path) -> None:
    """TOML has to be encoded in UTF-8."""
    (tmp_path / "relay.toml").write_bytes(b'a = "\xe9"')
    with pytest.raises(ConfigurationInvalid, match="is not UTF-8"):
        read_routing_file(tmp_path / "relay.toml")


@pytest.mark.parametrize(
    ("before", "after", "line", "cause"),
    [
        ('format = "json"', 'format = "yaml"', 3, "account.default.format: `yaml` is not one of: json, xml"),
        ('format = "json"', 'fromat = "json"', 3, "account.default.fromat: is not a key here"),
        (
            'format = "json"',
            'xml_root = "1x"',
            3,
            "account.default.xml_root: `1x` is not the name of an",
        ),
        ("connections = 3", "connections = 0", 4, "account.default.connections: is less than 1"),
        ("connections = 3", "connections = true", 4, "account.default.connections: is not a whole number"),
        ("connections = 3", 'connections = "3"', 4, "account.default.connections: is not a whole number"),
        ("[account.default]", "[account.defualt]", 2, "account.defualt: `credentials_secret` is missing"),
        ("[account.default]", "[acount.default]", 2, "acount: is not a key here"),
        (
            'email = "ada@example.com"',
            'email = "ada"',
            7,
            "people.ada.email: a recipient's email",
        ),
        ('email = "ada@example.com"', "", 7, "people.ada: has to have exactly one of: user, email"),
        ('email = "ada@example.com"', 'mail = "x"', 7, "people.ada.mail: is not a key here; did you mean"),
        (
            'email = "ada@example.com"',
            'email = "a@b", user = "1"',
            7,
            "people.ada: has to have exactly one of",
        ),
        ('email = "ada@example.com"', 'user = ""', 7, "people.ada.user: is empty"),
        ('email = "ada@example.com"', 'user = "1", nick = "a"', 7, "people.ada.nick: is not a key here"),
        ('{ email = "ada@example.com" }', '"ada"', 7, "people.ada: is not a table"),
        ('["person:ada"]', '["person:bob"]', 11, "route[1].to: `person:bob` is not in [people]"),
        ('["person:ada"]', "[]", 11, "route[1].to: is an empty list"),
        ('["person:ada"]', '[""]', 11, "route[1].to: is not a text or a list of texts"),
        ('["user:1"]', '["user:"]', 16, "route[2].to: `user:`"),
        ('["user:1"]', "7", 16, "route[2].to: is not a text or a list of texts"),
        ("type == 'x'", "type ==", 15, "route[2].when: `type ==` is not a JMESPath expression"),
        ("when = ", "wen = ", 15, "route[2].wen: is not a key here"),
        (
            'source = "shop"',
            'source = "shpo"',
            10,
            "route[1].source: there is no source `shpo`; did you mean `shop`?",
        ),
        ('source = "shop"\nwhen', "when", 13, "route[2]: `source` is missing"),
        ("[[route]]", "[[rout]]", 9, "rout: is not a key here"),
        ("[people]", "people = 3\n[x]", 6, "people"),
        *(
            ("[people]", f'[source.shop]\nurl = "{url}"\n[people]', 7, "source.shop.url: `")
            for url in ("hooks.example.com/x", "https://hooks.example.com", "https://h/x?y", "ftp://h/x")
        ),
    ],
)
def test_a_mistake_in_relay_toml_is_reported_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, cause: str
) -> None:
    """Each key of the deployer's file is misspelt or has a wrong value."""
    file = tmp_path / "relay.toml"
    file.write_text(RELAY.replace(before, after, 1))
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_routing_file(file, {"shop"})
    place, reported = wrong.value.detail.split(": ", 1)
    assert cause in reported
    assert place == f"{file}:{line}"


def test_a_line_is_found_by_table_and_key() -> None:
    """Keys can be quoted, headers indented, and tables numbered. A missing key has its table's line."""
    text = '[a]\nx = 1\n [[b]]\n  x = 2\n[[b]]\n"y" = 3\n'
    assert line_of(text, ("a", "x")) == 2
    assert line_of(text, ("b", 0, "x")) == 4
    assert line_of(text, ("b", 1, "y")) == 6
    assert line_of(text, ("b", 1, "z")) == 5
    assert line_of(text, ("c",)) == 1


def test_a_correct_folder_and_file_are_read(tmp_path: Path) -> None:
    """The texts into which the other tests put mistakes must not have any themselves."""
    assert read_source_folder(folder(tmp_path)).name == "shop"
    (tmp_path / "relay.toml").write_text(RELAY)
    assert len(read_routing_file(tmp_path / "relay.toml", {"shop"}).routes) == 2


def test_every_shipped_source_can_be_read_and_routed() -> None:
    """This test covers only the shipped folders. `make check` reads the deployer's own."""
    catalog = Catalog(SHIPPED)
    assert [source.name for source in catalog.all()] == catalog.names()
    for source in catalog.all():
        assert source.mistakes() == ()
    assert read_routing_file(SHIPPED_ROUTES, catalog.names()).routes


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../sources/bakery",
        "bakery/",
        "/bakery",
        "Bakery",
        "",
        ".",
        "bakery\n",
        "a" * 65,
        "bäckerei",
        "\0",
    ],
)
def test_an_invalid_name_is_refused_before_it_becomes_a_path(name: str) -> None:
    """The name is part of the URL, so anyone can choose it."""
    with pytest.raises(UnknownSource) as unknown:
        Catalog(SAMPLES / "sources").named(name)
    assert str(unknown.value) == "there is no source of that name"


def test_a_source_is_read_once() -> None:
    """Compiling its expressions is expensive, so the catalog keeps the source."""
    catalog = Catalog(SAMPLES / "sources")
    assert catalog.named("bakery") is catalog.named("bakery")
