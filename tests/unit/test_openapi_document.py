"""The OpenAPI document covers any source folder: every scheme, body format and handshake."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from front_door import toml_value
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.trust.handshake_names import AS_DATA, SPECIAL
from push_relay.core.trust.handshakes.rows import ROWS
from relayctl.__main__ import main
from relayctl.openapi.document import build
from signers import CASES, NOW

NESTED = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "node": {"$ref": "#/$defs/node"},
        "$ref": {"const": {"$ref": "#/$defs/node"}},
        "self": {"$ref": "#"},
    },
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
}


def folder(root: Path, name: str, schema: Any = None, **tables: Any) -> None:
    """Write a source folder. The values of a table are written as JSON, which TOML reads too."""
    made = root / name
    made.mkdir()
    lines = [f'title = "{name}"', 'docs = "https://example.com"']
    lines += [f'handshake = "{tables["handshake"]}"'] if "handshake" in tables else []
    for table in {"verify", "event", "answer"} & tables.keys():
        lines.append(f"[{table}]")
        lines += [f"{key} = {toml_value(value)}" for key, value in tables[table].items()]
    (made / "source.toml").write_text("\n".join(lines), "utf-8")
    (made / "schema.json").write_text(json.dumps(schema or {"type": "object"}), "utf-8")


def valid(root: Path) -> Any:
    """Return the document of the folders, after a check by OpenAPI's own schema."""
    document = build(root)
    schemathesis.openapi.from_dict(document).validate()
    return document


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_header_of_a_proof_is_documented(case: Any, tmp_path: Path) -> None:
    """The document requires exactly the headers that a genuine sender adds to its requests."""
    folder(tmp_path, "planted", verify=case.verify)
    document = valid(tmp_path)
    proofs = document["components"]["securitySchemes"]
    (required,) = document["paths"]["/webhooks/planted"]["post"]["security"] or [{}]
    assert set(required) == set(proofs)
    request = case.genuine(NOW)
    sent = {name.lower() for name in (*request.headers, *request.query)} - {"content-type"}
    assert {proof.get("name", "authorization").lower() for proof in proofs.values()} == (
        set() if case.verify["scheme"] == "sns-http" else sent
    )


@pytest.mark.parametrize("form", [None, "payload", "*"])
@pytest.mark.parametrize("body_format", FORMATS)
def test_every_body_format_is_documented(body_format: str, form: str | None, tmp_path: Path) -> None:
    """A body format can be combined with a form, and then both are documented."""
    event = {"format": body_format} | ({"form_field": form} if form else {})
    folder(tmp_path, "planted", verify={"scheme": "github"}, event=event)
    operation = valid(tmp_path)["paths"]["/webhooks/planted"]["post"]
    accepts_forms = form is not None or body_format == "multipart"
    assert ("application/x-www-form-urlencoded" in operation["requestBody"]["content"]) is accepts_forms


def test_a_request_whose_events_an_expression_names_is_any_json(tmp_path: Path) -> None:
    """The schema is that of the items, wherever they are."""
    folder(tmp_path, "planted", verify={"scheme": "github"}, event={"each": "data.alerts"})
    operation = valid(tmp_path)["paths"]["/webhooks/planted"]["post"]
    assert operation["requestBody"]["content"] == {"application/json": {"schema": {}}}


@pytest.mark.parametrize("handshake", [None, "slack"])
@pytest.mark.parametrize(
    ("answer", "statuses"),
    [
        ({"status": 204}, {"204"}),
        ({"status": 200}, {"200"}),
        ({"status": 201, "body": "OK"}, {"201"}),
        ({"rejected_status": 406}, {"200", "202", "406"}),
        ({"status": 200, "rejected_status": 406}, {"200", "406"}),
    ],
)
def test_the_status_of_a_source_s_own_answer_is_documented(
    answer: Any, statuses: set[str], handshake: str | None, tmp_path: Path
) -> None:
    """A handshake is still answered with 200."""
    more = {"handshake": handshake} if handshake else {}
    folder(tmp_path, "planted", verify={"scheme": "github"}, answer=answer, **more)
    responses = valid(tmp_path)["paths"]["/webhooks/planted"]["post"]["responses"]
    assert {status for status in responses if status < "300" or status == "406"} == statuses | (
        {"200"} if handshake else set()
    )
    if answer.get("body"):
        assert responses["201"]["content"] == {"text/plain": {"schema": {"const": "OK"}}}


@pytest.mark.parametrize("handshake", [*AS_DATA, *SPECIAL])
def test_every_handshake_is_documented(handshake: str, tmp_path: Path) -> None:
    """A sender asks by OPTIONS, GET, HEAD or POST. A POST may be an event, too."""
    scheme = "sns-http" if handshake == "sns" else "github"
    folder(tmp_path, "planted", verify={"scheme": scheme}, handshake=handshake)
    path = valid(tmp_path)["paths"]["/webhooks/planted"]
    assert ("options" in path) is (handshake == "cloudevents")
    asked = {row.method.lower() for row in ROWS.get(handshake, ())} | {"post"}
    assert set(path) - {"options"} == asked
    assert f"`{handshake}`" in path["post"]["description"]


def test_a_source_without_webhooks_has_no_path(tmp_path: Path) -> None:
    """AWS delivers its events, and not HTTP."""
    folder(tmp_path, "planted")
    assert list(valid(tmp_path)["paths"]) == ["/health"]


def test_references_in_a_schema_are_adjusted_to_its_place_in_the_document(tmp_path: Path) -> None:
    """A constant or a property's name may look like a reference, and must not be changed."""
    folder(tmp_path, "planted", NESTED, verify={"scheme": "github"})
    schema = valid(tmp_path)["components"]["schemas"]["planted"]
    moved = {"$ref": "#/components/schemas/planted/$defs/node"}
    assert schema["properties"] == {
        "node": moved,
        "$ref": {"const": {"$ref": "#/$defs/node"}},
        "self": {"$ref": "#/components/schemas/planted"},
    }
    assert schema["$defs"]["node"]["properties"]["next"] == moved
    assert "$schema" not in schema


def test_a_schema_with_an_id_is_not_changed(tmp_path: Path) -> None:
    """With an `$id`, references are relative to the schema itself."""
    folder(tmp_path, "planted", NESTED | {"$id": "urn:planted"}, verify={"scheme": "github"})
    assert valid(tmp_path)["components"]["schemas"]["planted"] == NESTED | {"$id": "urn:planted"}


def test_the_command_writes_and_checks_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new folder is only mentioned, as it may be unfinished. A changed or removed one is a mistake."""
    sources, file = tmp_path / "sources", tmp_path / "openapi.json"
    sources.mkdir()
    folder(sources, "planted", verify={"scheme": "github"})
    command = ["openapi", "--sources", str(sources), "--file", str(file)]
    assert main([*command, "--check"]) == 1
    assert main(command) == 0
    first = file.read_bytes()
    assert main([*command, "--check"]) == 0
    folder(sources, "another", verify={"scheme": "stripe"})
    capsys.readouterr()
    assert main([*command, "--check"]) == 0
    assert capsys.readouterr().out == (
        "openapi: openapi.json has no endpoint yet for: another; `make openapi` adds it\n"
    )
    (sources / "planted" / "schema.json").write_text('{"type": "object", "required": ["id"]}')
    assert main([*command, "--check"]) == 1
    (sources / "planted").rename(tmp_path / "removed")
    assert main([*command, "--check"]) == 1
    assert file.read_bytes() == first
    (sources / "another" / "schema.json").write_text("{")
    assert main(command) == 1
    assert "schema.json:1: is not JSON" in capsys.readouterr().err
