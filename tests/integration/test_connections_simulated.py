"""The limit of connections holds in a simulation with all kinds of failures, on a real DynamoDB."""

import random

import pytest

from connection_fleet import FINISH_SECS, LEASE_SECS, LIMIT, SHORT_CALL_SECS, START, Fleet, Holder
from local_aws import LocalAws
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.errors import ConnectionsBusy, DeliveryUnknown, LedgerUnavailable

#: The share of DynamoDB calls that fail before they are made, and of those whose answer is lost.
FAILURES = 0.03


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


class Simulation:
    """Workers with wrong clocks that send, wait, time out and die, on a DynamoDB that sometimes fails."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        """Begin without a worker."""
        self.fleet, self.dice = fleet, dice
        self.workers: list[Holder] = []
        self.waiting: list[Holder] = []
        self.most = 0
        fleet.pass_time = self.pass_time  # type: ignore[method-assign]
        fleet.while_sleeping = self.act
        fleet.table.fails = lambda _expression: dice.random() < FAILURES
        fleet.table.loses = lambda _expression: dice.random() < FAILURES

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and end each call at its timeout."""
        until = self.fleet.clock.time + seconds
        while (first := min(self.alive, key=lambda w: w.must_end, default=None)) and first.must_end <= until:
            self.fleet.clock.time = max(self.fleet.clock.time, first.must_end)
            first.fail(DeliveryUnknown("timeout"))
        self.fleet.clock.time = until

    @property
    def alive(self) -> list[Holder]:
        """The workers that have not died or stopped."""
        return self.workers + self.waiting

    def check(self) -> None:
        """Compare the running calls with the limit."""
        item, now = self.fleet.item(), self.fleet.clock.time
        reserved = [c for c in range(LIMIT) if item.get(f"owner_{c}", {"S": ""})["S"].endswith("unfinished")]
        kept = sum(int(item[f"until_{c}"]["N"]) > now for c in reserved)
        calling = sum(worker.running_calls for worker in self.alive)
        assert calling + kept <= LIMIT
        self.most = max(self.most, calling)

    def act(self) -> None:
        """Let one random thing happen."""
        self.pass_time(self.dice.choice([0.01, SHORT_CALL_SECS, 1.0, 1.0, 5.0]))
        if len(self.alive) < 5 and self.dice.random() < 0.3:
            skew = self.dice.choice([-1.0, 0.0, 1.0])
            self.workers.append(self.fleet.holder(calls=0, seconds=6.0, skew=skew))
        if self.workers:
            worker = self.dice.choice(self.workers)
            self.workers.remove(worker)
            if self.act_of(worker, self.dice.choice(["begin"] * 8 + ["end"] * 4 + ["fail", "die", "stop"])):
                self.workers.append(worker)
        self.check()

    def act_of(self, worker: Holder, does: str) -> bool:
        """Let a worker do something, and return whether it continues afterwards."""
        if does == "begin" and worker.can_begin:
            self.waiting.append(worker)
            try:
                worker.begin()
            except (ConnectionsBusy, LedgerUnavailable):
                return worker.running_calls > 0
            finally:
                self.waiting.remove(worker)
        elif does == "end" and worker.running_calls:
            worker.end()
        elif does == "fail" and worker.running_calls:
            worker.fail(DeliveryUnknown("timeout"))
        elif does == "die":
            worker.die()
            return False
        elif does == "stop":
            worker.stop()
            return False
        return True


@pytest.mark.parametrize("seed", range(4))
def test_the_limit_holds_under_random_failures_and_deaths(fleet: Fleet, seed: int) -> None:
    """When all leases have ended, all connections are free again."""
    random.seed(seed)  # for the adapter's random choices
    simulation = Simulation(fleet, random.Random(seed))  # noqa: S311 (repeatable)
    while fleet.clock.time < START + 500:
        simulation.act()
    assert simulation.most > 1
    fleet.while_sleeping = lambda: None
    fleet.table.fails = fleet.table.loses = lambda _expression: False
    for worker in simulation.workers:
        worker.stop()
    fleet.clock.time += FINISH_SECS + LEASE_SECS + CLOCK_SKEW_SECS
    assert fleet.free() == LIMIT
