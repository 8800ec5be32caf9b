"""The number of calls that an outage costs, and how soon its end is noticed.

The real workers run in simulated time, with a backlog and a queue in memory.
"""

import random
from collections.abc import Callable

import pytest

from fakes import ROOT
from outages import CALL_SECS, NOON, TABLE, Fleet, play, table_row
from push_relay.core.account import Account
from push_relay.core.errors import DeliveryUnknown, VendorThrottled, VendorUnauthorized, VendorUnavailable

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
ERRORS: dict[str, Callable[[], Exception]] = {
    "429": lambda: VendorThrottled("429"),
    "429, retry at once": lambda: VendorThrottled("429", retry_after=0.0),
    "429, retry in an hour": lambda: VendorThrottled("429", retry_after=HOUR),
    "503": lambda: VendorUnavailable("503"),
    "503, retry at once": lambda: VendorUnavailable("503", retry_after=0.0),
    "401": lambda: VendorUnauthorized("401"),
    "cut off": lambda: DeliveryUnknown("cut off"),
}


@pytest.fixture(autouse=True)
def _same_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", random.Random(7).random)  # noqa: S311


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize(("waiting", "workers"), [(1, 1), (250, 1), (250, 10)])
def test_a_days_outage_costs_at_most_two_percent_of_its_calls(name: str, waiting: int, workers: int) -> None:
    """Neither the kind of failure, nor the number of waiting events, nor the number of workers matters."""
    assert play(ERRORS[name], DAY, waiting, workers=workers).calls <= 50


@pytest.mark.parametrize("daily_calls", [1000, 5000])
def test_the_bound_follows_from_the_accounts_calls(daily_calls: int) -> None:
    """An account with more calls a day can spend more of them on probes: at most 2 percent."""
    account = Account(daily_calls=daily_calls)
    for name in ("429", "503"):
        assert play(ERRORS[name], DAY, 100, account=account).calls <= daily_calls // 50


@pytest.mark.parametrize("name", ["429", "503", "cut off"])
@pytest.mark.parametrize(
    ("outage", "noticed"), [(MINUTE, 35.0), (10 * MINUTE, 220.0), (HOUR, 0.35 * HOUR), (DAY, 1.1 * HOUR)]
)
def test_the_end_of_an_outage_is_noticed_within_a_fraction_of_its_length(
    name: str, outage: float, noticed: float
) -> None:
    """An outage is noticed after a third of its length and some seconds, but little more than an hour."""
    assert play(ERRORS[name], outage, 250).noticed <= noticed


@pytest.mark.parametrize("outage", [MINUTE, HOUR, DAY])
def test_waiting_pushes_are_sent_at_the_accounts_full_rate_once_the_end_is_noticed(outage: float) -> None:
    """The attempts that were made during the outage do not delay the pushes any further."""
    cost = play(ERRORS["429"], outage, 1000)
    assert cost.recovered - cost.noticed <= 1000 * CALL_SECS / 3 + 45


@pytest.mark.parametrize("name", ["429", "503", "401"])
@pytest.mark.parametrize("outage", [MINUTE, HOUR, DAY])
def test_a_waiting_event_is_handled_at_most_three_times_however_long_it_waits(
    name: str, outage: float
) -> None:
    """It is stored, perhaps taken while calls are stopped again, and sent. Probes are different events."""
    assert play(ERRORS[name], outage, 250).handled <= 3


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_the_documented_costs_are_those_of_the_code(row: tuple[int, int, int]) -> None:
    """The table is in docs/reliability.md. If a row differs, the failure shows the row that is right."""
    written = (ROOT / "docs/reliability.md").read_text("utf-8").splitlines()
    assert table_row(*row) in [line for line in written if line.startswith(("| 4", "| 5"))]


def test_a_quota_that_the_vendor_counts_as_used_up_costs_no_calls_of_the_new_day() -> None:
    """Another system may have used up the vendor's count. The first probe after midnight ends the wait."""
    fleet = Fleet(ERRORS["429"])
    midnight = NOON + 12 * HOUR
    fleet.vendor.begin, fleet.vendor.end = fleet.clock.time, midnight
    fleet.arrive(250)
    fleet.run(midnight + HOUR)
    assert len(fleet.vendor.failed) <= 50
    assert midnight < fleet.vendor.delivered[-250] < midnight + 30
    assert fleet.vendor.delivered[-1] < midnight + 90


def test_the_second_day_of_an_outage_costs_no_more_than_the_first() -> None:
    """Nothing suggests at midnight that the outage is over, so no extra calls are made then."""
    fleet = Fleet(ERRORS["429"])
    fleet.vendor.begin, fleet.vendor.end = fleet.clock.time, NOON + 3 * DAY
    fleet.arrive(100)
    fleet.run(NOON + 3 * DAY)
    begins = [NOON - DAY / 2 + n * DAY for n in range(4)]
    by_day = [sum(begin <= call < begin + DAY for call in fleet.vendor.failed) for begin in begins]
    assert all(0 < calls <= 50 for calls in by_day)
    assert max(by_day[1:]) <= 26


def test_urgent_pushes_are_sent_first() -> None:
    """They leave the queue before the others, and the first of them is the probe that ends the cool-down."""
    fleet = Fleet(ERRORS["503"])
    shown: list[bool] = []
    send = fleet.vendor.send
    fleet.vendor.begin, fleet.vendor.end = fleet.clock.time, fleet.clock.time + HOUR

    def send_and_record(push: object, *others: object) -> None:
        send(push, *others)  # type: ignore[arg-type]
        shown.append(push.high)  # type: ignore[attr-defined]

    fleet.vendor.send = send_and_record  # type: ignore[assignment]
    fleet.arrive(200)
    fleet.arrive(20, high=True)
    fleet.run(fleet.vendor.end + 2 * HOUR)
    assert len(shown) == 220
    # The last probe that failed may have been an urgent push, which is then sent after the others.
    assert shown[:19] == [True] * 19


def test_one_push_that_makes_the_vendor_fail_does_not_hold_up_the_others() -> None:
    """The vendor answers 503 to one urgent push each time. The next probe must be another push."""
    fleet = Fleet(ERRORS["503"])
    (poison,) = fleet.arrive(1, high=True)
    send, failed, shown = fleet.vendor.send, [], []

    def send_or_fail(push: object, *others: object) -> None:
        if push.wording.body == poison:  # type: ignore[attr-defined]
            failed.append(fleet.clock.time)
            raise VendorUnavailable("503")
        send(push, *others)  # type: ignore[arg-type]
        shown.append(fleet.clock.time)

    fleet.vendor.send = send_or_fail  # type: ignore[assignment]
    fleet.run(NOON + 2 * HOUR)
    fleet.arrive(100, within=HOUR)
    fleet.run(NOON + 4 * HOUR)
    assert len(shown) == 100
    assert failed[-1] > NOON + 3 * HOUR


def test_a_vendor_that_fails_now_and_then_is_still_called() -> None:
    """Each throttled call (here every tenth) costs some seconds, and all pushes of the day are delivered."""
    fleet = Fleet(ERRORS["429"])
    send, calls = fleet.vendor.send, [0]

    def send_or_fail(*arguments: object) -> None:
        calls[0] += 1
        if calls[0] % 10 == 0:
            raise VendorThrottled("429")
        send(*arguments)  # type: ignore[arg-type]

    fleet.vendor.send = send_or_fail  # type: ignore[method-assign]
    fleet.arrive(1000)
    fleet.run(NOON + HOUR)
    assert len(fleet.vendor.delivered) == 1002
