"""Several accounts: each has pushes, windows and limits of its own, and none affects another."""

from pathlib import Path

import pytest

from fakes import World, captured
from invocations import sqs_batch, sqs_queued
from push_relay.core.delivery.batching import account_of
from push_relay.core.errors import QuotaExhausted, VendorRejected, VendorUnavailable
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT, Receipt, of_account

ROUTES = """
[account.default]
title_limit = 20

[account.east]
credentials_secret = "credentials-east"
title_limit = 10

[[route]]
source = "bakery"
to = ["user:ada"]

[[route]]
source = "bakery"
to = ["user:ada"]
account = "east"
"""


def event(identity: str = "1", words: str = "warm") -> Event:
    """Return an event of the bakery."""
    return Event(
        "bakery", f"e-{identity}", "baked", {"kind": "baked", "words": words}, 1_800_000_000.0, identity
    )


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """Return a relay.toml with two accounts, both of which push to the same user."""
    file = tmp_path / "relay.toml"
    file.write_text(ROUTES)
    return file


@pytest.fixture
def world(routes: Path) -> World:
    """Return a relay with two accounts."""
    return World(routes=routes)


def deliver(world: World, *events: Event) -> list[Receipt]:
    """Deliver events together; return all their receipts."""
    return [receipt for receipts in world.relay.deliver(events, world.time_left) for receipt in receipts]


def by_account(receipts: list[Receipt]) -> dict[str | None, tuple[str, str | None]]:
    """Return the outcome and the error code of each account's receipt."""
    return {receipt.account: (receipt.outcome, receipt.error_code) for receipt in receipts}


def test_the_same_user_gets_a_push_from_each_account(world: World) -> None:
    """The user id `ada` names another person in the other organisation."""
    receipts = deliver(world, event())
    assert by_account(receipts) == {"default": (Outcome.DELIVERED, None), "east": (Outcome.DELIVERED, None)}
    assert [len(world.vendors[name].calls) for name in ("default", "east")] == [1, 1]
    assert len({receipt.key for receipt in receipts}) == 2


def test_an_event_that_arrives_again_is_a_duplicate_in_each_account(world: World) -> None:
    """Each account's push has a claim of its own, so neither is taken for the other's duplicate."""
    deliver(world, event())
    again = deliver(world, event())
    assert by_account(again) == {"default": (Outcome.DUPLICATE, None), "east": (Outcome.DUPLICATE, None)}
    assert [len(vendor.calls) for vendor in world.vendors.values()] == [1, 1]


def test_the_default_accounts_keys_are_those_of_the_version_without_accounts() -> None:
    """Its ledger items stay valid for 14 days after the update, so no push is sent twice."""
    assert of_account("0" * 64, DEFAULT_ACCOUNT) == "0" * 64
    assert of_account("0" * 64, "east") != of_account("0" * 64, "west") != "0" * 64


def test_a_dead_vendor_stops_no_other_account(world: World) -> None:
    """The other account's pushes are delivered in the same invocation, and later too."""
    world.vendors["east"].judge = lambda _push, _credentials: VendorUnavailable("down")
    for number in range(3):
        receipts = deliver(world, event(str(number)))
        assert by_account(receipts) == {
            "default": (Outcome.DELIVERED, None),
            "east": (Outcome.PARKED, "vendor_unavailable"),
        }


def test_each_accounts_parked_pushes_wait_in_a_message_of_their_own(world: World) -> None:
    """One waits for midnight and the other for seconds. In one message, both would wait until midnight."""
    world.vendors["default"].judge = lambda _push, _credentials: QuotaExhausted("used up", retry_after=40_000)
    world.vendors["east"].judge = lambda _push, _credentials: VendorUnavailable("down", retry_after=60)
    assert world.deliver(sqs_batch(sqs_queued(event()))) == {"batchItemFailures": []}
    waits = {
        account: due - world.clock.now()
        for account, (_, _, due) in zip(("default", "east"), world.parked, strict=True)
    }
    assert waits["default"] >= 40_000
    assert waits["east"] < 600
    keys = [parked.only for parked, _, _ in world.parked]
    assert len(keys[0]) == len(keys[1]) == 1 != len({*keys[0], *keys[1]})


