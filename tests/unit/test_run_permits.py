"""A run writes the permits while the ledger's writes are on their way."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine import Fleet, Supplied, task
from push_relay.core.delivery.ledger import ClaimRequest, Settlement
from push_relay.core.outcomes import Outcome
from stores import Ledger


def supplied(name: str) -> Supplied:
    """Return a supply with one push."""
    return Supplied(task(name))


def test_the_permits_are_written_while_the_ledger_is() -> None:
    """Both are on their way at the same time, before the call and after it, without another thread."""
    fleet = Fleet()
    steps: list[str] = []

    class Noted(Ledger):
        def begin_claims(self, requests: Sequence[ClaimRequest]) -> Callable[[], Any]:
            steps.append("claims begin")
            end = super().begin_claims(requests)
            return lambda: steps.append("claims end") or end()

        def begin_ends(self, settlements: Sequence[Settlement]) -> Callable[[], Any]:
            steps.append("settlements begin")
            end = super().begin_ends(settlements)
            return lambda: steps.append("settlements end") or end()

    def noted(operation: str) -> bool:
        steps.append(operation)
        return False

    fleet.run(supplied("warm-up"))
    fleet.world.change_sender(ledger=Noted())
    fleet.store.fails = noted
    own = supplied("n-1")
    fleet.run(own)
    assert own.outcomes == {"n-1": [Outcome.DELIVERED]}
    assert steps == [
        *("claims begin", "swap", "claims end"),
        *("settlements begin", "swap", "settlements end"),
    ]


def test_settlements_are_completed_even_if_the_permits_fail_in_an_unknown_way() -> None:
    """The push was shown. Without its settlement it would be shown again."""
    fleet, own = Fleet(), supplied("n-1")

    def broken(_operation: str) -> bool:
        if fleet.called:
            raise ZeroDivisionError
        return False

    fleet.store.fails = broken
    with pytest.raises(ZeroDivisionError):
        fleet.run(own)
    assert own.outcomes == {"n-1": [Outcome.DELIVERED]}
