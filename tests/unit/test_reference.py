"""docs/reference.md and docs/errors.md list what exists in the code and in the template."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

import pytest

from fakes import ROOT, captured
from push_relay import telemetry
from push_relay.core import errors, queue_format
from push_relay.core.delivery.cooldown import Cooldown
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome, verdict
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.entrypoints import http_endpoint
from push_relay.settings import Settings
from push_relay.telemetry import Telemetry
from transformed import resources, transformed

RECEIPT = Receipt(
    source="bakery",
    event_id="e-1",
    outcome=Outcome.REJECTED,
    error_code="schema_violation",
    detail="why",
    vendor_code="V",
    violations=(errors.Violation("/a", "type"),),
    retry_after=1.0,
    push=Push(
        Recipient(RecipientKind.USER, "1"),
        Wording("t", "b"),
        "k",
        route="route[1].to[1]",
        left_out=("route[1].to[2] blank",),
    ),
    latency_ms=1.0,
    due=1.0,
)


@cache
def read(name: str) -> str:
    """Return a page."""
    return (ROOT / "docs" / name).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """Return the text of a section of a page, up to the next heading of its own or a higher level."""
    level = heading.partition(" ")[0]
    _, found, rest = f"\n{read(page)}".partition(f"\n{heading}")
    assert found, heading
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the rows of a text's tables, without headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def names(text: str) -> list[str]:
    """Return the names in the first column of a text's tables."""
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


# --- errors.md ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", errors.CODES)
def test_every_error_code_has_a_row_with_its_status_and_outcome(code: str) -> None:
    """A person who finds a code in a log looks it up there."""
    (row,) = [row for row in rows(section("errors.md", "## Codes")) if row[0] == f"`{code}`"]
    meaning = verdict(errors.CODES[code])
    assert row[1:3] == [str(meaning.status), f"`{meaning.outcome}`"]
    assert all(row[3:])


def test_the_table_has_no_code_that_does_not_exist() -> None:
    """A reader would not find it in any log."""
    table = section("errors.md", "## Codes").partition("\n### ")[0]
    assert set(names(table)) == set(errors.CODES)


@pytest.mark.parametrize(
    "code",
    [
        http_endpoint.NOT_FOUND,
        http_endpoint.METHOD_NOT_ALLOWED,
        http_endpoint.UNPROTECTED_SUBSCRIPTION,
        telemetry.UNSUBSCRIBED.lower(),
    ],
)
def test_codes_without_an_outcome_are_documented(code: str) -> None:
    """They are not in the tree of errors."""
    assert code in names(section("errors.md", "### Codes without an outcome"))


def test_every_outcome_has_a_row_with_its_metric() -> None:
    """The invariant is a sum of these metrics."""
    table = [(row[0], row[1]) for row in rows(section("errors.md", "## Outcomes"))]
    assert table == [(f"`{each}`", f"`{telemetry.OUTCOME_METRICS[each]}`") for each in Outcome]


# --- metrics and logs ---------------------------------------------------------------------------------


def everything(reporter: Telemetry) -> None:
    """Report one of everything."""
    for outcome in Outcome:
        reporter.settled([Receipt("bakery", "e-1", outcome, latency_ms=1.0)], attempt=1)
    for code in errors.CODES:
        reporter.settled([Receipt("bakery", "e-1", Outcome.PARKED, error_code=code)], attempt=1)
    reporter.settled([RECEIPT], attempt=1)
    reporter.refused(RECEIPT)
    reporter.accepted(Event("bakery", "e-1", "", {}, 1.0, "i"))
    reporter.accepted(*[Event("bakery", "e-1", "", {}, 1.0, "i")] * 2)
    reporter.kept(RECEIPT)
    reporter.empty("bakery", "c-1")
    reporter.handshake("bakery", "c-1")
    names = ("eventbridge_source", "eventbridge_detail_type", "topic", "queue", "unrouted")
    reporter.fell_back(Event("bakery", "e-1", "", {}, 1.0, "i"), dict.fromkeys(names, "x"))
    reporter.unsubscribed("bakery", "c-1")
    reporter.quota("default", 1, 2)
    reporter.trouble("what", error_code="queue_unavailable", detail="why")
    reporter.overdue("default", 900.0)
    reporter.outdated("why")
    reporter.flush()


def written_metrics() -> dict[str, str]:
    """Return the metrics that telemetry writes, with their units."""
    with captured() as recorded:
        everything(recorded.telemetry)
    return {
        metric["Name"]: metric["Unit"].lower()
        for line in recorded.metrics
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


def test_the_table_of_metrics_is_what_telemetry_writes() -> None:
    """Dashboards and alarms are built from it."""
    table = {row[0].strip("`"): row[1] for row in rows(section("reference.md", "## Metrics"))}
    assert table == written_metrics()


def test_each_metric_names_its_alarms() -> None:
    """A person who sees a metric rise finds the alarm's section by its name."""
    alarms = resources(transformed(), "AWS::CloudWatch::Alarm")
    for metric, _, _, documented in rows(section("reference.md", "## Metrics")):
        watching = {
            name
            for name, each in alarms.items()
            if each["Properties"]["Namespace"] == "PushRelay"
            and each["Properties"]["MetricName"] == metric.strip("`")
        }
        assert set(re.findall(r"`(\w+)`", documented)) == watching, metric


def test_the_table_of_log_keys_is_what_telemetry_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries over the logs are built from it."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe")
    with captured() as recorded:
        everything(recorded.telemetry)
    written = {key for line in recorded.logs for key in line}
    table = section("reference.md", "## Log lines").partition("| key |")[2]
    assert set(names(table)) == written
    # A new field of the receipt is a new key, or is left out on purpose.
    logged = {"retry_after": "retry_after_secs", "due": "next_attempt_at", "unled": "left_out"}
    kept_back = {"push", "is_paced"}
    assert {logged.get(each.name, each.name) for each in fields(Receipt)} - kept_back <= written


