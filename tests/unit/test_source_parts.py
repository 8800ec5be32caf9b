"""Each part of a source is compiled when it is first used, so that a function compiles only what it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from push_relay.adapters.catalog import Catalog
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.formats import WITH_OWN_IDS
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.push import Wording
from push_relay.core.rules.wording import MessageRule
from relayctl.project import ROOT

SOURCE: dict[str, Any] = {
    "verify": 'scheme = "github"',
    "event": 'id = "data.id"\nremember = "5m"',
    "message": 'title = "{{ data.title }}"\nbody = "b"',
}
ARRIVAL = Arrival("shop", {"title": "t"}, {"x-kind": "k", "cookie": "planted"}, {}, 1.0, "fallback", "i")
EVENT = Event("shop", "1", "", {"title": "t"}, 1.0, "i")


def catalog(directory: Path, schema: str = "{}", **tables: str) -> Catalog:
    """Return the catalog of one source folder, `shop`."""
    folder = directory / "shop"
    folder.mkdir()
    written = {**SOURCE, **tables}
    lines = ['title = "Shop"', 'docs = "d"', "[verify]", written["verify"], "[event]", written["event"]]
    (folder / "source.toml").write_text("\n".join([*lines, "[[message]]", written["message"]]))
    (folder / "schema.json").write_text(schema)
    return Catalog(directory)


def test_receive_compiles_no_message_rule(tmp_path: Path) -> None:
    """A message rule that cannot be compiled does not concern the sender of an event."""
    source = catalog(tmp_path, message='title = "{{ data. }}"\nbody = "b"').named("shop")
    assert source.verify is not None
    assert source.event(ARRIVAL).id == "fallback"
    with pytest.raises(ConfigurationInvalid) as wrong:
        source.wording(EVENT)
    place = f"{tmp_path}/shop/source.toml:9: message[1].title: "
    assert wrong.value.detail.startswith(place)


def test_deliver_compiles_neither_scheme_nor_body_format_nor_schema(tmp_path: Path) -> None:
    """`receive` has verified a queued event and checked it against the schema."""
    source = catalog(tmp_path, "{", verify='scheme = "token"\nheader = "x-request-id"').named("shop")
    assert source.wording(EVENT).wording is not None
    assert source.remembers(EVENT) == 300
    for part, place in (("verify", "source.toml:5: verify.header"), ("schema", "schema.json:1: is not JSON")):
        with pytest.raises(ConfigurationInvalid, match=place):
            getattr(source, part)


RULES = """
when = "where == 'kiln'"
title = "a kiln"
body = "{{ data. }}"
[[message]]
when = "data.title"
title = "{{ where }}"
body = "b"
[[message]]
when = "data."
title = "{{ data. }}"
body = "{{ other }}"
[value]
where = "data.title"
other = "data."
"""


def test_an_event_compiles_only_the_parts_that_it_needs(tmp_path: Path) -> None:
    """A source may have sixty message rules. Each part is compiled once."""
    source = catalog(tmp_path, message=RULES).named("shop")
    first, second = (source.wording(EVENT).wording for _ in range(2))
    assert first == second == Wording("t", "b")
    compiled = [set(vars(rule)) & set(rule.PARTS) for rule in source.messages]
    assert compiled == [{"when"}, {*MessageRule.PARTS}, set()]
    assert source.messages[1].title is source.messages[1].title


def test_a_mistake_in_a_value_is_raised_as_one_when_a_rule_reads_it(tmp_path: Path) -> None:
    """It is not the event's failure."""
    source = catalog(tmp_path, message=RULES.replace("{{ where }}", "{{ other }}")).named("shop")
    with pytest.raises(ConfigurationInvalid, match=r"source\.toml:\d+: value\.other: "):
        source.wording(EVENT)


def test_the_check_compiles_every_part_and_reports_all_mistakes(tmp_path: Path) -> None:
    """Otherwise the first event of a rare kind would find them."""
    match = 'eventbridge_source = "a"\nwhen = "data."\n[[match]]\neventbridge_source = "b"\nwhen = "type."'
    source = catalog(tmp_path, message=f"{RULES}[[match]]\n{match}").named("shop")
    assert [finding.key for finding in source.mistakes()] == [
        *("match[1].when", "match[2].when", "value.other"),
        *("message[1].body", "message[3].when", "message[3].title"),
    ]


@pytest.mark.parametrize("read", ['headers."x-kind"', r'"\u0068eaders"."x-kind"'])
def test_an_event_keeps_the_headers_that_a_message_rule_reads(read: str, tmp_path: Path) -> None:
    """`receive` compiles the expressions that read the request, however they write its name."""
    source = catalog(tmp_path, message=f"when = '{read}'\ntitle = 'a'\nbody = 'b'").named("shop")
    event = source.event(ARRIVAL)
    assert event.headers == {"x-kind": "k"}
    assert source.wording(event).wording is not None


@pytest.mark.parametrize("name", FORMATS)
def test_the_formats_with_ids_are_those_that_identify_their_events(name: str) -> None:
    """`deliver` has a list of their names, because it loads no format."""
    assert (FORMATS[name]().own_identity({"source": "s", "id": "i"}) is not None) is (name in WITH_OWN_IDS)


_PROBE = """
import json, sys
from pathlib import Path
from push_relay.adapters.catalog import Catalog
from push_relay.core.event import Event
source = Catalog(Path("tests/samples/sources")).named("bakery")
{use}
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(use: str) -> set[str]:
    """Return the modules that a process has loaded once it has used a source."""
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", _PROBE.format(use=use)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_writing_the_wording_of_an_event_loads_no_scheme_and_no_validator() -> None:
    """A module that is imported costs time in each cold start of `deliver`."""
    event = 'Event("bakery", "1", "everybody", {"kind": "everybody", "words": "warm"}, 1.0, "i")'
    loaded = modules_after(f"source.wording({event}); source.remembers({event}); source.max_age")
    refused = ("push_relay.core.trust.schemes", "push_relay.core.trust.handshakes", "jsonschema_rs")
    formats = "push_relay.core.inbound.formats."
    assert [name for name in loaded if name.startswith((*refused, formats))] == []
    assert "push_relay.core.rules.wording" in loaded


def test_admitting_a_webhook_loads_no_message_rules() -> None:
    """`receive` writes no wording."""
    loaded = modules_after("source.verify, source.handshake_rules, source.reads, source.schema")
    assert "push_relay.core.trust.schemes.registry" in loaded
    assert "push_relay.core.rules.wording" not in loaded
