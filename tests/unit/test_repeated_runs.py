"""What a feed remembers over the runs of a drain and the waves of an invocation, with several accounts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import NOON, Fleet, HeldVendor, beside, event, threads
from fakes import World
from invocations import sqs_batch, sqs_queued
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.delivery.batching import BatchedPush, BatchPush, SinglePush, Window, closing_event
from push_relay.core.delivery.run import LOOK_SECS
from push_relay.core.errors import LedgerUnavailable, QuotaExhausted, VendorRejected
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT, Receipt, Recipient, RecipientKind, Wording
from waiting import wait_until

ACCOUNTS = (DEFAULT_ACCOUNT, "other")
ROUTES = """
[account.default]
title_limit = 40

[account.other]
credentials_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-abcdef"

[[route]]
source = "bakery"
when = "type == 'urgent'"
to = ["user:{{ data.words }}"]
priority = "high"

[[route]]
source = "bakery"
when = "type == 'baked'"
to = ["user:{{ data.words }}"]

[[route]]
source = "bakery"
when = "type == 'baked' && contains(data.words, 'both')"
to = ["user:{{ data.words }}"]
account = "other"
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """Return routes of two accounts. An event with `both` in its name has a push in each."""
    path = tmp_path / "relay.toml"
    path.write_text(ROUTES)
    return path


def window_of(fleet: Fleet, account: str, *names: str) -> Window:
    """Put pushes into a batch window that has ended, and return it. Its event waits in the backlog."""
    window = Window(f"{account[0]}" * 32, Recipient(RecipientKind.USER, "ada"), NOON - 60, account=account)
    for name in names:
        fleet.world.batches.add(window, BatchedPush(name, "bakery", name, "c-1", Wording(name, name)))
    fleet.shelve(closing_event(window), shelf=Shelf(account), due=NOON - 60)
    return window


def refuse_batches(push: Any, _credentials: Any) -> VendorRejected | None:
    """Refuse what has several pushes in it."""
    return VendorRejected("no") if isinstance(push, BatchPush) else None


def fifo(name: str) -> dict[str, Any]:
    """Return a record of a FIFO queue, whose group is the first letter."""
    record = sqs_queued(event(name), message_id=name)
    group = {**record["attributes"], "MessageGroupId": name[0]}
    return {**record, "attributes": group, "eventSourceARN": "arn:aws:sqs:eu-west-1:1:events.fifo"}


def test_a_later_run_of_a_drain_is_as_careful_after_a_crash_as_the_first(routes: Path) -> None:
    """The first run's end clears the mark of the crash, but its events were only a part of the suspects."""
    fleet = Fleet(routes=routes)
    fleet.store.permits = fleet.store.permits._replace(crashed=True, stamp="s")
    window_of(fleet, DEFAULT_ACCOUNT, "w-1", "w-2")
    fleet.shelve(*(event(name, at=NOON - 40) for name in "abc"))
    tries: dict[str, int] = {}

    def judge(push: Any, credentials: Any) -> VendorRejected | None:
        tries.update({each.event.id: each.tries for each in fleet.world.backlog.all()})
        return refuse_batches(push, credentials)

    fleet.world.vendor.judge = judge
    fleet.drain()
    assert fleet.waiting == []
    assert fleet.called[:3] == ["ada", "ada", "ada"]
    assert {name: tries[name] for name in "abc"} == dict.fromkeys("abc", 1)


def test_what_the_first_wave_finds_announced_is_drained_after_the_last_one(routes: Path) -> None:
    """The look has cleared the mark, so no later wave finds it, and nobody else is woken."""
    fleet = Fleet(routes=routes, threads=threads(1), connections=1)
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)
    batch = sqs_batch(*map(fifo, ["a-1", "b-1", "a-2"]))
    with beside(lambda: fleet.world.deliver(batch)):
        vendor.wait_until_begun("a-1")
        fleet.shelve(event("later"))
        assert fleet.process().announce() is None
        fleet.clock.time += LOOK_SECS
        wait_until(lambda: not fleet.store.permits.announced)
        vendor.answer_all()
    assert vendor.begun == ["a-1", "b-1", "a-2", "later"]
    assert fleet.waiting == []
    assert fleet.world.messages.woken == []


def test_an_urgent_event_that_cannot_be_removed_is_not_taken_by_each_wave(routes: Path) -> None:
    """The feed of the invocation knows that it was sent. Only the drain at the end finds it again."""
    fleet = Fleet(routes=routes, threads=threads(1), connections=1)
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)

    def fail(_waiting: Sequence[Any]) -> None:
        raise LedgerUnavailable("down")

    fleet.world.backlog.remove = fail  # type: ignore[method-assign]
    names = [f"{group}-{number}" for number in (1, 2, 3) for group in "ab"]
    batch = sqs_batch(*map(fifo, names))
    with beside(lambda: fleet.world.deliver(batch)):
        vendor.wait_until_begun("a-1")
        fleet.shelve(event("fire", urgent=True))
        for name in names[::2]:
            vendor.wait_until_begun(name)
            assert fleet.process().announce() is None
            fleet.clock.time += LOOK_SECS
            wait_until(lambda: not fleet.store.permits.announced)
            vendor.answer(name)
            if name == "a-1":
                vendor.answer("fire")
            vendor.answer(f"b-{name[-1]}")
    assert vendor.begun.count("fire") == 1
    assert fleet.outcomes()["fire"] == [Outcome.DELIVERED, Outcome.DUPLICATE]


