"""The account's cool-down in DynamoDB: only a worker that has read the current state can replace it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local_aws import LocalAws
from ports import Clock
from push_relay.adapters.dynamodb.table import Item, LedgerTable, text
from push_relay.core.delivery.cooldown import Cooldown
from samples.version_before.cooldown_store import KEPT_SECS, DynamoDbCooldown

KEY = {"pk": text("cooldown#default")}
CLOCK = Clock()


@pytest.fixture
def table(local_stores: LocalAws) -> LedgerTable:
    """Return a separate table."""
    return local_stores.table()


def test_only_a_worker_that_has_read_the_current_state_can_replace_it(table: LedgerTable) -> None:
    """Of many writes at once exactly one succeeds, and the others get its state."""
    store = DynamoDbCooldown(table, "default", CLOCK.now)
    before = store.read()
    assert before == Cooldown()
    for round_ in range(3):
        states = [Cooldown(failures=1, stamp=f"{round_}-{n}") for n in range(8)]

        def swap(after: Cooldown, seen: Cooldown = before) -> Cooldown:
            return DynamoDbCooldown(table, "default", CLOCK.now).swap(seen, after)

        with ThreadPoolExecutor(8) as threads:
            stored = list(threads.map(swap, states))
        assert len(set(stored)) == 1
        before = store.read()
        assert stored[0] == before


def test_a_repeated_write_is_recognised_if_its_first_answer_was_lost(
    table: LedgerTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The AWS client repeats the write, and then the stored state is no longer the one that was read."""
    store = DynamoDbCooldown(table, "default", CLOCK.now)
    update = table.update

    def twice(**arguments: Any) -> Item:
        update(**arguments)
        return update(**arguments)

    monkeypatch.setattr(table, "update", twice)
    after = Cooldown(until=5, reason="r", stamp="mine")
    assert store.swap(Cooldown(), after) == after


def test_each_account_has_a_separate_state(table: LedgerTable) -> None:
    """If the calls of one organisation are stopped, those of another are not."""
    stopped = Cooldown(until=2_000_000_000, reason="vendor_throttled", stamp="s-1")
    DynamoDbCooldown(table, "bakery", CLOCK.now).swap(Cooldown(), stopped)
    assert DynamoDbCooldown(table, "default", CLOCK.now).read() == Cooldown()
    assert DynamoDbCooldown(table, "bakery", CLOCK.now).read() == stopped
    assert set(table.get(Key={"pk": text("cooldown#bakery")})) > {"until", "reason"}


def test_every_field_is_stored_and_the_item_expires(table: LedgerTable) -> None:
    """Empty fields are left out, and the item expires after the last moment in it."""
    store = DynamoDbCooldown(table, "default", CLOCK.now)
    full = Cooldown(
        1, 2_000_000_000, 3, "p", 2_000_000_100, "2027-01-15", 4, "aaaa", "vendor_throttled", "s-1"
    )
    assert store.swap(Cooldown(), full) == full
    assert store.read() == full
    assert table.get(Key=KEY)["expires_at"] == {"N": str(2_000_000_100 + KEPT_SECS)}
    least = Cooldown(day="2027-01-15", spent=4, stamp="s-2")
    assert store.swap(full, least) == least
    assert set(table.get(Key=KEY)) == {"pk", "day", "spent", "stamp", "expires_at"}
    assert store.read() == least
