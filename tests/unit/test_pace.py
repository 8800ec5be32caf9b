"""The order and number of calls: urgent pushes first, only remaining pushes, and only on held connections."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from fakes import InTurn, World
from open_permits import OpenPermits, OpenSession
from push_relay.adapters.process import Threads
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS
from push_relay.core.errors import CircuitOpen, LedgerUnavailable, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt

NOW = 1_800_000_000.0
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


def permits(world: World) -> OpenPermits:
    """Return the permits of the default account."""
    return world.permits["default"]


def test_the_accounts_connections_limit_the_calls_at_a_time(world: World) -> None:
    """All connections are used at once, no further one is asked for, and urgent pushes get one first."""
    world.change_lane(threads=Threads(8))
    permits(world).limit = permits(world).free = 9
    in_use: list[int] = []
    both = Barrier(2, timeout=10)

    def judge(_push: Push, _credentials: object) -> None:
        both.wait()
        in_use.append(permits(world).in_use)
        both.wait()

    world.vendor.judge = judge
    deliver(world, event("loud", "2"), *(event(identity=str(i)) for i in range(3, 10)))
    assert in_use == [2] * 8
    assert (permits(world).in_use, permits(world).free) == (0, 9)
    assert True in permits(world).urgent[:2]


def test_a_single_push_asks_for_one_connection(world: World) -> None:
    """The others stay free for other workers."""
    free: list[int] = []
    world.vendor.judge = lambda _push, _credentials: free.append(permits(world).free)  # type: ignore[func-returns-value]
    deliver(world, event())
    assert free == [2]
    assert len(permits(world).asked) == 1


def test_a_push_without_a_connection_does_not_affect_the_others(world: World) -> None:
    """Its call of unknown end keeps the connection. Each receipt has the outcome of its own push."""

    class Losing(OpenSession):
        @contextmanager
        def call(self, push: Push, credentials: Any, seconds: float) -> Iterator[float]:
            with OpenSession.call(self, push, credentials, seconds) as secs:
                yield secs
            self.connections = 0

    permits(world).free = 1
    world.change_lane(permits=Sessions(permits(world), Losing))
    receipts = deliver(world, event(identity="1"), event(identity="2"))
    assert [receipt.outcome for (receipt,) in receipts] == [Outcome.DELIVERED, Outcome.PARKED]
    assert receipts[1][0].error_code == "connections_busy"
    # Its claim is released, so that another worker can send it at once.
    assert world.ledger.parked == [receipts[1][0].key]


class Sessions:
    """The permits of an account whose sessions are of another class."""

    def __init__(self, of: OpenPermits, session: type[OpenSession]) -> None:
        """Wrap the permits."""
        self._of, self._session = of, session

    def session(self, *_: Any, **__: Any) -> OpenSession:
        """Begin a session."""
        return self._session(self._of)

    def __getattr__(self, name: str) -> Any:
        """Return everything else."""
        return getattr(self._of, name)


def test_the_lease_of_a_connection_limits_the_time_of_the_call(world: World) -> None:
    """A lease covers one call, so the call must end before the lease does."""

    class Leased(OpenSession):
        @contextmanager
        def call(self, push: Push, credentials: Any, seconds: float) -> Iterator[float]:
            with OpenSession.call(self, push, credentials, seconds) as secs:
                yield min(secs, 4.0)

    world.change_lane(permits=Sessions(permits(world), Leased))
    deliver(world, event(identity="1"))
    world.context.seconds = 5.0 + SETTLE_MARGIN_SECS
    world.change_lane(permits=permits(world))
    deliver(world, event(identity="2"))
    assert [call.timeout for call in world.vendor.calls] == [4.0, 5.0]


def test_no_call_begins_that_would_probably_end_without_an_answer(world: World) -> None:
    """Its push would be of unknown fate. It is parked, and its claim is released."""
    world.context.seconds = 5.0 + SETTLE_MARGIN_SECS - 0.1
    ((receipt,),) = deliver(world, event())
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "out_of_time")
    assert world.ledger.parked == [receipt.key]
    assert not world.vendor.calls


def test_without_a_free_connection_every_push_is_parked(world: World) -> None:
    """No push stays claimed. Each receipt has the key of its push, so that only these are tried again."""
    permits(world).free = 0
    ((first, second), (third,)) = deliver(world, event("mail"), event("unspoken", "2"))
    assert {first.error_code, second.error_code} == {"connections_busy"}
    assert {first.outcome, second.outcome} == {Outcome.PARKED}
    assert None not in {first.key, second.key}
    assert third.outcome is Outcome.FILTERED
    assert not world.vendor.calls
    assert not world.ledger.states


def test_no_push_is_claimed_if_the_connections_were_busy_a_moment_ago(world: World) -> None:
    """The claims would have no use, and cost two writes each."""
    permits(world).free, permits(world).are_busy = 0, True
    ((first, second),) = deliver(world, event("mail"))
    assert {first.error_code, second.error_code} == {"connections_busy"}
    assert not world.ledger.leases
    permits(world).free = 2
    assert [receipt.outcome for receipt in deliver(world, event("mail"))[0]] == [Outcome.DELIVERED] * 2


@pytest.mark.parametrize(
    ("error", "code"),
    [(LedgerUnavailable("down"), "ledger_unavailable"), (RuntimeError("planted"), "internal_error")],
    ids=["down", "unknown"],
)
def test_no_push_is_sent_if_connections_cannot_be_counted(world: World, error: Exception, code: str) -> None:
    """Every push is parked. The receipts have the error code, and not the text of a foreign error."""
    permits(world).error = error
    receipts = deliver(world, event("mail"), event())
    assert {receipt.error_code for own in receipts for receipt in own} == {code}
    assert {receipt.outcome for own in receipts for receipt in own} == {Outcome.PARKED}
    assert "planted" not in str(receipts)
    assert not world.vendor.calls
    assert not world.ledger.states


def test_no_connection_is_held_if_there_is_no_push(world: World) -> None:
    """Asking for a connection would delay the batch for nothing."""
    permits(world).error = LedgerUnavailable("nobody should ask")
    ((receipt,),) = deliver(world, event("unspoken"))
    assert receipt.outcome is Outcome.FILTERED
    assert not permits(world).asked


def test_a_cool_down_also_stops_the_rest_of_the_batch(world: World) -> None:
    """The others no longer make a call, wait as long as the first, and are claimed by nobody."""

    def judge(_push: Push, _credentials: object) -> Exception:
        permits(world).refuses = lambda _push: CircuitOpen("stopped", retry_after=42.0)
        permits(world).secs = 42.0
        return VendorThrottled("slow")

    world.vendor.judge = judge
    receipts = deliver(world, *(event("baked", str(number)) for number in range(5)))
    codes = [receipt.error_code for (receipt,) in receipts]
    assert codes == ["vendor_throttled", *["circuit_open"] * 4]
    assert {receipt.retry_after for (receipt,) in receipts} == {42.0}
    assert len(world.vendor.calls) == 1
    assert not world.ledger.states


@pytest.mark.parametrize(("wait", "is_paced"), [(None, False), (42.0, True)])
def test_a_push_without_a_connection_waits_for_the_account_if_calls_are_stopped(
    world: World, wait: float | None, *, is_paced: bool
) -> None:
    """The lost calls keep the connections until then. Otherwise the push is tried again soon."""
    permits(world).free, permits(world).secs = 0, wait
    ((receipt,),) = deliver(world, event())
    assert (receipt.error_code, receipt.retry_after, receipt.is_paced) == ("connections_busy", wait, is_paced)


def test_a_push_that_is_known_to_wait_takes_no_connection(world: World) -> None:
    """Other pushes of the batch are sent."""
    stopped = CircuitOpen("stopped", retry_after=42.0)
    permits(world).known = lambda push: None if push.high else stopped
    receipts = deliver(world, event("baked", "1"), event("loud", "2"), event("mail", "3"))
    assert [[receipt.error_code for receipt in own] for own in receipts] == [
        ["circuit_open"],
        [None],
        ["circuit_open", "circuit_open"],
    ]
    assert _sizes(permits(world).asked) == [1]
    deliver(world, event("baked", "4"))
    assert _sizes(permits(world).asked) == [1]
    assert len(world.ledger.leases) == 1


def _sizes(asked: Sequence[Sequence[str]]) -> list[int]:
    return [len(pushes) for pushes in asked]


def test_the_next_call_begins_before_the_last_one_is_settled(world: World) -> None:
    """The ledger is in the way only before the first call and after the last one."""
    world.change_lane(threads=Threads(8))
    claims: list[int] = []
    settled: list[int] = []
    claim_all, end_all = world.ledger.claim_all, world.ledger.end_all

    def claim(requests: Any) -> Any:
        claims.append(len(requests))
        return claim_all(requests)

    def end(settlements: Any) -> Any:
        settled.append(len(settlements))
        return end_all(settlements)

    world.ledger.claim_all, world.ledger.end_all = claim, end  # type: ignore[method-assign]
    receipts = deliver(world, *(event(identity=str(number)) for number in range(8)))
    assert [receipt.outcome for (receipt,) in receipts] == [Outcome.DELIVERED] * 8
    assert claims == [8]
    assert sum(settled) == 8


class FewInTurn(InTurn):
    """Threads that run at once, and of which only a few can be started."""

    def __init__(self) -> None:
        """Begin without a thread."""
        self.started = 0

    def start(self, function: Callable[[], None]) -> Callable[[], None]:
        """Run a function to its end."""
        self.started += 1
        assert self.started < 20
        return super().start(function)


@pytest.mark.parametrize("threads", [Threads(8), FewInTurn()], ids=["parallel", "in turn"])
def test_a_run_ends_if_one_of_its_threads_is_killed(world: World, threads: Threads | FewInTurn) -> None:
    """It starts no other call, and its claims and connections end with their leases."""

    class Killed(BaseException):
        pass

    def kill(_push: Push, _credentials: object) -> None:
        raise Killed

    world.change_lane(threads=threads)
    world.vendor.judge = kill
    with pytest.raises(Killed):
        deliver(world, *(event(identity=str(number)) for number in range(8)))
    assert len(world.vendor.calls) <= 2
    assert not world.ledger.parked