def test_an_event_that_waits_as_it_did_is_not_stored_again(routes: Path) -> None:
    """Each failed probe would otherwise cost a write of a large item, and the backlog would be rewritten."""
    fleet = Fleet(routes=routes)
    fleet.shelve(event("a"))
    puts: list[Waiting] = []
    put = fleet.world.backlog.put

    def counted(waiting: Sequence[Waiting]) -> Any:
        puts.extend(waiting)
        return put(waiting)

    fleet.world.backlog.put = counted  # type: ignore[method-assign]
    # The first time, the event is stored with its reason. From then on it waits as before.
    for _ in range(3):
        feed = fleet.feed()
        (task,) = feed.take(5)
        error = QuotaExhausted("over", retry_after=60.0)
        feed.ended(task, [Receipt.of_error(task.event, error, task.push)])
        feed.flush()
        assert fleet.waiting == ["a"]
        assert len(puts) == 1


@pytest.mark.parametrize("refusing", ACCOUNTS)
@pytest.mark.parametrize("kind", [None, threads])
def test_the_pushes_of_a_refused_batch_push_are_sent_once_by_their_own_account(
    routes: Path, kind: Any, refusing: str
) -> None:
    """The other account's vendor takes its batch push whole. Both events leave the backlog."""
    fleet = Fleet(routes=routes, threads=kind() if kind else None)
    names = {account: [f"{account}-{number}" for number in range(1, 4)] for account in ACCOUNTS}
    for account in ACCOUNTS:
        window_of(fleet, account, *names[account])
    fleet.world.vendors[refusing].judge = refuse_batches
    fleet.drainer.drain(ACCOUNTS, fleet.world.time_left)
    (accepting,) = {*ACCOUNTS} - {refusing}
    assert len(fleet.world.vendors[accepting].calls) == 1
    sent = [call.push for call in fleet.world.vendors[refusing].calls]
    assert isinstance(sent[0], BatchPush)
    singles = [push.entry.event_id for push in sent if isinstance(push, SinglePush)]
    assert singles == names[refusing]
    assert len(sent) == 1 + len(singles)
    assert {push.account for push in sent} == {refusing}
    assert fleet.outcomes() == {name: [Outcome.DELIVERED] for each in names.values() for name in each}
    assert fleet.waiting == []


@pytest.mark.parametrize("order", [ACCOUNTS, ACCOUNTS[::-1]])
@pytest.mark.parametrize("shelf", ACCOUNTS)
def test_an_event_for_two_accounts_is_delivered_once_for_each(
    routes: Path, shelf: str, order: Sequence[str]
) -> None:
    """On whichever shelf it waits, and whichever account is drained first."""
    fleet = Fleet(routes=routes)
    fleet.shelve(event("both"), shelf=Shelf(shelf))
    for account in [*order, *order]:
        fleet.drain(account)
    assert calls(fleet.world) == dict.fromkeys(ACCOUNTS, 1)
    assert Counter(fleet.outcomes()["both"])[Outcome.DELIVERED] == 2
    assert set(fleet.outcomes()["both"]) == {Outcome.DELIVERED, "connections_busy"}
    assert fleet.waiting == []


@pytest.mark.parametrize("order", [ACCOUNTS, ACCOUNTS[::-1]])
def test_an_event_that_no_account_could_take_waits_for_both_and_is_delivered_once_for_each(
    routes: Path, order: Sequence[str]
) -> None:
    """It is stored for each account with that account's pushes alone."""
    fleet = Fleet(routes=routes)
    busy = fleet.process().session(lambda: 60.0)
    busy.ask([], 3)
    fleet.world.permits["other"].free = 0
    fleet.world.deliver(sqs_batch(sqs_queued(event("both"))))
    assert fleet.waiting == ["both", "both"]
    busy.finish()
    fleet.world.permits["other"].end_leases()
    fleet.clock.time += 60
    for account in order:
        fleet.drain(account)
    assert calls(fleet.world) == dict.fromkeys(ACCOUNTS, 1)
    assert fleet.outcomes()["both"] == ["connections_busy"] * 2 + [Outcome.DELIVERED] * 2
    assert fleet.waiting == []


def calls(world: World) -> dict[str, int]:
    """Return the number of calls of each vendor."""
    return {account: len(vendor.calls) for account, vendor in world.vendors.items()}
