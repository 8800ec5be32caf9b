"""A change of the permits whose answer is lost, and that another worker follows before it is repeated."""

from collections.abc import Callable
from typing import Any

import pytest

from fake_client import FakeClient, client_error
from permit_fleet import TODAY, Fleet, call, pushes
from permit_stores import PermitStore
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.delivery.permits import DayCalls, Permits, WriteUnknown
from push_relay.core.errors import LedgerUnavailable

BEFORE = Permits(stamp="before")
AFTER = Permits(calls={TODAY: DayCalls(used=1, drawn=25)}, stamp="after")
#: The permits after another worker's write, as DynamoDB returns them with the refusal.
OTHERS_ITEM = {
    "stamp": text("other"),
    "calls": {"M": {TODAY: {"M": {"used": number(7), "drawn": number(25)}}}},
    "announced": {"BOOL": True},
}
OTHERS = Permits(calls={TODAY: DayCalls(used=7, drawn=25)}, announced=True, stamp="other")


class RepeatingStore(PermitStore):
    """A store whose next write gets no answer: another worker writes, and the repeated write is refused."""

    def __init__(self) -> None:
        super().__init__()
        self._between: list[Callable[[], object]] = []
        self._is_made = True

    def lose(self, between: Callable[[], object], *, is_made: bool) -> None:
        """Lose the answer to the next write. `is_made`: whether it is made, or gets lost on its way."""
        self._between, self._is_made = [between], is_made

    def swap(self, before: Permits, after: Permits) -> Permits:
        """Write, let the other worker write, and write again."""
        if not self._between:
            return super().swap(before, after)
        between = self._between.pop()
        if self._is_made:
            super().swap(before, after)
        between()
        found = super().swap(before, after)
        if found.stamp != after.stamp:
            raise WriteUnknown(found)
        return found


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with such a store."""
    fleet = Fleet()
    fleet.store = RepeatingStore()
    return fleet


def repeating(fleet: Fleet) -> RepeatingStore:
    """Return the fleet's store."""
    assert isinstance(fleet.store, RepeatingStore)
    return fleet.store


@pytest.mark.parametrize("is_made", [True, False])
@pytest.mark.parametrize("how", ["finish", "release_idle", "finish_unless_announced"])
def test_calls_are_returned_once_at_most(fleet: Fleet, how: str, *, is_made: bool) -> None:
    """If nobody can know whether they were, they stay counted. The connections are returned in any case."""
    session, other = fleet.session(drains=True), fleet.session()
    other.ask(pushes(5, 100), 1)  # calls that the account is about to make
    session.ask(pushes(4), 2)
    call(session, pushes(1)[0])
    assert fleet.used() == 9
    repeating(fleet).lose(lambda: other.ask(pushes(1, 200), 1), is_made=is_made)
    if how == "release_idle":
        session.release_idle(0)
    else:
        session.finish(unless_announced=how != "finish")
    # 6 calls are the other worker's, and 1 was made. 3 calls were returned once, or not at all.
    assert fleet.used() == (7 if is_made else 10)
    session.finish()
    assert fleet.used() == (7 if is_made else 10)
    assert fleet.leases() == 1
    assert session.connections == 0


@pytest.mark.parametrize("is_made", [True, False])
def test_calls_that_are_asked_for_are_counted_at_least_once(fleet: Fleet, *, is_made: bool) -> None:
    """An ask is made again: too many calls are counted rather than too few."""
    session, other = fleet.session(), fleet.session()
    other.ask(pushes(1, 100), 1)
    repeating(fleet).lose(lambda: other.ask(pushes(1, 200), 1), is_made=is_made)
    assert session.ask(pushes(2), 2) == [None, None]
    assert fleet.used() == (6 if is_made else 4)
    assert session.connections == 2
    session.finish()
    assert fleet.used() == (4 if is_made else 2)
    assert fleet.leases() == 1


@pytest.mark.parametrize("is_made", [True, False])
def test_an_announcement_of_unknown_result_is_made_again(fleet: Fleet, *, is_made: bool) -> None:
    """The worker that drains may have looked in between."""
    session, process = fleet.session(drains=True), fleet.process()
    session.ask(pushes(1), 1)
    fleet.clock.time += 1
    repeating(fleet).lose(lambda: [session.look(), session.ask(pushes(1, 50), 1)], is_made=is_made)
    assert process.announce() is None
    assert fleet.store.permits.announced


# --- the adapter ---------------------------------------------------------------------------------------


def refusal(item: dict[str, Any], *, is_repeated: bool) -> Exception:
    """Return what the client raises if the condition of a write was false."""
    return client_error("ConditionalCheckFailedException", Item=item, is_repeated=is_repeated)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Replace DynamoDB."""
    return FakeClient.install(monkeypatch)


@pytest.fixture
def store(client: FakeClient) -> DynamoDbPermits:
    """Return permits in a DynamoDB that is replaced."""
    del client
    return DynamoDbPermits(LedgerTable("table"), "default", lambda: 0.0)


def test_a_write_that_was_refused_at_once_was_not_made(client: FakeClient, store: DynamoDbPermits) -> None:
    """Its worker decides again with what is stored."""
    client.error = refusal(OTHERS_ITEM, is_repeated=False)
    assert store.swap(BEFORE, AFTER) == OTHERS


def test_nobody_knows_whether_a_write_was_made_whose_repetition_was_refused(
    client: FakeClient, store: DynamoDbPermits
) -> None:
    """The error has what is stored, so the worker need not read it."""
    client.error = refusal(OTHERS_ITEM, is_repeated=True)
    with pytest.raises(WriteUnknown) as raised:
        store.swap(BEFORE, AFTER)
    assert isinstance(raised.value, LedgerUnavailable)
    assert raised.value.permits == OTHERS


def test_a_write_was_made_if_its_repetition_is_refused_over_its_own_stamp(
    client: FakeClient, store: DynamoDbPermits
) -> None:
    """The stored stamp is its own."""
    item = {"stamp": text("after"), "calls": {"M": {TODAY: {"M": {"used": number(1), "drawn": number(25)}}}}}
    client.error = refusal(item, is_repeated=True)
    assert store.swap(BEFORE, AFTER) == AFTER
