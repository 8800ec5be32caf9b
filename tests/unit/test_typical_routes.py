"""`relayctl check` finds the mistakes that people make in routes, names and files, each with a hint."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED, SHIPPED_ROUTES
from kiln import LINES, ROUTE, check_kiln, only, place, toml
from push_relay.core.rules.findings import ERROR, WARNING
from relayctl.__main__ import main
from relayctl.checking import check
from relayctl.checks import workers

PEOPLE = '[people]\nada = { user = "u-17" }\n'
#: A rule that compares the type, so that the types of the source's events are known.
RULE = "\"type == 'firing'\""


def route(**keys: Any) -> str:
    """Return a relay.toml with one route, whose keys are on line 3 and below."""
    values = {"source": "kiln", "to": ["external:4711"], **keys}
    return (
        PEOPLE + "[[route]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    )


CERTAIN = [
    (route(when="event.type == 'firing'"), "unknown_name", 6, "write `type`"),
    (route(when='type == "firing"'), "unknown_name", 6, "single quotes: 'firing'"),
    (route(when="where == 'House 2'"), "unknown_name", 6, "only in message rules"),
    (route(when="type == 'firing' || 'resolved'"), "constant_condition", 6, "compare it too"),
    (route(when="type =="), "invalid_value", 6, "a value is missing after the operator"),
    (route(to=["user:1, user:2"]), "wrong_type", 5, 'write a list, to = ["...", "user:2"]'),
    (route(to="user:1;email:a@b.example"), "wrong_type", 5, "write a list"),
    (route(to=[["user:1"]]), "invalid_value", 5, "is not a text or a list of texts"),
    (route(to=["person:{{ data.labels[].name }}"]), "wrong_type", 5, "write one for each item"),
    (route(to=["person:{{ data.labels }}"]), "wrong_type", 5, "write one for each item"),
    (route(to=["external:data.kiln.name"]), "not_a_template", 5, "write `{{ data.kiln.name }}`"),
    (route(to=["external:${data.id}"]), "not_a_template", 5, "write `{{ }}`"),
    (route(to=["external:{{ kiln.name }}"]), "unknown_name", 5, "did you mean `data.kiln.name`?"),
    (route(to=["4711"]), "invalid_value", 5, "begins with none of: user:, email:, external:, person:"),
    (route(to=["person:Ada"]), "invalid_value", 5, "did you mean `ada`?"),
    (route(source="klin"), "invalid_value", 4, "did you mean `kiln`?"),
    (route(people=["ada"]), "unknown_key", 6, "is not a key here"),
]
PROBABLE = [
    (route(when="type == 'fireing'"), "unknown_value", 6, "did you mean 'firing'?"),
    (route(when="type == 'cold'"), "unknown_value", 6, "there are: firing"),
    (route(when="contains(['firing', 'cold'], type)"), "unknown_value", 6, "there are: firing"),
    (route(when="data.svrity == 'high'"), "unknown_field", 6, "did you mean `data.severity`?"),
    (route(when="data.level == '3'"), "unknown_value", 6, "write `3` with the backticks"),
    (route(to=["external:{{ data.kiln.id }}"]), "unknown_field", 5, "declare it in schema.json"),
]


@pytest.mark.parametrize(("relay", "code", "line", "hint"), CERTAIN)
def test_a_mistake_in_a_route_is_an_error_with_a_hint(
    relay: str, code: str, line: int, hint: str, tmp_path: Path
) -> None:
    """Nobody would get a push, or everybody."""
    found = check_kiln(tmp_path, relay=relay, when=RULE).findings[0]
    assert (found.code, place(found), found.severity) == (code, ("relay.toml", line), ERROR)
    assert hint in found.message


@pytest.mark.parametrize(("relay", "code", "line", "hint"), PROBABLE)
def test_a_value_that_no_example_of_the_source_has_is_a_warning(
    relay: str, code: str, line: int, hint: str, tmp_path: Path
) -> None:
    """The route may be for an event that the examples do not show."""
    found = only(check_kiln(tmp_path, relay=relay, when=RULE))
    assert (found.code, place(found), found.severity) == (code, ("relay.toml", line), WARNING)
    assert hint in found.message


@pytest.mark.parametrize(
    "relay",
    [
        route(when="type == 'firing' && data.urgent"),
        route(to=["user:1", "email:{{ data.id }}@b.example", "person:{{ data.kiln.name }}"]),
        route(to=["external:{{ first_text(data.owner, data.kiln.name) }}"]),
    ],
)
def test_a_right_route_has_no_finding(relay: str, tmp_path: Path) -> None:
    """A check that is wrong too often is switched off."""
    assert check_kiln(tmp_path, relay=relay, when=RULE).findings == ()


def test_a_route_for_any_type_is_right_if_a_rule_is_for_any_type(tmp_path: Path) -> None:
    """Nobody knows all types of such a source."""
    assert check_kiln(tmp_path, relay=route(when="type == 'cold'")).findings == ()


def test_the_routes_of_a_source_folder_are_checked_too(tmp_path: Path) -> None:
    """A deployer copies them."""
    routes = '[[route]]\nsource = "kiln"\nwhen = "type = \'x\'"\nto = ["usr:1", "user:{{ payload.x }}"]\n'
    found = check_kiln(tmp_path, files={"routes.toml": routes}).findings
    assert [(place(each), each.code) for each in found] == [
        (("routes.toml", 3), "invalid_value"),
        (("routes.toml", 4), "invalid_value"),
        (("routes.toml", 4), "unknown_name"),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("event.action", "write `data.action`"),
        ("type", "known only in message rules and routes"),
        ("where", "a named value can be read only in message rules"),
        ("data.actoin", "did you mean `data.action`?"),
        ('headers."X-Kiln-Event"', 'write `headers."x-kiln-event"`'),
    ],
)
def test_the_type_of_an_event_is_read_from_the_request(text: str, hint: str, tmp_path: Path) -> None:
    """The names of an event do not exist yet."""
    found = only(check_kiln(tmp_path, type=toml(text)))
    assert place(found) == ("source.toml", LINES["type"])
    assert hint in found.message


# --- sources that nobody gets pushes of -----------------------------------------------------------------


def test_an_own_source_without_a_route_is_a_warning(tmp_path: Path) -> None:
    """Its events are filtered, and nothing else shows why."""
    result = check_kiln(tmp_path, relay="")
    (found,) = result.findings
    assert (found.code, place(found), found.severity) == ("no_route", ("relay.toml", 0), WARNING)
    assert '[[route]] with source = "kiln"' in found.message
    assert (result.ok, result.unrouted) == (True, ())


def test_the_sources_of_the_catalogue_without_a_route_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred warnings would hide the others."""
    result = check_kiln(tmp_path, relay="", files={"page.toml": ""})
    assert (result.findings, result.unrouted) == ((), ("kiln",))
    paths = ["--sources", str(tmp_path / "sources"), "--config", str(tmp_path / "relay.toml")]
    assert main(["check", *paths]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        "check: relay.toml and all sources are valid\n"
        "check: 1 of the catalogue's sources have no route, so they lead to no push\n"
    )
    assert main(["check", "--json", *paths]) == 0
    assert json.loads(capsys.readouterr().out)["unrouted"] == ["kiln"]


