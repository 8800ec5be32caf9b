"""The ledger: which pushes were claimed, settled or parked, and what may be claimed.

A push is claimed before it is sent and settled afterwards, so that two workers never send the same push at a
time. A claim ends with its lease, so the push of a killed worker can be claimed again.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from push_relay.core.errors import LedgerUnavailable
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED

#: Seconds that the ledger remembers a push. An event that arrives again within them is a duplicate.
LEDGER_MEMORY_SECS = 14 * 24 * 3600
#: The statuses of pushes that are not settled. A settled push has its outcome as status, or BATCHED.
CLAIMED, PARKED = "claimed", "parked"
#: The statuses of settled pushes that a replay may claim. Each replay may do so once: its message may arrive
#: again after the push was settled again.
REPLAYABLE: Mapping[Replay, tuple[str, ...]] = {
    Replay.NO: (),
    Replay.FAILED: (Outcome.FAILED,),
    Replay.ALL: (Outcome.FAILED, Outcome.DELIVERED, BATCHED),
}


class Claim(StrEnum):
    """The ledger's answer to a worker that claims a push."""

    GRANTED = "granted"
    HELD = "held"  # by another worker, until its lease ends
    SETTLED = "settled"  # delivered, or batched
    FAILED = "failed"  # permanently

    @classmethod
    def refused(cls, status: str) -> "Claim":
        """Return the answer if the status of the push does not allow a claim."""
        return {CLAIMED: cls.HELD, str(Outcome.FAILED): cls.FAILED}.get(status, cls.SETTLED)


class ClaimRequest(NamedTuple):
    """A claim of a push for `lease_secs`.

    The push must be unknown, forgotten, parked, settled in a way that the replay overrules, settled before
    `forget_before` (seconds since the epoch), or claimed by a worker whose lease has ended.
    """

    key: str
    lease_secs: float
    replay: Replay = Replay.NO
    replay_id: str = ""
    forget_before: float = 0.0


class Claimed(NamedTuple):
    """The answer to a claim.

    error_code  of a failed push: the code with which it was settled; else empty
    owner       of a granted claim: its name in the ledger, which no other claim has; else empty
    """

    claim: Claim
    error_code: str = ""
    owner: str = ""


class Settlement(NamedTuple):
    """The end of a claim.

    status      an outcome, BATCHED, or PARKED: then any worker can claim the push again
    error_code  why it failed or waits
    source      of a parked push: its event's source
    event_id    of a parked push: its event's id
    owner       the claim that ends; empty: the last one of the push that this worker was granted
    """

    key: str
    status: str
    error_code: str = ""
    source: str = ""
    event_id: str = ""
    owner: str = ""


class Ledger(Protocol):
    """The ledger, as one worker uses it. Every method raises LedgerUnavailable, unless it never raises.

    A worker can end only a claim that it was granted. If the push was claimed again in the meantime, even by
    the same worker, the write is left out, without an error. Methods without an owner mean the last claim of
    the push that this worker was granted. Safe to use from several threads.
    """

    def begin_claims(
        self, requests: Sequence[ClaimRequest]
    ) -> Callable[[], Sequence[Claimed | LedgerUnavailable]]:
        """Begin to claim pushes, in one round trip.

        Returns a function that waits for the answers: for each push the answer, or why there is none. Neither
        raises. Something else can be done in between, and the function has to be called.

        Of two requests of one key, at most one is granted. If the answer to a write was lost and the write is
        repeated, the claim is granted. A claim whose answer never came ends with its lease.
        """
        ...

    def begin_ends(
        self, settlements: Sequence[Settlement]
    ) -> Callable[[], Sequence[LedgerUnavailable | None]]:
        """Begin to end claims, in one round trip, as `begin_claims` does.

        The function returns for each why its end was not recorded, or None.
        """
        ...

    def settle(self, key: str, status: str, error_code: str = "") -> None:
        """Record the end of a claimed push: an outcome, or BATCHED."""
        ...

    def clear_parked(self, key: str) -> None:
        """Forget a parked push, which no longer waits. A claimed or settled one stays as it is."""
        ...

    def error_code_of(self, key: str) -> str:
        """Return the error code that a push was settled with; empty if there is none."""
        ...

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate of a claimed push; return how many there were since it was settled.

        The count survives parking and the worker's death. Settling the push ends it.
        """
        ...

    def note_window(self, key: str, window: str, *, overwrite: bool = False) -> str:
        """Note the batch window that a claimed push goes into; return the one that is noted.

        Until the push is settled, the first window stays noted, even if another worker claims the push.
        `overwrite` replaces it. Raises ClaimHeld if the claim is no longer this worker's.
        """
        ...
