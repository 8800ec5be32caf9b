"""What carries the sender's proof stays at the door: no expression reads it, and no event keeps it."""

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

#: Every scheme whose proof does not stand in the body.
CARRIED = [case for case in CASES if case.proof.kind != "json"]
EVERY = pytest.mark.parametrize("case", CARRIED, ids=lambda case: case.name)
MESSAGE = {"title": "Came", "body": "in"}
#: Where a source's expressions stand: table, key, and how the key holds one.
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
    """Write a source folder of these tables, the last of their keys in its last line."""
    made = directory / "sources" / PLANTED
    made.mkdir(parents=True)
    lines = ['title = "Planted"', 'docs = "d"']
    for header, table in (("[verify]", verify), ("[[message]]", message), ("[event]", event)):
        lines += [header, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (made / "source.toml").write_text("\n".join(lines))
    (made / "schema.json").write_text("{}")
    return made


def reading(case: Case) -> str:
    """Return the expression that reads a case's proof."""
    return f'{case.proof.kind}."{case.proof.name}"'


@EVERY
@pytest.mark.parametrize(("table", "key", "text"), PLACES, ids=[f"{table} {key}" for table, key, _ in PLACES])
def test_no_expression_of_a_source_reads_it(
    case: Case, table: str, key: str, text: str, tmp_path: Path
) -> None:
    """A mistake at build time, told with file, line, cause, and how to mend it."""
    tables: dict[str, dict[str, str]] = {"event": {}, "message": dict(MESSAGE)}
    tables[table][key] = text.format(reading(case))
    made = source_folder(tmp_path, case.verify, **tables)
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_source_folder(made)
    place, told = wrong.value.detail.split(": ", 1)
    written = (made / "source.toml").read_text()
    line = 1 + written.partition(f"\n{key} = {json.dumps(tables[table][key])}")[0].count("\n") + 1
    assert place == f"{made}/source.toml:{line}"
    assert told.startswith(f"{table}{'[1]' if table == 'message' else ''}.{key}: `")
    assert f"reads `{case.proof.name}`, which carries the sender's proof" in told
    assert "read another header or parameter" in told


@EVERY
@pytest.mark.parametrize("key", ["when", "to"])
def test_no_route_reads_it(case: Case, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Routes are the deployer's: the build holds them against the sources."""
    source_folder(tmp_path, case.verify, {}, MESSAGE)
    config = tmp_path / "relay.toml"
    route = {"source": PLANTED, "to": "external:4711"}
    route |= {key: reading(case) if key == "when" else f"external:{{{{ {reading(case)} }}}}"}
    config.write_text("\n".join(["[[route]]", *(f"{k} = {json.dumps(v)}" for k, v in route.items())]))
    assert main(["check", "--sources", str(tmp_path / "sources"), "--config", str(config)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{config}:{4 if key == 'when' else 3}: route[1].{key}: `")
    assert f"reads `{case.proof.name}`, which carries the sender's proof" in told


@EVERY
@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
def test_no_event_keeps_it(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """Not even for a route that nobody has checked, which is told null; nothing of it is queued."""
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


def test_what_proves_nothing_may_be_read(tmp_path: Path) -> None:
    """Only the source's own proof is kept back: other headers, and an id that is signed, are its words."""
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
def test_no_proof_stands_where_the_relay_reads_something_else(
    scheme: str, event: dict[str, str], header: str, cause: str, tmp_path: Path
) -> None:
    """A correlation id follows the event through logs and answers; a `ce-` header is data."""
    made = source_folder(tmp_path, {"scheme": scheme, "header": header}, event, MESSAGE)
    with pytest.raises(ConfigurationInvalid) as wrong:
        read_source_folder(made)
    assert wrong.value.detail.startswith(f"{made}/source.toml:5: verify.header: {cause}")
    if event:
        (made / "source.toml").write_text((made / "source.toml").read_text().replace("cloudevents", "json"))
        read_source_folder(made)
