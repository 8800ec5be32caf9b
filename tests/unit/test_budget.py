"""How many of the day's calls a source may use: its configuration, and what a call counts against."""

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
    """Return the budgets of a relay.toml."""
    file = directory / "relay.toml"
    file.write_text(document)
    return dict(read_routing_file(file).budgets["default"])


def routes(*sources: str) -> str:
    """Write a route for each source."""
    return "".join(f'[[route]]\nsource = "{source}"\nto = ["user:1"]\n' for source in sources)


def test_a_lone_source_may_use_all_calls(tmp_path: Path) -> None:
    """Nobody else needs them, however many routes it has."""
    assert budgets(tmp_path, routes("shop", "shop", "shop")) == {}


def test_several_sources_may_use_half_of_the_unreserved_calls_each(tmp_path: Path) -> None:
    """2,500 calls, of which a tenth is reserved for what is urgent."""
    assert budgets(tmp_path, routes("shop", "mill", "shop")) == {"shop": 1125, "mill": 1125}


@pytest.mark.parametrize(
    ("account", "budget"),
    [("daily_calls = 1000", 450), ("reserved_percent = 0", 1250), ("daily_calls = 1", 1)],
)
def test_the_default_follows_from_the_account(tmp_path: Path, account: str, budget: int) -> None:
    """Half of what is not reserved, and one call at least."""
    assert budgets(tmp_path, f"[account.default]\n{account}\n{routes('shop', 'mill')}")["shop"] == budget


def test_a_configured_budget_goes_before_the_default(tmp_path: Path) -> None:
    """Also of a lone source; and all of the account's calls are as good as no budget."""
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
def test_a_wrong_budget_is_found_at_build_time(tmp_path: Path, value: str, cause: str) -> None:
    """With its line."""
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
    ids=["normal", "urgent", "without a budget", "without a source", "several", "several, one without"],
)
def test_what_a_call_counts_against(push: Push, expected: Allowance) -> None:
    """It counts for all its sources, and each of them would have to refuse it."""
    assert QUOTA.allowance(push) == expected


def test_a_push_counts_for_its_events_source() -> None:
    """All of an event's pushes do."""
    world = World()
    event = Event("bakery", "e-1", "everybody", {"kind": "everybody", "words": "warm"}, 1_800_000_000.0, "i")
    world.deliver(sqs_batch(sqs_queued(event)))
    assert [call.push.sources for call in world.vendor.calls] == [("bakery",)] * 3


def test_the_push_of_a_batch_window_counts_for_the_sources_that_it_gathers_from() -> None:
    """Once for each of them."""
    world = World()
    window = Window("w", PERSON, world.clock.time)
    for number, source in enumerate(("shop", "mill", "shop")):
        world.digests.add(window, BatchedPush(f"k-{number}", source, "e", "-", Wording(f"t{number}", "b")))
    world.deliver(sqs_batch(sqs_queued(closing_event(window))))
    assert [call.push.sources for call in world.vendor.calls] == [("mill", "shop")]
