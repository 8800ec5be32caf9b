"""Budgets limit the calls per day of a source: their configuration, and the budgets that a call uses."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes import World
from invocations import sqs_batch, sqs_queued
from push_relay.adapters.catalog import read_routing_file
from push_relay.core.account import Account
from push_relay.core.delivery.batching import BatchedPush, Window, closing_event
from push_relay.core.delivery.quota import Allowance, Quota
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.event import Event
from push_relay.core.push import Push, Recipient, RecipientKind, Wording

PERSON = Recipient(RecipientKind.USER, "u-1")
PUSH = Push(PERSON, Wording("t", "b"), "key", sources=("shop",))
QUOTA = Quota(Account(), {"shop": 40, "mill": 70})


def budgets(directory: Path, document: str) -> dict[str, int]:
    """Return the budgets in a relay.toml with the given content."""
    file = directory / "relay.toml"
    file.write_text(document)
    return dict(read_routing_file(file).budgets["default"])


def routes(*sources: str) -> str:
    """Write a route for each source."""
    return "".join(f'[[route]]\nsource = "{source}"\nto = ["user:1"]\n' for source in sources)


def test_a_single_source_may_use_all_calls(tmp_path: Path) -> None:
    """No other source needs the calls. The number of its routes does not matter."""
    assert budgets(tmp_path, routes("shop", "shop", "shop")) == {}


def test_each_of_several_sources_may_use_half_of_the_unreserved_calls(tmp_path: Path) -> None:
    """A tenth of the 2,500 calls is reserved for urgent pushes by default."""
    assert budgets(tmp_path, routes("shop", "mill", "shop")) == {"shop": 1125, "mill": 1125}


@pytest.mark.parametrize(
    ("account", "budget"),
    [("daily_calls = 1000", 450), ("reserved_percent = 0", 1250), ("daily_calls = 1", 1)],
)
def test_the_default_follows_from_the_account(tmp_path: Path, account: str, budget: int) -> None:
    """It is half of the calls that are not reserved, and at least one."""
    assert budgets(tmp_path, f"[account.default]\n{account}\n{routes('shop', 'mill')}")["shop"] == budget


def test_a_configured_budget_replaces_the_default(tmp_path: Path) -> None:
    """This also holds for a single source. The account's full number of calls lifts the limit."""
    configured = "[source.shop]\ndaily_calls = 30\n"
    assert budgets(tmp_path, configured + routes("shop", "mill")) == {"shop": 30, "mill": 1125}
    assert budgets(tmp_path, configured + routes("shop")) == {"shop": 30}
    lifted = configured.replace("30", "2500")
    assert budgets(tmp_path, lifted + routes("shop", "mill")) == {"shop": 2500, "mill": 1125}


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("0", "is less than 1"),
        ("-5", "is less than 1"),
        ("2501", "is more than the account's daily_calls (2500)"),
        ('"many"', "is not a whole number"),
        ("true", "is not a whole number"),
    ],
)
def test_an_invalid_budget_is_found_at_build_time(tmp_path: Path, value: str, cause: str) -> None:
    """The error names the file and the line."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        budgets(tmp_path, f"{routes('shop')}[source.shop]\ndaily_calls = {value}\n")
    assert wrong.value.detail == f"{tmp_path}/relay.toml:5: source.shop.daily_calls: {cause}"


@pytest.mark.parametrize(
    ("push", "expected"),
    [
        (PUSH, Allowance(2250, ("shop",), {"shop": 40})),
        (replace(PUSH, high=True), Allowance(2500, ("shop",), {})),
        (replace(PUSH, sources=("other",)), Allowance(2250, (), {})),
        (replace(PUSH, sources=()), Allowance(2250, (), {})),
        (
            replace(PUSH, sources=("mill", "shop")),
            Allowance(2250, ("mill", "shop"), {"mill": 70, "shop": 40}),
        ),
        (replace(PUSH, sources=("other", "shop")), Allowance(2250, ("shop",), {})),
    ],
    ids=["normal", "urgent", "without-a-budget", "without-a-source", "several", "several-and-one-without"],
)
def test_a_call_counts_against_the_budgets_of_all_its_sources(push: Push, expected: Allowance) -> None:
    """The call is refused only if all of its sources have used up their budgets."""
    assert QUOTA.allowance(push) == expected


def test_every_push_of_an_event_counts_for_the_event_s_source() -> None:
    """An event with three recipients uses three calls."""
    world = World()
    event = Event("bakery", "e-1", "everybody", {"kind": "everybody", "words": "warm"}, 1_800_000_000.0, "i")
    world.deliver(sqs_batch(sqs_queued(event)))
    assert [call.push.sources for call in world.vendor.calls] == [("bakery",)] * 3


def test_a_batch_push_counts_once_for_each_of_its_sources() -> None:
    """It is one call, even if several of its events are from the same source."""
    world = World()
    window = Window("w", PERSON, world.clock.time)
    for number, source in enumerate(("shop", "mill", "shop")):
        world.batches.add(window, BatchedPush(f"k-{number}", source, "e", "-", Wording(f"t{number}", "b")))
    world.deliver(sqs_batch(sqs_queued(closing_event(window))))
    assert [call.push.sources for call in world.vendor.calls] == [("mill", "shop")]
