"""The pace of the handler `deliver`: round trips, busy connections, draining, urgent events, waiting events.

Worker processes run the real handler with its real adapters. MiniStack is DynamoDB and SQS, the sandbox of
the Push API is the vendor, and the driver is Lambda's event source. No row depends on how the relay works
inside. `before` is the value of commit a002be5f, which had no backlog.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from figures import Goal
from pace_aws import MAXIMUM_WORKERS
from pace_cpu import limit_percent, watched
from pace_numbers import busy_percent, inversion_percent, percent_of, serial_trips, total_secs
from pace_source import event, events, number_of, ranks
from pace_vendor import event_number
from pace_world import Setup, World, world

CONNECTIONS: Final = 3
#: The workers of a measurement that needs several.
WORKERS: Final = 2
#: The events of the batch whose round trips are counted.
TEN: Final = 10
MANY_CONNECTIONS: Final = 50
#: The events of the longer measurements. The slowest vendor gets fewer, so that it ends within a minute.
BACKLOG, SHORT_BACKLOG, SINGLE_BACKLOG = 1_000, 150, 250
WAITING, MANY_WAITING = 250, 5_000
BEFORE_URGENT: Final = 200
#: The vendor's default, which the outage of a day is compared with.
DAILY_CALLS: Final = 2_500
TWO_HOURS, DAY = 2 * 3600.0, 24 * 3600.0
_LIMIT_SECS: Final = 1_200.0
_UNAVAILABLE: Final = 503
#: While trips are counted: the delay of a call of DynamoDB, and a longer latency of the vendor.
_TABLE_CALL_SECS, _TRIP_LATENCY_SECS = 0.1, 0.3
#: One event in so many is urgent.
_URGENT_ONE_IN: Final = 10

#: The values of commit a002be5f, measured with this program on two cores that other programs used too. A row
#: that is missing took too long to measure.
_BEFORE: Final[Mapping[str, float]] = {
    "pace_trips_single": 6,
    "pace_trips_single_units": 5.0,
    "pace_trips_batch": 21,
    "pace_trips_batch_units": 3.3,
    "pace_busy_50": 63.8,
    "pace_busy_200": 85.4,
    "pace_busy_1000": 93.0,
    "pace_busy_single": 69.1,
    "pace_urgent": 72.11,
    "pace_wait_hours_most": 28,
    "pace_wait_day_most": 133,
    "pace_wait_day_calls": 1.8,
}


def measure(report: Callable[[str], None], only: str = "") -> list[Goal]:
    """Return the rows. `report` is called with the progress.

    only  the beginning of the wanted rows' names; empty for all. A measurement may give several rows
    """
    rows: list[Goal] = []
    for name, measured in MEASUREMENTS.items():
        if only and not (name.startswith(only) or only.startswith(name)):
            continue
        report(name)
        rows += measured()
    return [row for row in rows if row.name.startswith(only)]


def _at_most(name: str, what: str, value: float, goal: float) -> Goal:
    return Goal(name, what, value, goal, "at most", _BEFORE.get(name))


def _at_least(name: str, what: str, value: float, goal: float) -> Goal:
    return Goal(name, what, value, goal, "at least", _BEFORE.get(name))


# --- round trips --------------------------------------------------------------------------------------------


def trips() -> list[Goal]:
    """Count the calls of DynamoDB for a single push and for a full batch."""
    rows = []
    with world(Setup(workers=1, latency_secs=_TRIP_LATENCY_SECS, table_call_secs=_TABLE_CALL_SECS)) as made:
        for name, size, goal in (("single", 1, 2), ("batch", TEN, 3)):
            made.clear()
            made.source.queue([event(size * 100 + number, made.now) for number in range(size)])
            calls = made.invoke(made.source.batch()).table_calls
            if len(made.vendor.answered()) != size:
                raise SystemExit("bench: not every push of the batch was sent in its invocation")
            count = serial_trips([call.span for call in calls], made.vendor.account.real)
            units = sum(call.units for call in calls) / size
            what = f"for {size} push(es) in one invocation"
            rows += [
                _at_most(f"pace_trips_{name}", f"serial calls of DynamoDB {what}", count, goal),
                _at_most(
                    f"pace_trips_{name}_units",
                    f"write units of DynamoDB, one for each item and KB of a request, {what}, for each push",
                    round(units, 2),
                    _BEFORE[f"pace_trips_{name}_units"],
                ),
            ]
    return rows


# --- busy connections ---------------------------------------------------------------------------------------


def _busy(name: str, pushes: int, latency_secs: float, workers: int, goal: float) -> list[Goal]:
    """Send a backlog from the queue."""
    with world(Setup(workers=workers, latency_secs=latency_secs, connections=CONNECTIONS)) as made:
        made.source.queue(events(pushes, made.now))
        made.run_until_sent(pushes, _LIMIT_SECS)
        what = f"{pushes} events, {workers} worker(s), a vendor that takes {latency_secs * 1000:.0f} ms"
        return [
            _at_least(name, f"connections busy in percent: {what}", _busy_percent(made), goal),
            _at_most(f"{name}_most", f"most calls at a time: {what}", _most(made), CONNECTIONS),
            _at_most(f"{name}_lost", f"dead letters and second pushes: {what}", _lost(made, pushes), 0),
        ]


def many() -> list[Goal]:
    """Send a backlog with 50 connections."""
    latency_secs = 0.2
    setup = Setup(MAXIMUM_WORKERS, latency_secs, connections=MANY_CONNECTIONS)
    with world(setup) as made:
        made.source.queue(events(BACKLOG, made.now))
        with watched(made) as samples:
            made.run_until_sent(BACKLOG, _LIMIT_SECS)
        what = (
            f"{BACKLOG} events, {MAXIMUM_WORKERS} workers, {MANY_CONNECTIONS} connections, a vendor's 200 ms"
        )
        return [
            _at_least(
                "pace_many",
                f"percent of the time in which the connections or a processor core were in use, of each half "
                f"second the greater one: {what}",
                limit_percent(samples, made.vendor.account.real, MANY_CONNECTIONS),
                90,
            ),
            _at_most("pace_many_most", f"most calls at a time: {what}", _most(made), 50),
        ]


def _busy_percent(made: World) -> float:
    return busy_percent(made.vendor.account.spans, made.vendor.connections)


def _most(made: World) -> int:
    return made.vendor.account.usage().max_connections


def _lost(made: World, pushes: int) -> int:
    return made.dead_letters() + made.vendor.server.record.counts.accepted - pushes


# --- after an outage ----------------------------------------------------------------------------------------


def _drain(name: str, waiting: int, latency_secs: float) -> list[Goal]:
    """Send what has waited for the end of an outage."""
    # The number of probes depends on the calls of a day, so there are not many more of them than events.
    daily_calls = max(DAILY_CALLS, 2 * waiting)
    with world(
        Setup(WORKERS, latency_secs, connections=CONNECTIONS, jumps=True, daily_calls=daily_calls)
    ) as made:
        sent = events(waiting, made.now, urgent_one_in=_URGENT_ONE_IN)
        _outage(made, TWO_HOURS, partial(made.source.queue, sent))
        made.run_until_sent(waiting, _LIMIT_SECS)
        ideal_secs = waiting * latency_secs / CONNECTIONS
        order = ranks(sent, made.vendor.answered())
        what = f"{waiting} events after an outage of two hours"
        return [
            _at_most(
                name,
                f"time from the first answered call to the last one / ideal: {what}",
                round(total_secs(made.vendor.account.spans) / ideal_secs, 2),
                1.2,
            ),
            _at_most(
                f"{name}_order",
                f"neighbouring calls in the wrong order, by priority and arrival, in percent: {what}",
                inversion_percent(order, CONNECTIONS),
                1,
            ),
            _at_most(f"{name}_lost", f"dead letters and second pushes: {what}", _lost(made, waiting), 0),
        ]


def waiting(name: str, outage_secs: float) -> list[Goal]:
    """Count how often an event is handled that waits for the end of an outage."""
    with world(Setup(workers=WORKERS, latency_secs=0.0, jumps=True, daily_calls=DAILY_CALLS)) as made:
        sent = events(WAITING, made.now)
        _outage(made, outage_secs, partial(made.source.queue, sent))
        spent = made.vendor.server.record.counts.calls
        made.run_until_sent(WAITING, _LIMIT_SECS)
        counted = made.handlings_per_event()
        handled = [counted[number_of(each)] for each in sent]
        what = f"{WAITING} events in an outage of {outage_secs / 3600:.0f} hours"
        rows = [
            _at_most(
                f"{name}_handlings", f"invocations per event: {what}", round(sum(handled) / len(sent), 2), 3
            ),
            _at_most(f"{name}_most", f"most invocations of one event: {what}", max(handled), 3),
        ]
        if outage_secs >= DAY:
            rows.append(
                _at_most(
                    f"{name}_calls",
                    f"calls of the vendor during the outage in percent of the day's {DAILY_CALLS}: {what}",
                    percent_of(spent, DAILY_CALLS),
                    2,
                )
            )
        return rows


def _outage(made: World, secs: float, arrive: Callable[[], None]) -> None:
    """Let the vendor fail for a time, at whose beginning events arrive."""
    end = made.now + secs
    made.vendor.fail(_UNAVAILABLE)
    arrive()
    made.run_until(lambda: made.now >= end, _LIMIT_SECS, horizon=end)
    made.finish()
    made.vendor.recover()


# --- urgent events ------------------------------------------------------------------------------------------


def urgent() -> list[Goal]:
    """Send an urgent event behind many others."""
    latency_secs = 1.0
    with world(Setup(workers=WORKERS, latency_secs=latency_secs, connections=CONNECTIONS)) as made:
        made.source.queue(events(BEFORE_URGENT, made.now))
        record = made.vendor.server.record
        made.run_until(lambda: record.counts.calls >= 2 * CONNECTIONS, _LIMIT_SECS)
        number, sent_at = BEFORE_URGENT + 1, made.now
        made.source.queue([event(number, sent_at, is_urgent=True)])
        made.run_until(lambda: number in made.vendor.answered(), _LIMIT_SECS)
        call = next(each for each in record.calls() if event_number(each) == number)
        wait_secs = call.time.timestamp() - sent_at
        what = f"an urgent event behind {BEFORE_URGENT} normal ones"
        return [
            _at_most(
                "pace_urgent",
                f"time until its call begins / a call's time: {what}",
                round(wait_secs / latency_secs, 2),
                2,
            )
        ]


#: The measurements by the beginning of their rows' names.
MEASUREMENTS: Final[Mapping[str, Callable[[], list[Goal]]]] = {
    "pace_trips": trips,
    "pace_busy_50": partial(_busy, "pace_busy_50", BACKLOG, 0.05, WORKERS, 93),
    "pace_busy_200": partial(_busy, "pace_busy_200", BACKLOG, 0.2, WORKERS, 97),
    "pace_busy_1000": partial(_busy, "pace_busy_1000", SHORT_BACKLOG, 1.0, WORKERS, 97),
    "pace_busy_single": partial(_busy, "pace_busy_single", SINGLE_BACKLOG, 0.2, 1, 90),
    "pace_many": many,
    "pace_drain_250": partial(_drain, "pace_drain_250", WAITING, 0.05),
    "pace_drain_5000": partial(_drain, "pace_drain_5000", MANY_WAITING, 0.05),
    "pace_urgent": urgent,
    "pace_wait_hours": partial(waiting, "pace_wait_hours", TWO_HOURS),
    "pace_wait_day": partial(waiting, "pace_wait_day", DAY),
}
