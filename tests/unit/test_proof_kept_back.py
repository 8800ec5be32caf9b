"""The sender's proof is used for verification only: no expression reads it, and no event contains it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from front_door import GATEWAYS, PLANTED, Gateway, world_of
from push_relay.adapters.catalog import read_routing_file, read_source_folder
from push_relay.core.errors import ConfigurationInvalid
from relayctl.__main__ import main
from signers import CASES, Case

#: Every scheme whose proof is not in the body.
PROOF_OUTSIDE_BODY = [case for case in CASES if case.proof.kind in {"headers", "query"}]
EACH_CASE = pytest.mark.parametrize("case", PROOF_OUTSIDE_BODY, ids=lambda case: case.name)
MESSAGE = {"title": "Came", "body": "in"}
#: The expressions of a source: table, key, and the text into which the expression is written.
PLACES = [
    ("event", "id", "{}"),
    ("event", "type", "not_null(data.a, {})"),
    ("message", "when", "data.a || {}"),
    ("message", "title", "{{{{ {} }}}}"),
    ("message", "body", "{{{{ data.a }}}}, {{{{ {} }}}}"),
    ("message", "sound", "{{{{ {} == 'x' }}}}"),
    ("message", "expiry_secs", "{{{{ length({}) }}}}"),
]


def source_folder(
    directory: Path, verify: Mapping[str, Any], event: Mapping[str, str], message: Mapping[str, str]
) -> Path:
    """Write a source folder with these tables. The last key of each is in its last line."""
    made = directory / "sources" / PLANTED
    made.mkdir(parents=True)
    lines = ['title = "Planted"', 'docs = "d"']
    for header, table in (("[verify]", verify), ("[[message]]", message), ("[event]", event)):
        lines += [header, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (made / "source.toml").write_text("\n".join(lines))
    (made / "schema.json").write_text("{}")
    return made


def reading(case: Case) -> str:
    """Return the expression that reads the proof of a case."""
    return f'{case.proof.kind}."{case.proof.name}"'


@EACH_CASE
@pytest.mark.parametrize(("table", "key", "text"), PLACES, ids=[f"{table} {key}" for table, key, _ in PLACES])
def test_no_expression_of_a_source_may_read_the_proof(
    case: Case, table: str, key: str, text: str, tmp_path: Path
) -> None:
    """It is a mistake at build time. The error has the file, the line, the cause and the remedy."""
    tables: dict[str, dict[str, str]] = {"event": {}, "message": dict(MESSAGE)}
    tables[table][key] = text.format(reading(case))
    made = source_folder(tmp_path, case.verify, **tables)
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_source_folder(made)
    place, detail = wrong.value.detail.split(": ", 1)
    written = (made / "source.toml").read_text()
    line = 1 + written.partition(f"\n{key} = {json.dumps(tables[table][key])}")[0].count("\n") + 1
    assert place == f"{made}/source.toml:{line}"
    assert detail.startswith(f"{table}{'[1]' if table == 'message' else ''}.{key}: `")
    assert f"reads `{case.proof.name}`, which carries the sender's proof" in detail
    assert "read another header or parameter" in detail


@EACH_CASE
@pytest.mark.parametrize("key", ["when", "to"])
def test_no_route_may_read_the_proof(
    case: Case, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deployers write routes, so the build checks them against the sources."""
    source_folder(tmp_path, case.verify, {}, MESSAGE)
    config = tmp_path / "relay.toml"
    route = {"source": PLANTED, "to": "external:4711"}
    route |= {key: reading(case) if key == "when" else f"external:{{{{ {reading(case)} }}}}"}
    config.write_text("\n".join(["[[route]]", *(f"{k} = {json.dumps(v)}" for k, v in route.items())]))
    assert main(["check", "--sources", str(tmp_path / "sources"), "--config", str(config)]) == 1
    detail = capsys.readouterr().err
    assert detail.startswith(f"{config}:{4 if key == 'when' else 3}: route[1].{key}: `")
    assert f"reads `{case.proof.name}`, which carries the sender's proof" in detail


@EACH_CASE
@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
def test_no_event_contains_the_proof(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """If nobody has checked a route, it reads null, and the queued event has no part of the proof."""
    here = world_of(tmp_path, case)
    unchecked = tmp_path / "unchecked.toml"
    when = json.dumps(f'{reading(case)} || headers."x-other"')
    unchecked.write_text(f'[[route]]\nsource = "{PLANTED}"\nto = ["user:1"]\nwhen = {when}\n')
    here.change_routing(read_routing_file(unchecked))
    genuine = case.genuine()
    sent = replace(genuine, headers={**genuine.headers, "x-other": "kept"})
    assert here.receive(gateway(sent))["statusCode"] == 202
    ((event, _),) = here.messages.queued
    assert (event.headers, event.query) == ({"x-other": "kept"}, {})


def test_values_that_prove_nothing_may_be_read(tmp_path: Path) -> None:
    """Only the source's own proof is kept back: other headers, and a signed id, may be read."""
    token = {"scheme": "token", "header": "X-Gitlab-Token"}
    event = {"type": 'headers."x-gitlab-event"', "id": "query.id"}
    source = read_source_folder(source_folder(tmp_path / "token", token, event, MESSAGE))
    assert (source.reads.headers, source.reads.query) == ({"x-gitlab-event"}, {"id"})
    signed = {"id": 'headers."webhook-id"', "type": 'headers."webhook-timestamp"'}
    read_source_folder(source_folder(tmp_path / "signed", {"scheme": "standard-webhooks"}, signed, MESSAGE))


@pytest.mark.parametrize(
    ("event", "header", "cause"),
    [
        ({}, "X-Correlation-Id", "`x-correlation-id` would be logged, and returned"),
        ({}, "X-Request-ID", "`x-request-id` would be logged, and returned"),
        ({"format": "cloudevents"}, "ce-token", "`ce-token` would become a part of the event"),
    ],
)
@pytest.mark.parametrize("scheme", ["token", "hmac"])
def test_a_header_that_the_relay_uses_otherwise_cannot_carry_the_proof(
    scheme: str, event: dict[str, str], header: str, cause: str, tmp_path: Path
) -> None:
    """A correlation id is copied into logs and answers, and a `ce-` header becomes part of the event."""
    made = source_folder(tmp_path, {"scheme": scheme, "header": header}, event, MESSAGE)
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_source_folder(made)
    assert wrong.value.detail.startswith(f"{made}/source.toml:5: verify.header: {cause}")
    if event:
        (made / "source.toml").write_text((made / "source.toml").read_text().replace("cloudevents", "json"))
        read_source_folder(made)
