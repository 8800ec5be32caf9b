"""The order and number of calls: urgent pushes first, only remaining pushes, and only on held connections."""

from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS, Unpaced
from push_relay.core.errors import CircuitOpen, LedgerUnavailable, NotNow, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording

NOW = 1_800_000_000.0
PUSH = Push(Recipient(RecipientKind.USER, "1"), Wording("t", "b"), "1")
ROUTES = """
[account.default]
connections = 2
max_age = "1h"

[[route]]
source = "bakery"
when = "type == 'baked'"
to = ["user:normal"]

[[route]]
source = "bakery"
when = "type == 'loud'"
to = ["user:urgent"]
priority = "high"
max_age = "10m"

[[route]]
source = "bakery"
when = "type == 'mail'"
to = ["user:first", "user:second"]
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with normal and urgent routes, and two connections."""
    routes = tmp_path / "relay.toml"
    routes.write_text(ROUTES)
    return World(routes=routes)


def event(kind: str = "baked", identity: str = "1", **more: Any) -> Event:
    """Return an event of the bakery."""
    return Event("bakery", identity, kind, {"kind": kind, "words": identity}, NOW, identity, **more)


def deliver(world: World, *events: Event) -> list[list[Receipt]]:
    """Deliver events in one batch."""
    return [list(receipts) for receipts in world.relay.deliver(events, world.time_left)]


def test_urgent_pushes_are_sent_first_and_the_others_in_order(world: World) -> None:
    """The order covers all events of a batch, but each receipt belongs to its own event."""
    receipts = deliver(
        world, event("baked", "1"), event("loud", "2"), event("baked", "3"), event("loud", "4")
    )
    assert [call.push.wording.body.strip() for call in world.vendor.calls] == ["2", "4", "1", "3"]
    assert [receipt.event_id for (receipt,) in receipts] == ["1", "2", "3", "4"]
    assert [receipt.push.high for (receipt,) in receipts if receipt.push] == [False, True, False, True]


def test_only_the_remaining_pushes_of_an_event_are_sent(world: World) -> None:
    """The ledger is not even asked about the other push."""
    ((first, second),) = deliver(world, event("mail"))
    again = World()
    again.change_routing(world.routing)
    ((receipt,),) = deliver(again, event("mail", only=(str(second.key),)))
    assert (receipt.key, receipt.outcome) == (second.key, Outcome.DELIVERED)
    assert first.key not in again.ledger.states


def test_a_push_that_has_no_route_any_longer_is_filtered(world: World) -> None:
    """The routes were changed while the push was parked. No other recipient may get it instead."""
    ((receipt,),) = deliver(world, event("mail", only=("gone",)))
    assert (receipt.outcome, receipt.push) == (Outcome.FILTERED, None)
    assert "no longer" in (receipt.detail or "")
    assert not world.vendor.calls


@pytest.mark.parametrize(
    ("kind", "age", "outcome"),
    [
        ("loud", 600, Outcome.DELIVERED),
        ("loud", 601, Outcome.EXPIRED),
        ("baked", 1800, Outcome.DELIVERED),
        ("baked", 1801, Outcome.EXPIRED),
    ],
)
def test_the_max_age_of_a_route_overrides_that_of_its_source(
    world: World, kind: str, age: float, outcome: Outcome
) -> None:
    """The source allows half an hour, and one of its routes less."""
    world.change_sources(Aged(world.sources, 1800.0))
    world.clock.time = NOW + age
    ((receipt,),) = deliver(world, event(kind))
    assert receipt.outcome is outcome


@pytest.mark.parametrize(("age", "outcome"), [(3600, Outcome.DELIVERED), (3601, Outcome.EXPIRED)])
def test_the_max_age_of_the_account_is_the_default(world: World, age: float, outcome: Outcome) -> None:
    """Here the account allows an hour, and neither the route nor the source has a limit."""
    world.clock.time = NOW + age
    ((receipt,),) = deliver(world, event())
    assert receipt.outcome is outcome


class Aged:
    """Sources with a maximum age for their events."""

    def __init__(self, sources: Any, max_age: float) -> None:
        """Wrap the sources."""
        self.sources, self.max_age = sources, max_age

    def named(self, name: str) -> Any:
        """Return a source with the maximum age."""
        source = copy(self.sources.named(name))
        source.max_age = self.max_age
        return source

    def all(self) -> Any:
        """Return nothing, because no test needs it."""
        return ()


def test_the_accounts_connections_limit_the_calls_at_a_time(world: World) -> None:
    """Each push is sent on a separate connection, and its priority decides who gets one first."""
    at_a_time: list[int] = []
    in_use: list[int] = []

    def parallel_map(function: Any, items: Any, most: int) -> list[Any]:
        at_a_time.append(most)
        return [function(item) for item in items]

    def judge(_push: Any, _credentials: Any) -> None:
        in_use.append(world.connections.in_use)

    world.vendor.judge = judge
    world.change_lane(parallel_map=parallel_map)
    deliver(world, event())
    deliver(world, event("loud", "2"), *(event(identity=str(i)) for i in range(3, 9)))
    assert (world.connections.asked, at_a_time) == ([1, 7], [1, 2])
    assert (in_use, world.connections.in_use) == ([1] * 8, 0)
    assert world.connections.urgent == [False, True, *[False] * 6]


