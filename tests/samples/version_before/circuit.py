"""Stop the account's calls while the vendor fails or throttles, and let one probe at a time through.

`cooldown.py` has the rules. An adapter stores the state, which the whole fleet shares.
"""

import hashlib
import math
import secrets
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS, Clock
from push_relay.core.delivery import cooldown
from push_relay.core.delivery.cooldown import Cooldown, Failure
from push_relay.core.delivery.day import day_at, zone_named
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.sender import PushApi
from push_relay.core.errors import (
    CircuitOpen,
    DeliveryUnknown,
    LedgerUnavailable,
    NotNow,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: Seconds for which a worker relies on the state that it has read: while calls are allowed, while stopped.
FRESH_SECS, STOPPED_SECS = 1.0, 60.0
#: Errors of calls that the vendor did not answer, or refused to take.
_FAILURES = (VendorThrottled, VendorUnauthorized, VendorUnavailable, DeliveryUnknown)
#: Attempts to change the state. Between two of them another worker has changed it.
_ATTEMPTS = 30


class CooldownStore(Protocol):
    """The cool-down of one account. Both methods raise LedgerUnavailable."""

    def read(self) -> Cooldown:
        """Return the state."""
        ...

    def swap(self, before: Cooldown, after: Cooldown) -> Cooldown:
        """Replace the state if it is still `before`; return the one that is stored afterwards."""
        ...


class CircuitBreaker:
    """A PushApi that makes a call if calls are allowed. Safe to use from several threads.

    While calls are allowed, a worker reads the state before a call, at most once in FRESH_SECS. It writes the
    state only if a call fails, or ends a row of failures.
    """

    def __init__(
        self,
        inner: PushApi,
        store: CooldownStore,
        account: Account,
        clock: Clock,
        check: Callable[["Push"], None] = lambda _push: None,
    ) -> None:
        self._inner = inner
        self._store = store
        self._zone = zone_named(account.time_zone)
        self._plan = cooldown.schedule(account.daily_calls)
        self._clock = clock
        self._check = check
        self._lock = Lock()
        self._known = (Cooldown(), -math.inf)  # the state as this worker knows it, and since when
        self._answers = 0  # answered calls since this worker last wrote their number

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push if calls are allowed, or if it may be the probe.

        Raises CircuitOpen, or VendorUnauthorized if credentials were refused and these are the same.
        """
        deadline = self._clock.monotonic() + timeout
        # A push that has to wait for midnight must neither return for each probe nor be the probe.
        self._check(push)
        mark = _mark(credentials)
        probe = self._admit(mark, timeout)
        try:
            # Reading the state may have taken some of the time.
            self._inner.send(push, credentials, correlation_id, deadline - self._clock.monotonic())
        except _FAILURES as exc:
            self._failed(exc, probe, mark)
            raise
        except VendorRejected:
            self._answered(probe, mark)
            raise
        except Exception:
            # The vendor was not called.
            self._note(probe, lambda state: cooldown.release_probe(state, probe))
            raise
        self._answered(probe, mark)

    def refusal(self, push: "Push") -> NotNow | None:
        """Return why a push cannot be sent now, by what this worker knows; None if it can be tried."""
        try:
            self._check(push)
        except NotNow as exc:
            return exc
        (state, _), now = self._known, self._clock.now()
        # If credentials were refused, the answer depends on those that the push would be sent with.
        is_known = now < state.until and self._is_fresh() and not state.refused
        return _stopped(state, now) if is_known else None

    def wait(self) -> float | None:
        """Return the seconds until a call may be tried, by what this worker knows; None if it can be now."""
        return cooldown.pause(self._known[0], self._clock.now()) or None

    def _admit(self, mark: str, timeout: float) -> str:
        """Allow a call; return its name if it is the probe, else an empty text.

        Raises CircuitOpen, or VendorUnauthorized if credentials were refused and these are the same.
        """
        state = self._current()
        if cooldown.is_stopped(state, mark) and not cooldown.wait(state, self._clock.now()):
            probe, lease_secs = secrets.token_hex(8), timeout + CLOCK_SKEW_SECS
            state = self._change(
                lambda found: cooldown.begin_probe(found, probe, self._clock.now(), lease_secs)
            )
            if state.probe == probe:
                return probe
        if cooldown.is_stopped(state, mark):
            raise _stopped(state, self._clock.now())
        return ""

    def _failed(self, error: RelayError, probe: str, mark: str) -> None:
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
        day = day_at(now, self._zone)
        self._note(probe, lambda state: cooldown.failed(state, failure, now, day, self._plan))

    def _answered(self, probe: str, mark: str) -> None:
        with self._lock:
            answers = self._answers + 1
            self._answers = 0 if self._known[0].until else answers
        self._note(probe, lambda state: cooldown.answered(state, probe, mark, answers))

    def _current(self) -> Cooldown:
        """Return the state; a fresh one that this worker has seen is not read. Raises LedgerUnavailable."""
        known = self._known
        if self._is_fresh():
            return known[0]
        state = self._store.read()
        # Another thread may have changed the state since this one read it.
        if self._known is known:
            self._keep(state)
        return self._known[0]

    def _is_fresh(self) -> bool:
        (state, seen), now = self._known, self._clock.now()
        return 0 <= now - seen < (STOPPED_SECS if now < state.until else FRESH_SECS)

    def _keep(self, state: Cooldown) -> None:
        self._known = (state, self._clock.now())

    def _note(self, probe: str, rule: Callable[[Cooldown], Cooldown]) -> None:
        """Change the state after a call. The call's result is valid even if the state cannot be stored."""
        try:
            if probe and self._known[0].probe != probe:
                self._keep(self._store.read())
            self._change(rule)
        except LedgerUnavailable:
            # At least this worker knows it.
            self._keep(rule(self._known[0]))

    def _change(self, rule: Callable[[Cooldown], Cooldown]) -> Cooldown:
        """Change the state by a rule; return the state afterwards. Raises LedgerUnavailable."""
        before = self._known[0]
        for _ in range(_ATTEMPTS):
            after = rule(before)
            if after == before:
                return before
            after = after._replace(stamp=secrets.token_hex(8))
            before = self._store.swap(before, after)
            self._keep(before)
            if before.stamp == after.stamp:
                return before
        raise LedgerUnavailable("too many workers change the account's cool-down at once")


def _stopped(state: Cooldown, now: float) -> CircuitOpen | VendorUnauthorized:
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


def _mark(credentials: Credentials) -> str:
    """Return a mark that differs for other credentials. It is too short to guess the credentials from."""
    content = f"{credentials.company_id}\0{credentials.integration_key}"
    return hashlib.sha256(content.encode()).hexdigest()[:4]
