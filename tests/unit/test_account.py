"""The keys of an account and of a route's priority in relay.toml, and the errors for mistakes in them."""

from pathlib import Path

import pytest

from push_relay.adapters.catalog import read_routing_file
from push_relay.core.account import Account
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.routing import Routing

DOCUMENT = """\
[account.default]
daily_calls = 1000
time_zone = "Europe/Berlin"
reserved_percent = 20
delivery_unknown = "hold"
max_age = "2h"

[[route]]
source = "shop"
to = ["user:1"]
priority = "high"
max_age = "10m"

[[route]]
source = "shop"
to = ["user:2"]
priority = "normal"
"""


def read(directory: Path, document: str) -> Routing:
    """Read a relay.toml with the given content."""
    file = directory / "relay.toml"
    file.write_text(document)
    return read_routing_file(file)


def test_every_key_is_read(tmp_path: Path) -> None:
    """Durations are converted to seconds, and choices to booleans."""
    routing = read(tmp_path, DOCUMENT)
    account = routing.account
    assert (account.daily_calls, account.reserved_percent, account.time_zone) == (1000, 20, "Europe/Berlin")
    assert (account.hold_unknown, account.max_age) == (True, 7200)
    assert [(route.high, route.max_age) for route in routing.routes] == [(True, 600), (False, None)]


def test_the_defaults_are_the_vendor_s_limits(tmp_path: Path) -> None:
    """An empty file is a valid configuration, with 2,500 calls per day and 3 connections."""
    account = read(tmp_path, "").account
    assert account == Account()
    assert (account.daily_calls, account.reserved_percent, account.connections) == (2500, 10, 3)
    assert (account.time_zone, account.hold_unknown, account.max_age) == ("UTC", False, 604_800)


@pytest.mark.parametrize(
    ("before", "after", "line", "cause"),
    [
        ("daily_calls = 1000", "daily_calls = 0", 2, "account.default.daily_calls: is less than 1"),
        ("daily_calls = 1000", "daily_calls = 2.5", 2, "account.default.daily_calls: is not a whole number"),
        ('"Europe/Berlin"', '"Berlin"', 3, "account.default.time_zone: `Berlin` is not a time zone"),
        ('"Europe/Berlin"', '"../etc/passwd"', 3, "account.default.time_zone: `../etc/passwd` is not a"),
        ('"Europe/Berlin"', "1", 3, "account.default.time_zone: is not a text"),
        ("_percent = 20", "_percent = 100", 4, "account.default.reserved_percent: is more than 99"),
        ("_percent = 20", "_percent = -1", 4, "account.default.reserved_percent: is less than 0"),
        ('"hold"', '"ask"', 5, "account.default.delivery_unknown: `ask` is not one of: resend, hold"),
        ('"2h"', '"2 hours"', 6, "account.default.max_age: `2 hours` is not a duration"),
        ('"2h"', "7200", 6, "account.default.max_age: is not a text"),
        ('"high"', '"low"', 11, "route[1].priority: `low` is not one of: normal, high"),
        ('"10m"', '"0m"', 12, "route[1].max_age: `0m` is not a duration"),
        ('"normal"', "1", 17, "route[2].priority: is not a text"),
    ],
)
def test_a_mistake_is_reported_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, cause: str
) -> None:
    """It is found at build time and not by the first event."""
    assert before in DOCUMENT
    with pytest.raises(ConfigurationInvalid) as wrong:
        read(tmp_path, DOCUMENT.replace(before, after))
    assert wrong.value.detail.startswith(f"{tmp_path}/relay.toml:{line}: {cause}")


@pytest.mark.parametrize(("written", "resends"), [("", 1), ("resends = 0", 0), ("resends = 5", 5)])
def test_the_number_of_resends_can_be_configured(tmp_path: Path, written: str, resends: int) -> None:
    """The default is one resend, because a resend may deliver a push twice."""
    assert read(tmp_path, f"[account.default]\n{written}\n").account.resends == resends


def test_resends_and_hold_contradict_each_other(tmp_path: Path) -> None:
    """Held pushes are never sent again, so the two keys agree only if `resends` is 0."""
    document = '[account.default]\nresends = 2\ndelivery_unknown = "hold"\n'
    with pytest.raises(ConfigurationInvalid) as wrong:
        read(tmp_path, document)
    assert wrong.value.detail.startswith(f"{tmp_path}/relay.toml:2: account.default.resends: has no effect")
    assert read(tmp_path, document.replace("2", "0")).account.hold_unknown


@pytest.mark.parametrize("percent", [0, 99])
def test_the_reserve_can_be_from_0_to_99_percent(tmp_path: Path, percent: int) -> None:
    """With 100 percent, no push of normal priority could be sent."""
    document = DOCUMENT.replace("_percent = 20", f"_percent = {percent}")
    assert read(tmp_path, document).account.reserved_percent == percent