def test_a_push_without_a_connection_does_not_affect_the_others(world: World) -> None:
    """Each receipt has the outcome of its own push."""
    world.vendor.judge = lambda _push, _credentials: setattr(world.connections, "free", 0)
    receipts = deliver(world, event(identity="1"), event(identity="2"))
    assert [receipt.outcome for (receipt,) in receipts] == [Outcome.DELIVERED, Outcome.PARKED]
    assert receipts[1][0].error_code == "connections_busy"


def test_the_lease_of_a_connection_limits_the_time_of_the_call(world: World) -> None:
    """A lease covers one call, so the call must end before the lease does."""

    class Leased:
        def call(self, seconds: float) -> Any:
            return nullcontext(min(seconds, 4.0))

    world.sender.send(event(), PUSH, lambda: 30.0, Leased())
    world.sender.send(event(), replace(PUSH, key="2"), lambda: 3.0, Leased())
    assert [call.timeout for call in world.vendor.calls] == [4.0, 3.0 - SETTLE_MARGIN_SECS]


def test_without_a_free_connection_every_push_is_parked(world: World) -> None:
    """No push is claimed. Each receipt has the key of its push, so that only these are tried again."""
    world.connections.free = 0
    ((first, second), (third,)) = deliver(world, event("mail"), event("unspoken", "2"))
    assert {first.error_code, second.error_code} == {"connections_busy"}
    assert {first.outcome, second.outcome} == {Outcome.PARKED}
    assert None not in {first.key, second.key}
    assert third.outcome is Outcome.FILTERED
    assert not world.vendor.calls
    assert not world.ledger.leases


@pytest.mark.parametrize(
    ("error", "code"),
    [(LedgerUnavailable("down"), "ledger_unavailable"), (RuntimeError("planted"), "internal_error")],
    ids=["down", "unknown"],
)
def test_no_push_is_sent_if_connections_cannot_be_counted(world: World, error: Exception, code: str) -> None:
    """Every push is parked. The receipts have the error code, and not the text of a foreign error."""
    world.connections.error = error
    receipts = deliver(world, event("mail"), event())
    assert {receipt.error_code for own in receipts for receipt in own} == {code}
    assert {receipt.outcome for own in receipts for receipt in own} == {Outcome.PARKED}
    assert "planted" not in str(receipts)
    assert not world.vendor.calls


def test_no_connection_is_held_if_there_is_no_push(world: World) -> None:
    """Waiting for a connection would delay the batch for nothing."""
    world.connections.error = RuntimeError("nobody should ask")
    ((receipt,),) = deliver(world, event("unspoken"))
    assert receipt.outcome is Outcome.FILTERED


def test_a_cool_down_also_stops_the_rest_of_the_batch(world: World) -> None:
    """The others no longer take a connection, and wait as long as the first."""

    class Stopping(Unpaced):
        stopped: NotNow | None = None

        def refusal(self, _push: Push) -> NotNow | None:  # type: ignore[override]
            return self.stopped

        def wait(self) -> float | None:  # type: ignore[override]
            return self.stopped and self.stopped.retry_after

    pace = Stopping()

    def judge(_push: Push, _credentials: object) -> Exception:
        pace.stopped = CircuitOpen("stopped", retry_after=42.0)
        return VendorThrottled("slow")

    world.vendor.judge = judge
    world.change_sender(pace=pace)
    receipts = deliver(world, *(event("baked", str(number)) for number in range(5)))
    codes = [receipt.error_code for (receipt,) in receipts]
    assert codes == ["vendor_throttled", *["circuit_open"] * 4]
    assert {receipt.retry_after for (receipt,) in receipts} == {42.0}
    assert len(world.vendor.calls) == 1


@pytest.mark.parametrize(("wait", "is_paced"), [(None, False), (42.0, True)])
def test_a_push_without_a_connection_waits_for_the_account_if_calls_are_stopped(
    world: World, wait: float | None, *, is_paced: bool
) -> None:
    """The lost calls keep the connections until then. Otherwise the push is tried again soon."""

    class Stopped(Unpaced):
        def wait(self) -> float | None:  # type: ignore[override]
            return wait

    world.connections.free = 0
    world.change_sender(pace=Stopped())
    ((receipt,),) = deliver(world, event())
    assert (receipt.error_code, receipt.retry_after, receipt.is_paced) == ("connections_busy", wait, is_paced)


def test_a_push_that_is_known_to_wait_takes_no_connection(world: World) -> None:
    """Other pushes of the batch are sent."""

    class Stopped(Unpaced):
        def refusal(self, push: Push) -> NotNow | None:  # type: ignore[override]
            return None if push.high else CircuitOpen("stopped", retry_after=42.0)

    asked: list[int] = []
    held = world.connections.held
    world.connections.held = lambda wanted, left: asked.append(wanted) or held(wanted, left)  # type: ignore[method-assign, func-returns-value]
    world.change_sender(pace=Stopped())
    receipts = deliver(world, event("baked", "1"), event("loud", "2"), event("mail", "3"))
    assert [[receipt.error_code for receipt in own] for own in receipts] == [
        ["circuit_open"],
        [None],
        ["circuit_open", "circuit_open"],
    ]
    assert asked == [1]
    deliver(world, event("baked", "4"))
    assert asked == [1]
