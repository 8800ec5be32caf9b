"""The log groups of both functions are read: the lines about one id, and all lines as they are written."""

import pytest

from fake_logs import FakeLogs
from push_relay.core.event import safe_id
from relayctl import logs as log_groups
from relayctl.receipts.log_reader import ReceiptLog

NOW = 1_800_000_000.0


def written(logs: FakeLogs) -> FakeLogs:
    """Write the lines of two events. The id of the one is a part of the other's."""
    for number, name in enumerate(("e-1", "e-10")):
        ids = {"event_id": name, "correlation_id": f"c{name}"}
        logs.write("receive", NOW + number, message="accepted", **ids)
        logs.write("deliver", NOW + number + 0.5, message="receipt", outcome="delivered", **ids)
        logs.write_text("deliver", NOW + number + 0.6, f"REPORT RequestId: {name}")
    return logs


@pytest.mark.parametrize("page_size", [1, 100])
@pytest.mark.parametrize("wanted", ["e-1", "ce-1"])
def test_the_lines_about_an_id_are_those_of_both_functions(wanted: str, page_size: int) -> None:
    """Each exactly, although CloudWatch Logs looks for a part of the line."""
    logs = written(FakeLogs(page_size=page_size))
    log = ReceiptLog(logs, "bakery")
    assert [(line.function, line.event_ids) for line in log.about(wanted, NOW - 60)] == [
        ("receive", ("e-1",)),
        ("deliver", ("e-1",)),
    ]
    assert log.is_complete
    assert {call["filterPattern"] for call in logs.calls} == {f'"{wanted}"'}
    assert {call["startTime"] for call in logs.calls} == {int((NOW - 60) * 1000)}
    assert log.about(wanted, NOW + 10) == []


def test_an_id_that_is_not_plain_is_found_by_its_hash() -> None:
    """It is logged as such."""
    logs, own = FakeLogs(), "order of ada@example.com"
    logs.write("deliver", NOW, message="receipt", event_id=safe_id(own, "-"))
    (line,) = ReceiptLog(logs, "bakery").about(own, NOW)
    assert line.event_ids[0].startswith("sha256:")
    assert "example.com" not in str(logs.calls)


def test_a_reading_that_ends_at_a_limit_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer would be wrong if it looked complete."""
    monkeypatch.setattr(log_groups, "MOST_PAGES", 1)
    log = ReceiptLog(written(FakeLogs(page_size=1)), "bakery")
    log.about("e-10", NOW - 60)
    assert not log.is_complete


@pytest.mark.parametrize("with_ids", [True, False])
def test_each_line_is_returned_once(*, with_ids: bool) -> None:
    """A local AWS gives events no id, and two lines of an invocation can be equal."""
    logs = FakeLogs(with_ids=with_ids)
    log = ReceiptLog(logs, "bakery")
    for _ in range(2):
        logs.write("deliver", NOW, message="receipt", event_id="e-1", outcome="duplicate")
    assert len(log.new_lines(NOW - 1)) == 2
    assert log.new_lines(NOW - 1) == []
    logs.write("deliver", NOW, message="receipt", event_id="e-1", outcome="duplicate")
    logs.write("receive", NOW + 5, message="accepted", event_id="e-2")
    assert [line.event_ids for line in log.new_lines(NOW - 1)] == [("e-1",), ("e-2",)]


def test_a_line_that_appears_late_is_returned() -> None:
    """CloudWatch Logs shows the lines of several functions in no order. Old lines are not read again."""
    logs = FakeLogs()
    log = ReceiptLog(logs, "bakery")
    logs.write("deliver", NOW + 100, message="receipt", event_id="e-1")
    assert len(log.new_lines(NOW)) == 1
    logs.write("deliver", NOW + 90, message="receipt", event_id="e-2")
    assert [line.event_ids for line in log.new_lines(NOW)] == [("e-2",)]
    assert logs.calls[-1]["startTime"] == int((NOW + 70) * 1000)
    assert log.new_lines(NOW) == []


def test_the_lines_are_in_the_order_of_time() -> None:
    """Those of `deliver` are read after those of `receive`."""
    lines = ReceiptLog(written(FakeLogs(page_size=1)), "bakery").new_lines(NOW)
    assert [line.at for line in lines] == [NOW, NOW + 0.5, NOW + 1, NOW + 1.5]
