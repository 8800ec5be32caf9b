"""`relayctl fallback` counts the events that fell back by kind, with the next step, from the log alone."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from fakes import captured
from push_relay.core.event import Event
from relayctl import logs as log_groups
from relayctl.__main__ import main
from relayctl.deadletters import stack_resources
from relayctl.fallbacks.listing import FallbackListing, kinds_of
from relayctl.fallbacks.log_reader import FallbackLine, FallbackLog

NOW = 1_800_000_000.0
GUARDDUTY = {"eventbridge_source": "aws.guardduty", "eventbridge_detail_type": "GuardDuty Finding"}


class FakeLogs:
    """CloudWatch Logs with pages of log lines. It notes its calls, and never gives more than the pages."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        """Use pages, each of which holds events of FilterLogEvents."""
        self.pages = pages
        self.calls: list[dict[str, Any]] = []
        self.meta = self
        self.events = self

    def register(self, *_: Any) -> None:
        """Accept the clock's handler."""

    def filter_log_events(self, **arguments: Any) -> dict[str, Any]:
        """Return the page that the token names."""
        self.calls.append(dict(arguments))
        page = int(arguments.get("nextToken", 0))
        more = {"nextToken": str(page + 1)} if page + 1 < len(self.pages) else {}
        return {"events": self.pages[page], **more}


def event(at: float, source: str = "aws-event", **names: str) -> dict[str, Any]:
    """Return an event of the log as the function writes its line."""
    with captured() as output:
        output.telemetry.fell_back(Event(source, "e-1", "", {"planted": 1}, 1.0, "i"), names)
    (line,) = output.logs
    return {"timestamp": int(at * 1000), "message": json.dumps(line)}


def test_the_lines_of_all_pages_are_read() -> None:
    """Also after an empty page. A line of another form is passed over."""
    others = ("{", "[]", "{}", "7", '{"message": "receipt", "source": "push"}')
    odd: list[dict[str, Any]] = [{"timestamp": 1, "message": text} for text in others]
    unrouted = {**GUARDDUTY, "unrouted": "guardduty"}
    logs = FakeLogs([event(NOW - 9, **unrouted)], [], [*odd, event(NOW, "text", topic="ops")])
    log, seen = FallbackLog(logs, "/aws/lambda/bakery-deliver"), []
    lines = list(log.lines(NOW - 60, on_page=lambda *counts: seen.append(counts)))
    assert lines == [
        FallbackLine("aws-event", tuple(unrouted.items()), NOW - 9),
        FallbackLine("text", (("topic", "ops"),), NOW),
    ]
    assert log.is_complete
    assert seen == [(1, 1), (2, 1), (3, 2)]
    assert [call.get("nextToken") for call in logs.calls] == [None, "1", "2"]
    assert {call["logGroupName"] for call in logs.calls} == {"/aws/lambda/bakery-deliver"}
    assert {call["startTime"] for call in logs.calls} == {int((NOW - 60) * 1000)}
    assert {call["filterPattern"] for call in logs.calls} == {'{ $.message = "fallback" }'}