@pytest.mark.parametrize("outcome", Outcome)
def test_the_level_of_each_outcome_is_documented(outcome: Outcome) -> None:
    """A person filters by level first."""
    with captured() as recorded:
        recorded.telemetry.settled([Receipt("bakery", "e-1", outcome)], attempt=1)
    (line,) = recorded.logs
    (documented,) = [
        row[1]
        for row in rows(section("reference.md", "## Log lines"))
        if row[0] == "`receipt`" and f"`{outcome}`" in row[2]
    ]
    assert documented == f"`{line['level']}`"


def test_the_numbers_of_the_samples_are_those_of_the_code() -> None:
    """They decide what a flood costs."""
    text = " ".join(section("reference.md", "## Log lines").split())
    secs, secs_of_all = round(telemetry.LINE_SECS), round(telemetry.LINE_SECS_OF_ALL)
    most, longest = telemetry.MOST_WAITING, round(telemetry.LONGEST_WAIT_SECS)
    for sentence in (
        f"the first {telemetry.BURST} of a source and error code, then one each {secs} seconds",
        f"of all together the first {telemetry.BURST_OF_ALL}, then one each {secs_of_all} seconds",
        f"when {most} wait, or with the next request {longest} seconds after the first of them",
        f"the last refusals of a flood (at most {most - 1}) are in no metric",
    ):
        assert sentence in text


# --- the template -------------------------------------------------------------------------------------


def parameter_row(name: str, given: Mapping[str, Any]) -> str:
    """Return the row of a parameter."""
    default = given.get("Default")
    shown = "required" if default is None else f"`{default}`" if default != "" else "empty"
    allowed = [f"`{value}`" for value in given.get("AllowedValues", ())]
    limits = [
        f"{word} {given[key]}" for word, key in (("from", "MinValue"), ("to", "MaxValue")) if key in given
    ]
    one_of = ", ".join(allowed) or " ".join(limits)
    return f"| `{name}` | {shown} | {one_of} | {given['Description']} |"


@pytest.mark.parametrize("name", transformed()["Parameters"])
def test_every_template_parameter_has_its_row(name: str) -> None:
    """The row is made of the template, so that the two cannot differ."""
    assert parameter_row(name, transformed()["Parameters"][name]) in section(
        "reference.md", "## Template parameters"
    )


def output_row(name: str, given: Mapping[str, Any]) -> str:
    """Return the row of an output."""
    return f"| `{name}` | {given['Description']} |"


@pytest.mark.parametrize("name", transformed()["Outputs"])
def test_every_output_has_its_row(name: str) -> None:
    """The row is made of the template, so that the two cannot differ."""
    assert output_row(name, transformed()["Outputs"][name]) in section("reference.md", "## Stack outputs")


@pytest.mark.parametrize(
    ("heading", "key"), [("## Template parameters", "Parameters"), ("## Stack outputs", "Outputs")]
)
def test_the_tables_have_no_name_that_the_template_lacks(heading: str, key: str) -> None:
    """A deployment with such a parameter would fail."""
    documented = [row[0].strip("`") for row in rows(section("reference.md", heading))]
    assert sorted(documented) == sorted(transformed()[key])


class ReadVariables(dict[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Return the default."""
        self.names.add(name)
        return default


def variables(mode: str, function: str) -> set[str]:
    """Return the environment variables that the template sets for a function."""
    document = transformed(DeliveryMode=mode)
    return {*document["Resources"][f"{function}Function"]["Properties"]["Environment"]["Variables"]}


def given_to(function: str, name: str) -> str:
    """Return when the template gives a variable to a function, in the table's words."""
    if name in variables("queue", function):
        return "yes"
    return "direct" if name in variables("direct", function) else ""


def test_every_environment_variable_has_its_row() -> None:
    """The rows are what the settings read and what the template sets, by function."""
    environment = ReadVariables()
    Settings.read(environment)
    assert len(environment.names) > 8
    known = environment.names | variables("direct", "Receive") | variables("queue", "Deliver")
    documented = {
        row[0].strip("`"): (row[1], row[2])
        for row in rows(section("reference.md", "## Environment variables"))
    }
    assert documented == {name: (given_to("Receive", name), given_to("Deliver", name)) for name in known}


# --- what is stored -----------------------------------------------------------------------------------


def attributes_of_the_code() -> Iterator[str]:
    """Yield the message attributes that the queue's format defines."""
    yield from (value for name, value in vars(queue_format).items() if name.endswith("_ATTRIBUTE"))


def test_every_message_attribute_has_its_row() -> None:
    """People read the queues with other tools too."""
    assert sorted(names(section("reference.md", "## Queue messages"))) == sorted(attributes_of_the_code())


def test_every_field_of_the_cool_down_has_its_row() -> None:
    """The item holds the state's fields by their names."""
    text = section("reference.md", "### `connections#").partition("The fields of `cooldown`")[2]
    rows = [line for line in text.splitlines() if line.startswith("- ")]
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row.partition(":")[0])]
    assert sorted(described) == sorted(Cooldown._fields)
