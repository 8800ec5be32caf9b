"""Send the pushes of one account, several at a time: a new call begins as soon as a connection is free.

A run has three kinds of steps, which go on side by side:

- The caller's thread takes pushes from a supply, claims them, and asks for the permits of their calls, all
  before the connections have nothing to do.
- A thread for each connection makes one call after the other, urgent pushes first.
- A writer settles all pushes whose calls have ended since its last write.

So the ledger is in the way of the pushes only twice: before the first call and after the last one.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.permits import BUSY
from push_relay.core.delivery.run_parts import Ahead, Ready, RunEnd, RunParts, Supply, Task
from push_relay.core.errors import ConnectionsBusy, OutOfTime, RelayError
from push_relay.core.push import Receipt

#: Seconds between two looks for urgent events of other workers, and for connections that have become free.
LOOK_SECS = 0.5


class Run:
    """One run. `own` is sent as a whole; of `more` only what is urgent, unless the run `drains` it."""

    def __init__(
        self,
        parts: RunParts,
        time_left: TimeLeft,
        own: Supply,
        more: Supply | None = None,
        *,
        drains: bool = False,
    ) -> None:
        self._sender, self._permits, self._start = parts.sender, parts.permits, parts.threads.start
        self._clock = parts.sender.clock
        self._limit = parts.account.connections
        self._least_secs, self._least_call_secs = parts.least_secs, parts.least_call_secs
        self._time_left = time_left
        self._own, self._more = own, more
        self._drains = drains and more is not None
        self._session = parts.permits.session(time_left, drains=more is not None, drains_now=self._drains)
        self._changed = threading.Condition()
        self._ready: list[Ready] = []
        self._order = itertools.count()
        self._sending = 0  # threads that make calls
        self._unsettled: list[tuple[Ready, Receipt]] = []
        self._is_writing = False
        self._is_dry = False  # whether there is nothing left to take
        self._own_is_dry = False
        self._is_held_back = False  # whether there is nothing to take before other pushes have ended
        self._ahead = Ahead(self._limit)
        self._looked_at = self._clock.monotonic()
        self._end = RunEnd()
        self._failed: BaseException | None = None  # what has ended a thread that should never raise
        self._waits: list[Callable[[], None]] = []  # for the ends of the threads that make calls
        self._wait_for_writer: Callable[[], None] = lambda: None

    def __call__(self) -> RunEnd:
        """Send everything; return how the run has ended.

        Raises what a thread has raised. Then nothing is returned: claims and leases end without this worker,
        as if it had been killed.
        """
        try:
            if self._drains and not self._has_connection():
                self._end = RunEnd(has_more=True)
                # An ask without an answer may have been granted.
                self._session.finish()
            else:
                self._send_all()
                while self._finish():
                    self._send_all()
        except BaseException as exc:
            self._fail(exc)
            raise
        finally:
            for wait in self._waits:
                wait()
            self._wait_for_writer()
        return self._end

    def _fail(self, error: BaseException) -> None:
        """Note that a part of the run has failed. No other call begins, and the caller's thread raises it."""
        with self._changed:
            self._failed = self._failed or error
            self._changed.notify_all()

    def _has_connection(self) -> bool:
        """Ask for connections before anything is taken from the backlog: without one, all stays there."""
        if self._session.connections:
            return True
        try:
            self._session.ask([], self._limit)
        except RelayError:
            return False
        return self._session.connections > 0

    def _send_all(self) -> None:
        """Send until the supply is dry, and all calls have ended."""
        while True:
            self._refill()
            self._start_senders()
            with self._changed:
                if self._failed:
                    raise self._failed
                is_idle = not self._sending
                # A supply may hold back pushes until others have ended, and these may end after the run.
                is_over = self._is_dry or (
                    self._is_held_back and not self._unsettled and not self._is_writing
                )
                if is_idle and not self._ready and is_over:
                    return
                if not is_idle or self._is_held_back:
                    self._changed.wait_for(self._needs_care, LOOK_SECS)
            if is_idle and self._ready:
                self._regain()
            self._look()

    def _needs_care(self) -> bool:
        """Whether the caller's thread has something to do: take pushes, start threads, or end the run."""
        if self._failed or self._can_start:
            return True
        if self._is_held_back:
            return not self._sending and (bool(self._ready) or not self._is_writing)
        return self._is_low or not self._sending

    def _notify(self) -> None:
        """Wake the caller's thread if it has something to do, because each wake-up costs CPU."""
        if self._needs_care():
            self._changed.notify_all()

    @property
    def _is_low(self) -> bool:
        if self._is_dry or self._is_held_back or len(self._ready) >= self._ahead.low:
            return False
        # While calls are stopped, one push is the probe, and the others stay where they are until it is over.
        return not (self._is_probing and (self._ready or self._sending))

    @property
    def _is_probing(self) -> bool:
        return self._drains and self._permits.is_stopped

    @property
    def _needed(self) -> int:
        """The connections that the pushes need that are ready or being sent."""
        return len(self._ready) + self._sending

    @property
    def _can_start(self) -> bool:
        return bool(self._ready) and not self._failed and self._sending < self._session.connections

    # --- taking -----------------------------------------------------------------------------------------

    def _refill(self) -> None:
        """Take pushes before the connections have nothing to do."""
        if not self._is_low:
            return
        count = 1 if self._is_probing else self._ahead.count
        if not self._own_is_dry:
            tasks = self._own.take(count)
            self._own_is_dry = len(tasks) < count
            self._is_dry = self._own_is_dry and not self._drains
            self._prepare(tasks, self._own)
        elif self._is_probing and self._permits.wait() is not None:
            # The probe has failed, and its end has queued the wake-up for the next one.
            self._is_dry = True
        elif self._more is not None and self._drains:
            can_take = self._time_left() > self._least_secs and self._has_connection()
            tasks = self._more.take(count) if can_take else ()
            self._is_held_back = not tasks and self._more.holds_back
            self._is_dry = not tasks and not self._is_held_back
            self._end = self._end._replace(has_more=not can_take)
            self._prepare(tasks, self._more)
            if len(tasks) < count:
                self._release_spare()

    def _release_spare(self) -> None:
        """Return the connections that a drain does not need for the little that the backlog has."""
        with self._changed:
            needed = max(1, self._needed)
        if needed < self._session.connections:
            self._session.release_idle(needed)

    def _prepare(self, tasks: Sequence[Task], supply: Supply) -> None:
        """Claim pushes, and ask for the permits of their calls."""
        can_be_sent: list[Task] = []
        for task in tasks:
            if refused := self._sender.waiting(task.event, task.push):
                supply.ended(task, refused)
            else:
                can_be_sent.append(task)
        if not can_be_sent:
            return
        can_be_sent.sort(key=lambda task: not task.push.high)
        if self._permits.are_busy or self._permits.is_stopped:
            # Most claims would be released again.
            granted: list[Task] = []
            for task, refusal in zip(can_be_sent, self._ask(can_be_sent), strict=True):
                if refusal:
                    supply.ended(task, self._refused(task, refusal))
                else:
                    granted.append(task)
            self._keep(granted, self._begin_claims(granted)(), [None] * len(granted), supply)
            return
        claims = self._begin_claims(can_be_sent)
        refusals = self._ask(can_be_sent)
        self._keep(can_be_sent, claims(), refusals, supply)

    def _ask(self, tasks: Sequence[Task]) -> Sequence[Exception | None]:
        try:
            wanted = min(self._limit, self._needed + len(tasks))
            return self._session.ask([task.push for task in tasks], wanted)
        except Exception as exc:  # noqa: BLE001 (nothing was sent; it is the outcome of the pushes)
            return [exc] * len(tasks)

    def _begin_claims(self, tasks: Sequence[Task]) -> Callable[[], Sequence[Receipt | None]]:
        return self._sender.begin_claims([(task.event, task.push) for task in tasks], self._time_left)

    def _keep(
        self,
        tasks: Sequence[Task],
        claims: Sequence[Receipt | None],
        refusals: Sequence[Exception | None],
        supply: Supply,
    ) -> None:
        """Keep the pushes that can be sent, and end the others."""
        refused: list[tuple[Ready, Receipt]] = []
        for task, unclaimed, refusal in zip(tasks, claims, refusals, strict=True):
            ready = Ready(not task.push.high, next(self._order), task, supply)
            if unclaimed:
                supply.ended(task, self._sender.paced(unclaimed))
            elif refusal:
                refused.append((ready, self._refused(task, refusal)))
            else:
                with self._changed:
                    heapq.heappush(self._ready, ready)
        if refused:
            self._begin_settling(refused)()

    def _refused(self, task: Task, error: Exception) -> Receipt:
        """Return the receipt of a push whose call is not permitted now."""
        return self._sender.paced(Receipt.of_error(task.event, error, task.push))

    def _look(self) -> None:
        """Look for urgent events of other workers, and for connections that have become free."""
        if self._more is None or abs(self._clock.monotonic() - self._looked_at) < LOOK_SECS:
            return
        self._looked_at = self._clock.monotonic()
        try:
            if self._session.look():
                self._end = self._end._replace(announced=True)
                # A drain takes what is not urgent with its next pushes.
                self._is_dry &= not self._drains
                if self._time_left() > self._least_secs and not self._permits.is_stopped:
                    self._prepare(self._more.take(self._limit, urgent=True), self._more)
            wanted = min(self._limit, self._needed)
            if self._session.connections < wanted:
                self._session.ask([], wanted)
        except RelayError:
            return  # the next look, or the end of the run, finds it

    # --- sending ----------------------------------------------------------------------------------------

    def _start_senders(self) -> None:
        while True:
            with self._changed:
                if not self._can_start:
                    return
                self._sending += 1
                is_alone = self._is_dry and self._sending == len(self._ready) == 1 and not self._drains
            if is_alone:
                # The caller's thread has nothing else to do, and a thread costs time.
                self._send()
            else:
                self._waits.append(self._start(self._send))

    def _send(self) -> None:
        """Send one push after the other on one connection."""
        try:
            self._send_each()
        except BaseException as exc:  # noqa: BLE001 (the caller's thread raises it)
            with self._changed:
                self._sending -= 1
            self._fail(exc)

    def _send_each(self) -> None:
        while ready := self._next():
            _, event, push = ready.task
            if self._time_left() < self._least_call_secs:
                error = OutOfTime("the invocation ends before the push could be sent")
                self._called(ready, Receipt.of_error(event, error, push))
                continue
            # If calls were stopped meanwhile, the session refuses this one. The day's calls are not checked
            # again: this push's own call is among those that are used.
            self._called(ready, self._sender.send(event, push, self._session, self._time_left))

    def _next(self) -> Ready | None:
        with self._changed:
            if self._ready and not self._failed and self._sending <= self._session.connections:
                return heapq.heappop(self._ready)
            self._sending -= 1
            self._notify()
            return None

    def _called(self, ready: Ready, receipt: Receipt) -> None:
        with self._changed:
            self._unsettled.append((ready, receipt))
            self._ahead.note(receipt)
            is_last = self._is_dry and not self._ready and self._sending == 1
            starts = not self._is_writing and not is_last
            self._is_writing |= starts
            self._notify()
        if starts:
            self._wait_for_writer = self._start(self._write)

    def _regain(self) -> None:
        """Ask for a connection for pushes that are claimed, or end them if there is none."""
        if self._has_connection():
            return
        with self._changed:
            left, self._ready = self._ready, []
            if self._drains and self._own_is_dry:
                self._is_dry, self._end = True, self._end._replace(has_more=True)
        error = ConnectionsBusy(BUSY)
        self._begin_settling([(ready, self._refused(ready.task, error)) for ready in left])()

    # --- settling ---------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Settle what has ended since the last write, until there is nothing to settle."""
        try:
            self._settle_ended()
        except BaseException as exc:  # noqa: BLE001 (the caller's thread raises it)
            with self._changed:
                self._is_writing = False
            self._fail(exc)

    def _settle_ended(self) -> None:
        while True:
            with self._changed:
                batch, self._unsettled = self._unsettled, []
                if not batch:
                    self._is_writing = False
                    self._changed.notify_all()
                    return
                # The last connection is returned at the end, together with a look for what was announced.
                needed = max(1, self._needed)
                spare = self._is_dry and needed < self._session.connections
            end = self._begin_settling(batch)
            try:
                if spare:
                    self._session.release_idle(needed)
            finally:
                end()

    def _begin_settling(self, batch: Sequence[tuple[Ready, Receipt]]) -> Callable[[], None]:
        """Begin to settle pushes; return a function that waits for the ledger and ends them."""
        end = self._sender.begin_records([receipt for _, receipt in batch])

        def settled() -> None:
            for (ready, _), receipt in zip(batch, end(), strict=True):
                ready.supply.ended(ready.task, receipt)
            with self._changed:
                self._is_held_back = False
                self._notify()

        return settled

    def _finish(self) -> bool:
        """Settle the rest, and return what is left; return whether the run has to go on."""
        with self._changed:
            rest, self._unsettled = self._unsettled, []
        goes_on = self._drains and self._time_left() > self._least_secs
        survived = self._more is None or self._more.has_survived
        end = self._begin_settling(rest)
        try:
            are_announced = self._session.finish(unless_announced=goes_on, has_survived=survived)
        finally:
            end()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_writing)
            if self._failed:
                raise self._failed
        if goes_on and are_announced:
            self._is_dry = self._is_held_back = False
            return True
        self._end = RunEnd(
            self._end.announced or are_announced, self._end.has_more or (self._drains and are_announced)
        )
        return False
