"""The permits of one worker: what it holds of the account's permits, and how its calls use that."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING

from push_relay.core.clock import CLOCK_SKEW_SECS, TimeLeft
from push_relay.core.delivery import cooldown
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.permit_ask import Ask, Grant, PermitParts, Share, Verdict
from push_relay.core.delivery.permit_calls import CallRequest, NoCall, drawn, unused
from push_relay.core.delivery.permit_circuit import FAILURES, Rule
from push_relay.core.delivery.permits import (
    BUSY,
    DRAINS,
    DRAINS_NOW,
    UNFINISHED,
    Drawn,
    Permits,
    WriteUnknown,
    drains_now,
    leased_by,
    with_leases,
    without_leases,
)
from push_relay.core.errors import ConnectionsBusy, LedgerUnavailable, RelayError, VendorRejected

if TYPE_CHECKING:
    from push_relay.core.push import Push

#: Seconds by which a lease is longer than the longest call. The first part covers the time between the lease
#: and the call. Because of the second part, not every call needs a write that renews the lease.
MARGIN_SECS, RENEWAL_SECS = 1.0, 2.0
#: Seconds for which a look relies on what this process has seen.
LOOK_FRESH_SECS = 0.25


class PermitSession:
    """The permits of one worker. Safe to use from several threads.

    The account's lock is taken before this worker's own, and never the other way round.
    """

    def __init__(
        self, parts: PermitParts, time_left: TimeLeft, *, drains: bool = False, drains_now: bool = False
    ) -> None:
        name = f"{parts.process}-{next(parts.sessions)}"
        self.worker = f"{DRAINS_NOW if drains_now else DRAINS if drains else ''}{name}"
        # No later write of this worker ends the reservation, and nobody takes it for a worker that drains.
        self._reserved = f"{name}{UNFINISHED}"
        self._parts = parts
        self._time_left = time_left
        account = parts.days.quota.account
        self._limit = account.connections
        self._call_secs = float(account.connect_timeout_secs + account.read_timeout_secs)
        self._finish_secs = account.vendor_finish_secs
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}  # connections that it may use, and the ends of their leases
        self._had_any = False  # whether it has ever held one
        self._busy: set[int] = set()  # those that carry a call
        self._unfinished: dict[int, int] = {}  # to be reserved, and until when
        self._has_cleared = False  # whether a look of unknown result may have cleared the mark
        self._is_unsure = False  # a write of unknown result may have changed what it holds, or may do so yet
        self._grants: dict[str, Grant] = {}  # by the push's key
        self._spare: list[Grant] = []  # calls to be returned

    @property
    def connections(self) -> int:
        """The connections that it holds now."""
        return len(self._held)

    # --- asking ---------------------------------------------------------------------------------------

    def ask(self, pushes: Sequence["Push"], wanted: int) -> Sequence[RelayError | None]:
        """Ask for connections, up to `wanted` in all, and for one call of each push. See `Session`."""
        days = self._parts.days
        with self._parts.shared.lock:
            requests = [self._request(push) for push in pushes]
            with self._lock:
                waiting = len(self._busy) + len(self._grants)
            ask = Ask(self._parts, self.worker, requests, Share(wanted, waiting, self._lease_secs))
            verdicts = self._change(ask.rule, fresh_secs=self._parts.circuit.fresh_secs)
            granted: set[date] = set()
            for push, verdict in zip(pushes, verdicts, strict=True):
                if isinstance(verdict, Grant):
                    self._keep_grant(push, verdict)
                    granted.update(verdict.days)
            days.report(self._parts.shared.known.calls, sorted(granted))
        return [
            days.refusal(request, verdict) if isinstance(verdict, NoCall) else _error_of(verdict)
            for request, verdict in zip(requests, verdicts, strict=True)
        ]

    def _request(self, push: "Push") -> CallRequest:
        """Return the request for what a push lacks. It lacks nothing if its call was granted today."""
        request = self._parts.days.request(push)
        grant = self._grants.get(push.key)
        return request._replace(days=[d for d in request.days if d not in grant.days]) if grant else request

    def _keep_grant(self, push: "Push", grant: Grant) -> None:
        with self._lock:
            before = self._grants.get(push.key, Grant(()))
            self._grants[push.key] = grant._replace(
                days=[*before.days, *grant.days], probe=grant.probe or before.probe
            )

    # --- calling --------------------------------------------------------------------------------------

    @contextmanager
    def call(self, push: "Push", credentials: Credentials, seconds: float) -> Iterator[float]:
        """Make one call of the vendor inside the context. See `Session`."""
        deadline = self._parts.clock.monotonic() + seconds
        connection = self._take(push)
        try:
            end = self._secure(connection, seconds)
            grant = self._begin(push, credentials, end)
        except BaseException:
            with self._lock:
                self._busy.discard(connection)
            raise
        try:
            # The steps before may have taken some of the time.
            yield min(deadline - self._parts.clock.monotonic(), end - self._parts.clock.now())
        except BaseException as exc:
            self._end(connection, grant, credentials, exc)
            raise
        self._end(connection, grant, credentials, None)

    def _take(self, push: "Push") -> int:
        """Take an idle connection. If this worker has none at all, it asks for one."""
        if not self._held and (error := self.ask([push], 1)[0]):
            raise error
        with self._lock:
            idle = [connection for connection in self._held if connection not in self._busy]
            if not idle:
                raise ConnectionsBusy(BUSY)
            # A lease that ends late needs no renewal.
            connection = max(idle, key=lambda number: self._held[number])
            self._busy.add(connection)
            return connection

    def _secure(self, connection: int, seconds: float) -> float:
        """Return the moment at which a call has to end that may take `seconds` and the rest of its lease.

        The leases are renewed if this one does not cover the longest call. Raises ConnectionsBusy if it was
        lost, LedgerUnavailable if it could not be renewed.
        """
        needed = min(seconds, self._call_secs + MARGIN_SECS)
        if self._left(connection) < needed:
            with self._parts.shared.lock:
                # Another thread may have renewed all of them in the meantime.
                if self._left(connection) < needed:
                    self._change(
                        lambda found: (self._with_leases(found, leased_by(found, self.worker)), None)
                    )
        if connection not in self._held:
            raise ConnectionsBusy("the lease of the connection ended, and another worker has it")
        return min(self._parts.clock.now() + seconds, self._held.get(connection, 0))

    def _begin(self, push: "Push", credentials: Credentials, end: float) -> Grant:
        """Use up the push's call, which the circuit has to allow. Raises the errors of `call`."""
        while True:
            grant = self._call_of(push)
            try:
                probe = self._parts.circuit.admit(credentials, end + CLOCK_SKEW_SECS, grant.probe)
            except BaseException:
                with self._lock:
                    self._spare.append(grant)
                raise
            days = self._parts.days.now()
            unused_days = [day for day in grant.days if day not in days]
            with self._lock:
                if not all(day in grant.days for day in days):
                    # Midnight has passed while the circuit was asked.
                    self._grants[push.key] = grant._replace(probe=probe or grant.probe)
                    continue
                if unused_days:
                    self._spare.append(Grant(unused_days, grant.sources))
            return grant._replace(days=days, probe=probe)

    def _call_of(self, push: "Push") -> Grant:
        """Take the push's call. If it has none for the day that it is now, another one is asked for."""
        while True:
            lacks = push.key not in self._grants or self._request(push).days
            if lacks and (error := self.ask([push], self.connections)[0]):
                raise error
            with self._lock:
                grant = self._grants.pop(push.key, None)
            if grant:
                return grant

    def _end(
        self, connection: int, grant: Grant, credentials: Credentials, error: BaseException | None
    ) -> None:
        """Note how a call ended. Its result is valid even if that cannot be stored."""
        # An unknown error may have happened after the request was sent.
        is_unfinished = error is not None and getattr(error, "unfinished", True)
        with self._lock:
            if is_unfinished:
                self._held.pop(connection, None)
                self._unfinished[connection] = math.ceil(self._parts.clock.now() + self._finish_secs)
            elif isinstance(error, RelayError) and not isinstance(error, (*FAILURES, VendorRejected)):
                # The vendor was not called.
                self._spare.append(grant._replace(probe=""))
            self._busy.discard(connection)
        self._note(grant.probe, self._parts.circuit.ended(error, grant.probe, credentials))

    def _note(self, probe: str, rule: Rule) -> None:
        """Change the circuit, and reserve connections of unfinished calls."""
        shared = self._parts.shared
        if not self._unfinished and not probe and rule(shared.known.cooldown) == shared.known.cooldown:
            return
        with shared.lock:
            try:
                if probe and shared.known.cooldown.probe != probe:
                    shared.read()
                self._change(lambda found: (found._replace(cooldown=rule(found.cooldown)), None))
            except LedgerUnavailable:
                # At least this process knows it.
                shared.assume(lambda found: found._replace(cooldown=rule(found.cooldown)))

    # --- returning ------------------------------------------------------------------------------------

    def look(self) -> bool:
        """Return whether events wait in the backlog that no worker has looked for. See `Session`."""

        def rule(found: Permits) -> tuple[Permits, bool]:
            if drains_now(found, self.worker, self._parts.clock.now()):
                return found, False
            return found._replace(announced=False), found.announced

        has_cleared, self._has_cleared = self._has_cleared, False
        try:
            found = self._change(rule, fresh_secs=LOOK_FRESH_SECS)
        except LedgerUnavailable:
            # The mark may be cleared, and then nobody else finds what was announced.
            self._has_cleared = True
            raise
        return found or has_cleared

    def release_idle(self, wanted: int) -> None:
        """Return idle connections beyond those that are wanted. If none is wanted, also unused calls."""
        with self._parts.shared.lock:
            with self._lock:
                idle = [connection for connection in self._held if connection not in self._busy]
                spare = idle[max(0, wanted - len(self._busy)) :]
                for connection in spare:
                    del self._held[connection]
                calls = self._spare_calls() if wanted < 1 else []
            if spare or calls:
                with suppress(LedgerUnavailable):
                    self._return(lambda found, calls: (self._returned(found, spare, calls), False), calls)

    def finish(self, *, unless_announced: bool = False, has_survived: bool = True) -> bool:
        """Return all connections and the calls that were not made. See `Session`."""
        with self._parts.shared.lock:
            with self._lock:
                calls = self._spare_calls()
            if not (self._held or calls or self._unfinished or self._is_unsure or unless_announced):
                # Nobody has relied on it since it lost its last connection, and saw what was announced.
                return self._had_any and (self._parts.shared.known.announced or self._has_cleared)
            ahead = self._drawn_ahead() if self._held else None

            def rule(found: Permits, calls: Sequence[Grant]) -> tuple[Permits, bool]:
                if ahead:
                    found = found._replace(calls=drawn(found.calls, *ahead))
                mine = leased_by(found, self.worker)
                was_announced = found.announced or self._has_cleared
                if unless_announced and was_announced:
                    found = self._returned(found, [], calls)._replace(announced=False)
                    return self._with_leases(found, mine), True
                if has_survived and self._had_any and self.worker.startswith(DRAINS_NOW):
                    found = found._replace(crashed=False)
                left = self._returned(found, [c for c in mine if c not in self._busy], calls)
                return left, was_announced

            try:
                # If it holds nothing any more, nothing is written, and only a read can show an announcement.
                goes_on = self._return(rule, calls, fresh_secs=0.0 if unless_announced else math.inf)
            except LedgerUnavailable:
                self._held = {}
                return False
            self._has_cleared = False
            return goes_on

    def _return(
        self,
        rule: Callable[[Permits, Sequence[Grant]], tuple[Permits, bool]],
        calls: Sequence[Grant],
        *,
        fresh_secs: float = math.inf,
    ) -> bool:
        """Change the permits by a rule that returns calls. Raises LedgerUnavailable.

        If nobody can know whether that was done, it is done again without the calls: a call that is returned
        twice would let the account make more calls than the day has.
        """
        try:
            return self._change(
                lambda found: rule(found, calls), fresh_secs=fresh_secs, is_repeatable=not calls
            )
        except WriteUnknown:
            return self._change(lambda found: rule(found, ()), fresh_secs=fresh_secs)

    def _drawn_ahead(self) -> tuple[date, Drawn] | None:
        """Draw calls for the next worker if few are left, so that it need not do that before it calls."""
        days, day = self._parts.days, self._parts.days.today
        known = self._parts.shared.known.calls.get(day.isoformat())
        limit = days.quota.unreserved
        few = max(1, days.block // 2)
        if not known or known.drawn - known.used >= few or known.drawn + known.elsewhere >= limit:
            return None
        with suppress(LedgerUnavailable):
            return day, self._parts.shared.store.draw(day, days.block, limit)
        return None

    def _spare_calls(self) -> list[Grant]:
        """Return the calls that nobody will make; from now on nobody has them."""
        calls = [*self._spare, *self._grants.values()]
        self._spare, self._grants = [], {}
        return calls

    def _returned(self, permits: Permits, connections: Sequence[int], grants: Sequence[Grant]) -> Permits:
        calls, state = permits.calls, permits.cooldown
        for grant in grants:
            calls = unused(calls, grant.days, grant.sources)
            state = cooldown.release_probe(state, grant.probe) if grant.probe else state
        return without_leases(permits._replace(calls=calls, cooldown=state), connections, self.worker)

    # --- leases ---------------------------------------------------------------------------------------

    def _change[T](
        self,
        rule: Callable[[Permits], tuple[Permits, T]],
        *,
        fresh_secs: float = math.inf,
        is_repeatable: bool = True,
    ) -> T:
        """Change the permits, and reserve connections of unfinished calls. Raises LedgerUnavailable."""
        shared = self._parts.shared
        with shared.lock:
            with self._lock:
                unfinished = dict(self._unfinished)
            try:
                answer = shared.change(
                    lambda found: rule(self._with_reserved(found, unfinished)),
                    fresh_secs=fresh_secs,
                    is_forced=self._is_unsure,
                    is_repeatable=is_repeatable,
                )
            except LedgerUnavailable:
                self._is_unsure = True
                raise
            self._is_unsure = False
            with self._lock:
                for connection, until in unfinished.items():
                    if self._unfinished.get(connection) == until:
                        del self._unfinished[connection]
                mine = leased_by(shared.known, self.worker)
                self._held = {c: end for c, end in mine.items() if c not in self._unfinished}
                self._had_any |= bool(self._held)
            return answer

    def _with_reserved(self, permits: Permits, unfinished: Mapping[int, int]) -> Permits:
        """Reserve the connections of unfinished calls, unless another worker has them."""
        for connection, until in unfinished.items():
            lease = permits.leases.get(connection)
            if lease and lease.owner in {self.worker, self._reserved}:
                permits = with_leases(permits, [connection], self._reserved, until)
        return permits

    def _with_leases(self, permits: Permits, connections: Iterable[int]) -> Permits:
        end = math.ceil(self._parts.clock.now() + self._lease_secs)
        return with_leases(permits, connections, self.worker, end)

    def _left(self, connection: int) -> float:
        return self._held.get(connection, 0) - self._parts.clock.now()

    @property
    def _lease_secs(self) -> float:
        """The length of a lease, which is not longer than the rest of the invocation."""
        full = self._call_secs + MARGIN_SECS + RENEWAL_SECS
        return max(1.0, min(full, self._time_left()))


def _error_of(verdict: Verdict) -> RelayError | None:
    return verdict if isinstance(verdict, RelayError) else None
