"""Stop an account's calls while the vendor fails or throttles, and let one probe at a time through.

`cooldown.py` has the rules. The state is a part of the account's permits.
"""

import hashlib
import secrets
from collections.abc import Callable
from threading import Lock

from push_relay.core.clock import Clock
from push_relay.core.delivery import cooldown
from push_relay.core.delivery.cooldown import Cooldown, Failure
from push_relay.core.delivery.day import day_at
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.permit_calls import AccountDays
from push_relay.core.delivery.permits import Permits
from push_relay.core.delivery.shared_permits import SharedPermits
from push_relay.core.errors import (
    CircuitOpen,
    DeliveryUnknown,
    NotNow,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)

#: Seconds for which a worker relies on the state that it has seen: while calls are allowed, while stopped.
FRESH_SECS, STOPPED_SECS = 1.0, 60.0
#: Errors of calls that the vendor did not answer, or refused to take.
FAILURES = (VendorThrottled, VendorUnauthorized, VendorUnavailable, DeliveryUnknown)

type Rule = Callable[[Cooldown], Cooldown]


class PermitCircuit:
    """The circuit of one account. Safe to use from several threads."""

    def __init__(self, shared: SharedPermits, days: AccountDays, clock: Clock) -> None:
        self._shared = shared
        self._days = days
        self._plan = cooldown.schedule(days.quota.account.daily_calls)
        self._clock = clock
        self._lock = Lock()
        self._reading = Lock()
        self._answers = 0  # answered calls since this process last wrote their number

    @property
    def fresh_secs(self) -> float:
        """Seconds for which this process relies on what it has seen."""
        return STOPPED_SECS if self._clock.now() < self._state.until else FRESH_SECS

    def refusal(self) -> NotNow | None:
        """Return why calls are stopped, by what this process knows; None if a call can be tried."""
        state, now = self._state, self._clock.now()
        # If credentials were refused, the answer depends on those that a push would be sent with.
        is_known = now < state.until and self._shared.is_fresh(self.fresh_secs) and not state.refused
        return stopped(state, now) if is_known else None

    def admit(self, credentials: Credentials, ended_at: float, probe: str) -> str:
        """Allow a call; return its name if it is the probe, else an empty text.

        ended_at  the moment at which the call has surely ended
        probe     the name under which it was made the probe before; empty if it was not

        Raises CircuitOpen, VendorUnauthorized if credentials were refused and these are the same,
        LedgerUnavailable.
        """
        mark = mark_of(credentials)
        state, now = self._current(), self._clock.now()
        if not cooldown.is_stopped(state, mark):
            return ""
        if probe and state.probe == probe and ended_at <= state.probe_until:
            return probe
        probe = probe or secrets.token_hex(8)
        if state.probe == probe or not cooldown.wait(state, now):
            state = self._shared.change(lambda found: self._begin_probe(found, probe, ended_at))
            if state.probe == probe:
                return probe
        if cooldown.is_stopped(state, mark):
            raise stopped(state, self._clock.now())
        return ""

    def _begin_probe(self, permits: Permits, probe: str, ended_at: float) -> tuple[Permits, Cooldown]:
        # A worker's own probe that has not been sent yet is begun again with another end.
        state = cooldown.release_probe(permits.cooldown, probe)
        now = self._clock.now()
        state = cooldown.begin_probe(state, probe, now, ended_at - now)
        return permits._replace(cooldown=state), state

    def ended(self, error: BaseException | None, probe: str, credentials: Credentials) -> Rule:
        """Return the change of the state after a call that ended with an error, or with None."""
        mark = mark_of(credentials)
        if isinstance(error, FAILURES):
            return self._failed(error, probe, mark)
        if error is not None and not isinstance(error, VendorRejected):
            # The vendor was not called, as far as anybody knows.
            return lambda state: cooldown.release_probe(state, probe)
        with self._lock:
            answers = self._answers + 1
            self._answers = 0 if self._state.until else answers
        return lambda state: cooldown.answered(state, probe, mark, answers)

    def _failed(self, error: RelayError, probe: str, mark: str) -> Rule:
        retry_after = error.retry_after if isinstance(error, NotNow) else None
        is_refusal = isinstance(error, VendorUnauthorized)
        with self._lock:
            answers, self._answers = self._answers, 0
        failure = Failure(
            error.code,
            is_request=is_refusal or isinstance(error, VendorThrottled) or retry_after is not None,
            retry_after=retry_after,
            probe=probe,
            mark=mark,
            is_refusal=is_refusal,
            answered=answers,
        )
        now = self._clock.now()
        day = day_at(now, self._days.zone)
        return lambda state: cooldown.failed(state, failure, now, day, self._plan)

    @property
    def _state(self) -> Cooldown:
        return self._shared.known.cooldown

    def _current(self) -> Cooldown:
        """Return the state. It is read if this process has not seen it lately. Raises LedgerUnavailable."""
        if not self._shared.is_fresh(self.fresh_secs):
            # One thread reads. The others need not wait for it, unless nothing was ever read.
            is_reader = self._reading.acquire(blocking=self._shared.is_new)
            if is_reader:
                try:
                    if not self._shared.is_fresh(self.fresh_secs):
                        self._shared.read()
                finally:
                    self._reading.release()
        return self._state


def stopped(state: Cooldown, now: float) -> CircuitOpen | VendorUnauthorized:
    """Return why a call is not made. A refusal of credentials keeps its code, because a person must act."""
    pause = max(1.0, cooldown.pause(state, now) or cooldown.PROBE_PAUSE_SECS)
    if state.refused:
        refusal = VendorUnauthorized(
            "the vendor refused the credentials, and they are the same", retry_after=pause
        )
        refusal.is_paced = True
        return refusal
    return CircuitOpen(
        f"calls are stopped after `{state.reason}`: one probe at a time is sent", retry_after=pause
    )


def mark_of(credentials: Credentials) -> str:
    """Return a mark that differs for other credentials. It is too short to guess the credentials from."""
    content = f"{credentials.company_id}\0{credentials.integration_key}"
    return hashlib.sha256(content.encode()).hexdigest()[:4]