@pytest.mark.parametrize("limit", ["MOST_PAGES", "MOST_LINES"])
def test_the_reading_ends_at_a_limit(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of a year must not keep a person waiting, and the list must not look complete."""
    monkeypatch.setattr(log_groups, limit, 2)
    logs = FakeLogs(*([event(NOW, topic="ops")] for _ in range(5)))
    log = FallbackLog(logs, "g")
    assert len(list(log.lines(0))) == 2
    assert not log.is_complete


def test_ctrl_c_ends_the_reading() -> None:
    """The part that was read is listed, and marked as incomplete."""
    log = FallbackLog(FakeLogs([event(NOW, topic="ops")], []), "g")
    assert len(list(log.lines(0, lambda: True))) == 1
    assert not log.is_complete


def line(source: str, at: float, **names: str) -> FallbackLine:
    """Return a line that was read."""
    return FallbackLine(source, tuple(names.items()), at)


LINES = [
    line("text", NOW - 7200, topic="ops"),
    line("aws-event", NOW - 60, **GUARDDUTY),
    line("aws-event", NOW - 3600, **GUARDDUTY),
    line("aws-event", NOW - 5, **{**GUARDDUTY, "topic": "ops"}),
    line("aws-event", NOW, queue="orders.fifo"),
    line("aws-event", NOW, eventbridge_source="sha256:00", eventbridge_detail_type="[red]x"),
]


@pytest.mark.parametrize(
    ("names", "folder", "match"),
    [
        (
            GUARDDUTY,
            "guardduty",
            {"eventbridge_source": "aws.guardduty", "eventbridge_detail_type": "GuardDuty Finding"},
        ),
        ({**GUARDDUTY, "topic": "ops"}, "guardduty", GUARDDUTY),
        ({"topic": "Ops_Alerts"}, "ops-alerts", {"sns_topic": "arn:*:Ops_Alerts"}),
        ({"queue": "orders.fifo"}, "orders-fifo", {"sqs_queue": "arn:*:orders.fifo"}),
        ({"eventbridge_source": "sha256:00"}, "sha256-00", {}),
        ({}, "text", {}),
    ],
)
def test_the_next_step_is_a_folder_with_a_match_rule(
    names: dict[str, str], folder: str, match: dict[str, str]
) -> None:
    """The most exact name that is known becomes both."""
    (kind,) = kinds_of([line("text", NOW, **names)])
    assert (kind.folder, kind.match) == (f"src/sources/{folder}/", match)


def test_the_listing_counts_by_kind() -> None:
    """The most frequent kind comes first, with its first and its last event."""
    listing = FallbackListing("bakery", NOW - 86_400, NOW, kinds_of(LINES), is_complete=True)
    document = listing.as_json()
    assert (document["count"], document["complete"], len(document["kinds"])) == (6, True, 5)
    assert document["kinds"][0] == {
        "source": "aws-event",
        **GUARDDUTY,
        "count": 2,
        "first": "2027-01-15T07:00:00+00:00",
        "last": "2027-01-15T07:59:00+00:00",
        "next_step": {"folder": "src/sources/guardduty/", "match": GUARDDUTY},
    }
    out = StringIO()
    listing.show(Console(file=out, width=160))
    text = out.getvalue()
    assert "6 events fell back in the last 1d (bakery)" in text
    assert "aws.guardduty: GuardDuty Finding" in text
    assert "[red]x" in text
    assert '  src/sources/ops/source.toml\n    [[match]]\n    sns_topic = "arn:*:ops"\n' in text
    assert 'sns_topic = "arn:*:ops"\n    when' not in text
    assert (
        '    [[match]]\n    sqs_queue = "arn:*:orders.fifo"\n    when = "..." # describe the document' in text
    )


def test_the_next_step_is_a_route_if_only_that_is_missing() -> None:
    """A folder for the same events would be ambiguous as soon as both had a route."""
    (kind,) = kinds_of([line("aws-event", NOW, **GUARDDUTY, unrouted="guardduty, security-hub")])
    listing = FallbackListing("bakery", NOW - 60, NOW, [kind], is_complete=True)
    (document,) = listing.as_json()["kinds"]
    assert document["next_step"] == {"routes": ["guardduty", "security-hub"]}
    assert "unrouted" not in document
    out = StringIO()
    listing.show(Console(file=out, width=160))
    wanted = '  config/relay.toml\n    [[route]]\n    source = "guardduty" or source = "security-hub"\n'
    assert wanted in out.getvalue()
    assert "src/sources/" not in out.getvalue()


def test_two_kinds_of_one_queue_need_one_folder() -> None:
    """Its texts and its JSON fell back to different sources. The clock has moved by a moment meanwhile."""
    found = kinds_of([line(source, NOW, queue="bakery-q") for source in ("text", "aws-event")])
    out = StringIO()
    listing = FallbackListing("bakery", NOW - 7 * 86_400 + 0.01, NOW, found, is_complete=True)
    listing.show(Console(file=out, width=160))
    assert out.getvalue().count("src/sources/bakery-q/") == 1
    assert "2 events fell back in the last 7d" in out.getvalue()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs the command with pages of the log."""

    def command(*options: str, pages: tuple[list[dict[str, Any]], ...]) -> tuple[int, str, str]:
        logs = FakeLogs(*pages)
        monkeypatch.setattr(stack_resources, "client", lambda _service: logs)
        code = main(["fallback", "--stack", "bakery", *options])
        assert {call["logGroupName"] for call in logs.calls} == {"/aws/lambda/bakery-deliver"}
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_the_command_prints_the_listing(run: Callable[..., Any]) -> None:
    """As a table, and as one JSON document."""
    page = [event(NOW, **GUARDDUTY)]
    code, out, _ = run(pages=(page,))
    assert code == 0
    assert "aws.guardduty" in out
    code, out, _ = run("--json", "--since", "2h", pages=(page,))
    assert code == 0
    assert json.loads(out)["kinds"][0]["count"] == 1
    assert "planted" not in out
    code, out, _ = run(pages=([],))
    assert (code, out.splitlines()) == (0, ["0 events fell back in the last 7d (bakery)"])


def test_an_incomplete_list_is_an_error(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A script must not take it for all there is."""
    monkeypatch.setattr(log_groups, "MOST_PAGES", 1)
    code, out, err = run("--json", pages=([event(NOW, topic="ops")], []))
    assert code == 1
    assert json.loads(out)["complete"] is False
    assert "incomplete" in err


def test_a_wrong_age_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The text names the form."""
    with pytest.raises(SystemExit):
        main(["fallback", "--since", "yesterday"])
    assert "yesterday" in capsys.readouterr().err