def test_a_source_without_a_rule_is_a_warning(tmp_path: Path) -> None:
    """It takes events, and no push is ever made of them."""
    (found,) = check_kiln(tmp_path, source='title = "t"\ndocs = "d"\n').findings
    assert (found.code, place(found), found.severity) == ("no_message", ("source.toml", 1), WARNING)


# --- names and files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "served"),
    [("Kiln_1", "kiln-1"), ("k" * 70, "k" * 64), ("kiln 1", "kiln-1"), ("kiln.com", "kiln-com")],
)
def test_a_folder_whose_name_cannot_be_served_is_an_error(name: str, served: str, tmp_path: Path) -> None:
    """Its webhook would answer 404."""
    (found,) = check_kiln(tmp_path, name=name, relay=ROUTE.replace("kiln", name)).findings
    assert (found.code, Path(found.file).name, found.severity) == ("invalid_name", name, ERROR)
    assert f"name it `{served}`" in found.message


def test_files_that_nobody_reads_are_warnings(tmp_path: Path) -> None:
    """An example with another name would not be tested."""
    files = {"examples/other.json": "{}", "examples/gone.pushes.json": "[]", "late.request.json": "{}"}
    result = check_kiln(tmp_path, files=files)
    assert [(place(each)[0], each.code, each.severity) for each in result.findings] == [
        ("gone.pushes.json", "unused_file", WARNING),
        ("other.json", "unused_file", WARNING),
        ("late.request.json", "unused_file", WARNING),
    ]
    assert "name it `other.request.json`" in result.findings[1].message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("{\n 'a'}", 2, "is not JSON"),
        ("[1]", 0, "is not an object"),
        ('{"headers": {"content-type": "application/json"}, "boddy": {}}', 0, "did you mean `body`?"),
        ('{"headers": [], "body": {}}', 0, "`headers` is not an object"),
        ('{"headers": {}, "body": "{"}', 0, "is refused"),
    ],
)
def test_an_example_that_cannot_be_read_is_an_error(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    """A person thinks that it is tested."""
    found = check_kiln(tmp_path, files={"examples/wrong.request.json": text}).findings[0]
    assert (found.code, place(found), found.severity) == (
        "failed_example",
        ("wrong.request.json", line),
        ERROR,
    )
    assert message in found.message


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("when = type == 'x'", "a text is in quotes"),
        ('when = "headers."x-y" == 1"', "with double quotes in it is in single quotes"),
        ("when = 'type == 'x''", "with single quotes in it is in double quotes"),
        ('when: "type"', "a key and its value have a `=`"),
    ],
)
def test_a_file_that_is_not_toml_has_a_hint(line: str, hint: str, tmp_path: Path) -> None:
    """The reader's own message names only the sign at which it stopped."""
    found = check_kiln(tmp_path, source=f'title = "t"\ndocs = "d"\n[[message]]\n{line}\n').findings[0]
    assert (found.code, place(found)) == ("unreadable_file", ("source.toml", 4))
    assert hint in found.message


