"""The routing that the build writes is the one of relay.toml."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import SAMPLES
from push_relay.adapters.catalog import read_configuration, read_routing_file
from push_relay.core.rules.findings import Mistakes
from push_relay.core.rules.routing import Routing
from relayctl.prepared_sources import write_routing
from relayctl.project import ROOT
from shipped import FOLDERS

#: Every key of relay.toml, most of them with a value that is not the default.
ALL_KEYS = """
[account.default]
base_url = "https://push.example.com"
format = "xml"
xml_root = "Message"
connections = 2
keep_alive = false
reserve_percent = 20
delivery_unknown = "hold"
max_age = "2h"
time_zone = "Europe/Berlin"
[account.mill]
credentials_secret = "mill"
daily_calls = 100
[people]
ada = { email = "ada@example.com" }
bob = { external = "4711" }
"Z. \\u00e9" = { user = "u:1" }
[source.shop]
allow_ips = ["192.0.2.0/24", "2001:db8::/32"]
daily_calls = 50
url = "https://hooks.example.com/shop"
topics = ["arn:aws:sns:eu-west-1:123456789012:b", "arn:aws:sns:eu-west-1:123456789012:a"]
origins = ["example.com"]
settings = { id = "7" }
[source.oven]
unverified = true
[aws]
eventbridge_topics = ["arn:aws:sns:eu-west-1:123456789012:ovens"]
[[route]]
source = "shop"
when = "headers.a == 'x' && query.b == `\\"\\\\ud800\\"`"
to = ["person:ada", "user:{{ data.user }}"]
account = "mill"
priority = "high"
batch = "5m"
max_age = "90s"
[[route]]
source = "oven"
to = "person:bob"
[[route]]
source = "shop"
to = "email:{{ data.email }}"
"""
FILES = [
    *SAMPLES.glob("*.toml"),
    *FOLDERS.glob("*/routes.toml"),
    ROOT / "config/relay.toml",
]


def both(file: Path, into: Path) -> tuple[Routing, Routing]:
    """Return the routing of a file, and the one that is written of it."""
    write_routing(file, into / "relay.json")
    return read_configuration(file), read_configuration(into / "relay.json")


def values(routing: Routing) -> dict[str, Any]:
    """Return all values of a routing in a form that can be compared."""
    return {
        **routing._asdict(),
        "routes": [
            (route.source, route.row(number), route.urgency) for number, route in enumerate(routing.routes, 1)
        ],
        "people": list(routing.people.items()),
        "policies": list(routing.policies.items()),
        "warnings": [warning._replace(file="") for warning in routing.warnings],
        "reads": {name: routing.reads(name) for name in (*routing.routed_sources, "nosuch")},
        "routed": (routing.routed_sources, routing.routes.urgent_sources, len(routing.routes)),
        "policy of another": routing.policy("nosuch"),
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_written_routing_has_the_values_of_each_file(file: Path, tmp_path: Path) -> None:
    """These are the samples, the routes to start with and the deployer's file."""
    of_toml, of_json = both(file, tmp_path)
    assert values(of_json) == values(of_toml)


def test_the_written_routing_has_every_value(tmp_path: Path) -> None:
    """Each key of relay.toml is in the file, and one of the routes needs an escape in JSON."""
    file = tmp_path / "relay.toml"
    file.write_text(ALL_KEYS, "utf-8")
    of_toml, of_json = both(file, tmp_path)
    assert values(of_json) == values(of_toml)
    assert of_json.account is of_json.accounts["default"]
    assert [route.account for route in of_json.routes] == ["mill", "default", "default"]
    assert of_json.policies["shop"].addresses
    (warning,) = of_json.warnings
    assert (warning.file, warning.key) == ("config/relay.toml", "account.default.reserve_percent")


def test_the_same_file_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    """Wherever it is, and in whatever order Python's sets have their items."""
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "relay.toml").write_text(ALL_KEYS, "utf-8")
        write_routing(tmp_path / name / "relay.toml", tmp_path / name / "relay.json")
        written.append((tmp_path / name / "relay.json").read_bytes())
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[0]


def test_a_route_is_compiled_when_an_event_may_be_for_it(tmp_path: Path) -> None:
    """Ten thousand routes would take a second to compile."""
    routes = "".join(
        f'[[route]]\nsource = "shop"\nto = "user:{n}"\nwhen = "data.n == \'{n}\'"\n' for n in range(100)
    )
    (tmp_path / "relay.toml").write_text(routes, "utf-8")
    write_routing(tmp_path / "relay.toml", tmp_path / "relay.json")
    document = json.loads((tmp_path / "relay.json").read_text())
    document["routes"]["shop"]["rows"][7][1] = "not a JMESPath expression"
    (tmp_path / "relay.json").write_text(json.dumps(document))
    shop = read_configuration(tmp_path / "relay.json").routes.of_source("shop")
    ((number, route),) = shop.candidates({"data": {"n": "42"}})
    assert (number, route.to[0].text) == (43, "user:42")
    assert next(shop.candidates({"data": {"n": "42"}}))[1] is route


def test_a_file_with_a_mistake_is_not_written(tmp_path: Path) -> None:
    """The functions would not check it again."""
    (tmp_path / "relay.toml").write_text('[[route]]\nsource = "shop"', "utf-8")
    with pytest.raises(Mistakes, match="`to` is missing"):
        write_routing(tmp_path / "relay.toml", tmp_path / "relay.json")
    assert not (tmp_path / "relay.json").exists()


def test_a_checkout_reads_relay_toml(tmp_path: Path) -> None:
    """Development and tests need no build, and get all mistakes."""
    (tmp_path / "relay.toml").write_text('[[route]]\nsource = "shop"\nto = "user:1"', "utf-8")
    file = tmp_path / "relay.toml"
    assert values(read_configuration(file)) == values(read_routing_file(file))
