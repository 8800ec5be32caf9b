"""The permits of one account, as one process uses them."""

import secrets
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.delivery import cooldown
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.permit_ask import PermitParts
from push_relay.core.delivery.permit_calls import AccountDays, CallRequest, missing
from push_relay.core.delivery.permit_circuit import FRESH_SECS, STOPPED_SECS, PermitCircuit, mark_of
from push_relay.core.delivery.permit_session import PermitSession
from push_relay.core.delivery.permits import (
    UNFINISHED,
    PermitStore,
    announcement,
    free_connections,
)
from push_relay.core.delivery.quota import Allowance, Quota
from push_relay.core.delivery.shared_permits import SharedPermits
from push_relay.core.errors import CredentialsUnavailable, NotNow

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: Seconds for which a process relies on having seen that others have all connections.
BUSY_SECS = 3.0


class AccountPermits:
    """The permits of one account. Implements `LanePermits`. Safe to use from several threads.

    report  is called with the calls of a day and their limit whenever a call is granted or refused
    sleep   waits between attempts of a write that other workers were faster than
    """

    def __init__(
        self,
        store: PermitStore,
        quota: Quota,
        clock: Clock,
        report: Callable[[int, int], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._quota = quota
        self._limit = quota.account.connections
        self._clock = clock
        self._replaced = ""  # a mark of refused credentials that are no longer those that are used
        self._days = AccountDays(quota, clock, report)
        self._shared = SharedPermits(store, self._days, clock, sleep)
        self._circuit = PermitCircuit(self._shared, self._days, clock)
        process = secrets.token_hex(6)
        self._parts = PermitParts(self._shared, self._circuit, self._days, clock, process, count(1))

    def session(
        self, time_left: TimeLeft, *, drains: bool = False, drains_now: bool = False
    ) -> PermitSession:
        """Begin a session."""
        return PermitSession(self._parts, time_left, drains=drains, drains_now=drains_now)

    def refusal(self, push: "Push") -> NotNow | None:
        """Return why a push cannot be sent now, by what this process knows; None if it can be tried."""
        request = self._days.request(push)
        if not request.allowed.total or self._shared.is_fresh(STOPPED_SECS):
            # A push that has to wait for midnight must neither return for each probe nor be the probe.
            found = missing(self._shared.known.calls, request)
            if found:
                return self._days.refusal(request, found)
        return self._circuit.refusal()

    def wait(self) -> float | None:
        """Return seconds until a call may be tried, by what this process knows; None if now."""
        return cooldown.pause(self._shared.known.cooldown, self._clock.now()) or None

    @property
    def is_stopped(self) -> bool:
        """Whether calls are stopped, so that at most one is permitted as a probe."""
        state = self._shared.known.cooldown
        return bool(state.until) and not (state.refused and state.refused == self._replaced)

    @property
    def follows_crash(self) -> bool:
        """Whether a worker has died while it drained, and no drain has survived since then."""
        return self._shared.known.crashed

    @property
    def are_busy(self) -> bool:
        """Whether all connections are leased by others, by what this process saw a moment ago."""
        permits, now = self._shared.known, self._clock.now()
        if not self._shared.is_fresh(BUSY_SECS) or free_connections(permits, self._limit, now):
            return False
        return not any(self._is_own(lease.owner) for lease in permits.leases.values())

    def _is_own(self, owner: str) -> bool:
        """Return whether a worker of this process has a connection. One of an unfinished call is nobody's."""
        return self._parts.process in owner and not owner.endswith(UNFINISHED)

    def is_open(self, credentials: Callable[[], Credentials], *, high: bool, source: str = "") -> bool:
        """Return whether a push could be called now; see the port. Raises LedgerUnavailable."""
        is_fresh = self._shared.is_fresh(FRESH_SECS) and not self._shared.is_new
        permits = self._shared.known if is_fresh else self._shared.read()
        state = permits.cooldown
        if state.refused and _are_others(state.refused, credentials):
            self._replaced = state.refused
        elif cooldown.wait(state, self._clock.now()):
            return False
        budgets = self._quota.budgets
        total = self._quota.account.daily_calls if high else self._quota.unreserved
        limits: Mapping[str, int] = {source: budgets[source]} if source in budgets else {}
        allowed = Allowance(total, budgets=limits)
        return missing(permits.calls, CallRequest(self._days.now(), allowed, high)) is None

    def announce(self) -> float | None:
        """Announce that events were put into the backlog. Raises LedgerUnavailable.

        Returns None if a worker that drains holds a connection and will find them, or if a wake-up is on its
        way; else the seconds after which a wake-up has to start a drain.
        """
        # The known permits may be older than the events. Only a write or a read shows those of now.
        return self._shared.change(
            lambda found: announcement(found, self._limit, self._clock.now()), fresh_secs=0.0
        )


def _are_others(refused: str, credentials: Callable[[], Credentials]) -> bool:
    """Return whether the credentials are others than those that the vendor has refused."""
    try:
        return mark_of(credentials()) != refused
    except CredentialsUnavailable:
        return False