def test_a_parked_push_of_one_account_is_delivered_without_the_others(world: World) -> None:
    """The event comes back for the one push that is left."""
    world.vendors["east"].errors = [VendorUnavailable("down")]
    world.deliver(sqs_batch(sqs_queued(event())))
    ((parked, _, _),) = world.parked
    assert by_account(deliver(world, parked)) == {"east": (Outcome.DELIVERED, None)}
    assert len(world.vendors["default"].calls) == 1


def test_a_refused_push_is_dead_lettered_for_its_account_only(world: World) -> None:
    """A replay of the dead letter sends nothing to the other account's person."""
    world.vendors["east"].errors = [VendorRejected("no such user")]
    world.deliver(sqs_batch(sqs_queued(event())))
    (dead,) = world.messages.dead_letters
    assert dead.error_code == "vendor_rejected"
    (key,) = (call.push.key for call in world.vendors["east"].calls)
    assert f'"only":["{key}"]' in dead.body


def test_each_accounts_limits_cut_its_texts(routes: Path) -> None:
    """The two apps may show titles of different lengths."""
    world = World(routes=routes)
    deliver(world, event(words="a long loaf with a long name"))
    titles = {name: vendor.calls[0].push.wording.title for name, vendor in world.vendors.items()}
    bodies = {name: vendor.calls[0].push.wording.body for name, vendor in world.vendors.items()}
    assert len(titles["east"]) <= 10
    assert len(titles["default"]) <= 20
    assert bodies["east"] == bodies["default"]


def test_each_account_has_batch_windows_of_its_own(tmp_path: Path) -> None:
    """The pushes that are collected for one organisation's user are not shown to the other's."""
    file = tmp_path / "relay.toml"
    file.write_text(ROUTES.replace('to = ["user:ada"]', 'to = ["user:ada"]\nbatch = "5m"'))
    world = World(routes=file)
    deliver(world, event("1"), event("2"))
    ends = [parked for parked, _, _ in world.parked]
    assert sorted(map(account_of, ends)) == ["default", "east"]
    assert len({end.data["window"] for end in ends}) == 2
    world.clock.time += 400
    assert by_account(deliver(world, *ends)) == {
        "default": (Outcome.DELIVERED, None),
        "east": (Outcome.DELIVERED, None),
    }
    for vendor in world.vendors.values():
        (call,) = vendor.calls
        assert call.push.wording.title.startswith("2 new")


def test_the_default_accounts_windows_end_with_the_event_of_the_version_before(tmp_path: Path) -> None:
    """A version without accounts can end the window, if a deployment is rolled back."""
    file = tmp_path / "relay.toml"
    file.write_text('[[route]]\nsource = "bakery"\nto = ["user:ada"]\nbatch = "5m"\n')
    world = World(routes=file)
    deliver(world, event())
    ((end, _, _),) = world.parked
    assert end.data.keys() == {"window"}


def test_the_window_of_an_account_that_is_gone_is_dead_lettered(tmp_path: Path, routes: Path) -> None:
    """relay.toml was changed while it was open; a person can configure the account again, and replay it."""
    routes.write_text(ROUTES.replace('account = "east"', 'account = "east"\nbatch = "5m"'))
    world = World(routes=routes)
    deliver(world, event())
    ((end, _, _),) = world.parked
    file = tmp_path / "other.toml"
    file.write_text('[[route]]\nsource = "bakery"\nto = ["user:ada"]\n')
    later = World(routes=file)
    later.deliver(sqs_batch(sqs_queued(end)))
    assert [dead.error_code for dead in later.messages.dead_letters] == ["unknown_account"]
    assert not later.vendor.calls


def test_the_log_names_the_account_of_each_receipt(routes: Path) -> None:
    """A person on call sees whose pushes wait."""
    with captured() as output:
        world = World(routes=routes, telemetry=output.telemetry)
        world.deliver(sqs_batch(sqs_queued(event())))
    receipts = [line for line in output.logs if line["message"] == "receipt"]
    assert sorted(line["account"] for line in receipts) == ["default", "east"]


def test_the_metric_of_used_calls_is_written_for_each_account() -> None:
    """The alarm looks at the highest, and the property is the account's name."""
    with captured() as output:
        output.telemetry.quota("default", 10, 100)
        output.telemetry.quota("east", 90, 100)
        output.telemetry.quota("east", 80, 100)
        output.telemetry.flush()
    assert [(line["account"], line["QuotaUsed"]) for line in output.metrics] == [
        ("default", [10.0]),
        ("east", [90.0]),
    ]
