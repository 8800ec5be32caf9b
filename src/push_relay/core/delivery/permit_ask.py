"""Ask for connections and calls: the change of an account's permits, and a verdict for each push."""

import math
import secrets
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from push_relay.core.clock import CLOCK_SKEW_SECS, Clock
from push_relay.core.delivery import cooldown
from push_relay.core.delivery.permit_calls import (
    AccountDays,
    CallRequest,
    Calls,
    NoCall,
    drawn,
    missing,
    shortage,
    use,
)
from push_relay.core.delivery.permit_circuit import PermitCircuit, stopped
from push_relay.core.delivery.permits import (
    BUSY,
    DRAINS_NOW,
    Drawn,
    Permits,
    dead_drains,
    drains_now,
    free_connections,
    leased_by,
    with_leases,
)
from push_relay.core.delivery.shared_permits import SharedPermits
from push_relay.core.errors import ConnectionsBusy, RelayError

#: Draws of one ask. The first may show that the version before has used up more than was known.
_DRAWS = 4


class PermitParts(NamedTuple):
    """The parts of an account's permits that its workers in one process share.

    process   a name that no other process has
    sessions  the numbers of its workers
    """

    shared: SharedPermits
    circuit: PermitCircuit
    days: AccountDays
    clock: Clock
    process: str
    sessions: Iterator[int]


class Grant(NamedTuple):
    """A call that was counted for a push, and was not made yet.

    days     the days that it was counted for
    sources  the sources with a budget that it was counted for
    probe    the name of the probe, if the call is to be the probe
    """

    days: Sequence[date]
    sources: Sequence[str] = ()
    probe: str = ""


class Share(NamedTuple):
    """The connections that a worker asks for.

    wanted      connections that it wants in all
    waiting     its calls that use one now, or will: it gets no more than that and one for each new grant
    lease_secs  the length of a lease
    """

    wanted: int
    waiting: int
    lease_secs: float


#: The answer of an ask for a push: its call, a day that has none, or another reason why it cannot be called.
type Verdict = Grant | NoCall | RelayError


class Ask:
    """One ask of a worker. Its draws count with the first change that is stored after them."""

    def __init__(
        self, parts: PermitParts, worker: str, requests: Sequence[CallRequest], share: Share
    ) -> None:
        self._parts = parts
        self._worker = worker
        self._requests = requests
        self._share = share
        self._draws: list[tuple[date, Drawn]] = []

    def rule(self, permits: Permits) -> tuple[Permits, Sequence[Verdict]]:
        """Return the permits after this ask, and a verdict for each request. Raises LedgerUnavailable."""
        now, state = self._parts.clock.now(), permits.cooldown
        # If credentials were refused, the answer depends on those that a push is sent with.
        is_stopped = bool(state.until) and not state.refused
        if is_stopped and cooldown.wait(state, now):
            return permits, [stopped(state, now) for _ in self._requests]
        mine = leased_by(permits, self._worker)
        if self._worker.startswith(DRAINS_NOW):
            if not mine and drains_now(permits, self._worker, now):
                # One worker at a time keeps the order. It goes on with what was announced.
                busy = [ConnectionsBusy(BUSY) for _ in self._requests]
                return permits._replace(announced=True), busy
            permits = permits._replace(woken=0)
        limit = self._parts.days.quota.account.connections
        free = [number for number in free_connections(permits, limit, now) if number not in mine]
        if not mine and (not free or self._share.wanted < 1):
            return permits, [ConnectionsBusy(BUSY) for _ in self._requests]
        probe = secrets.token_hex(8) if is_stopped else ""
        calls = self._drawn(permits.calls, only_one=is_stopped)
        calls, verdicts = self._granted(calls, probe, stopped(state, now))
        permits = permits._replace(calls=calls)
        granted = sum(isinstance(verdict, Grant) for verdict in verdicts)
        if probe and granted:
            lease_secs = self._share.lease_secs + CLOCK_SKEW_SECS
            permits = permits._replace(cooldown=cooldown.begin_probe(state, probe, now, lease_secs))
        # A connection that no push will use is left to others.
        useful = self._share.waiting + granted if self._requests else limit
        more = max(0, min(self._share.wanted, useful) - len(mine))
        if granted or more:
            dead = dead_drains(permits, now)
            left = {number: lease for number, lease in permits.leases.items() if number not in dead}
            permits = permits._replace(leases=left, crashed=permits.crashed or bool(dead))
            until = math.ceil(now + self._share.lease_secs)
            permits = with_leases(permits, [*mine, *free[:more]], self._worker, until)
        return permits, verdicts

    def _drawn(self, calls: Calls, *, only_one: bool) -> Calls:
        """Draw the calls that are missing."""
        for day, found in self._draws:
            calls = drawn(calls, day, found)
        for _ in range(_DRAWS):
            able = [request for request in self._requests if missing(calls, request) is None]
            lack = shortage(calls, able[:1] if only_one else able, self._parts.days.block)
            if lack is None:
                break
            found = self._parts.shared.store.draw(lack.day, lack.calls, lack.limit)
            self._draws.append((lack.day, found))
            calls = drawn(calls, lack.day, found)
        return calls

    def _granted(self, calls: Calls, probe: str, refusal: RelayError) -> tuple[Calls, list[Verdict]]:
        """Grant calls that were drawn, the first ones first. If there is a probe, one push gets it."""
        verdicts: list[Verdict] = []
        is_probing = False
        for request in self._requests:
            if found := missing(calls, request):
                verdicts.append(found)
            elif is_probing:
                verdicts.append(refusal)
            elif found := missing(calls, request, drawn=True):
                verdicts.append(found)
            else:
                calls = use(calls, request)
                verdicts.append(Grant(request.days, request.allowed.counted, probe))
                is_probing = bool(probe)
        return calls, verdicts