def test_an_example_of_a_handshake_is_not_a_mistake(tmp_path: Path) -> None:
    """The relay answers it, and it is not an event that the schema has to allow."""
    source = 'title = "t"\ndocs = "d"\n[verify]\nscheme = "slack"\n[[message]]\ntitle = "t"\nbody = "b"\n'
    question = {"type": "url_verification", "challenge": "c", "token": "t"}
    example = {"headers": {"content-type": "application/json"}, "body": question}
    files = {"examples/question.request.json": json.dumps(example)}
    schema = '{"type": "object", "required": ["id"]}'
    assert check_kiln(tmp_path, source=source, schema=schema, files=files).findings == ()
    question["type"] = "other"
    files = {"examples/question.request.json": json.dumps(example)}
    (found,) = check_kiln(tmp_path, source=source, schema=schema, files=files).findings
    assert found.message.startswith("is refused by schema.json: /id breaks `required`")


# --- all folders ----------------------------------------------------------------------------------------


def test_no_shipped_folder_has_a_finding() -> None:
    """Neither a mistake, nor a warning that every deployer would see."""
    assert [str(found) for found in check(SHIPPED, SHIPPED_ROUTES).findings] == []


def test_several_processes_find_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred folders are checked on several processors, in any order."""
    for number in range(4):
        check_kiln(tmp_path, name=f"kiln-{number}", when=toml(f"event.x{number}"), body=toml("{{ data. }}"))
    sources, config = tmp_path / "sources", tmp_path / "relay.toml"
    alone = check(sources, config)
    monkeypatch.setattr(workers, "_LEAST", 1)
    assert check(sources, config) == alone
    assert len(alone.findings) > 8
