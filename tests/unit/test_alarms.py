"""Every alarm of the template is raised by its own stack's metrics, and refers to the documentation."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakes import SAMPLES, Captured, captured
from push_relay import telemetry as names
from push_relay.bootstrap.common import Common
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt
from push_relay.settings import Settings
from push_relay.telemetry import Telemetry
from relayctl.project import ROOT
from transformed import STACK, arn, resources, transformed

TOPIC = arn("on-call")
ALARMS = resources(transformed(AlarmTopicArn=TOPIC), "AWS::CloudWatch::Alarm")
OURS = {
    name: each["Properties"]
    for name, each in ALARMS.items()
    if each["Properties"]["Namespace"] == "PushRelay"
}
_STATISTICS: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max}


def receipts(number: int, **about: Any) -> Callable[[Telemetry], None]:
    """Return a function that reports a number of receipts to telemetry."""
    receipt = Receipt(**{"source": "bakery", "event_id": "e-1", "outcome": Outcome.PARKED, **about})
    return lambda telemetry: telemetry.settled([receipt] * number, attempt=1)


def refusals(number: int, **about: Any) -> Callable[[Telemetry], None]:
    """Return a function that reports a number of requests whose senders were not verified."""
    receipt = Receipt(**{"source": "bakery", "event_id": "-", "outcome": Outcome.REJECTED, **about})

    def cause(telemetry: Telemetry) -> None:
        for _ in range(number):
            telemetry.refused(receipt)
            telemetry.flush()

    return cause


def quota(*calls: int) -> Callable[[Telemetry], None]:
    """Return a function that reports the used calls of the day out of 100, one invocation for each number."""

    def cause(telemetry: Telemetry) -> None:
        for used in calls:
            telemetry.quota("default", used, 100)
            telemetry.flush()

    return cause


def late_twice(telemetry: Telemetry) -> None:
    """Report an account whose first event is overdue, in two invocations."""
    for _ in range(2):
        telemetry.overdue("default", 900.0)
        telemetry.flush()


#: By alarm: a cause that raises it, and a similar cause that does not.
CAUSES: dict[str, tuple[Callable[[Telemetry], None], Callable[[Telemetry], None]]] = {
    "FailedAlarm": (receipts(1, outcome=Outcome.FAILED), receipts(9)),
    "CredentialsTroubleAlarm": (
        receipts(1, error_code="vendor_unauthorized"),
        receipts(9, error_code="vendor_throttled"),
    ),
    "CircuitOpenAlarm": (
        receipts(1, error_code="circuit_open"),
        receipts(9, error_code="vendor_unavailable"),
    ),
    "BudgetExhaustedAlarm": (
        receipts(1, error_code="budget_exhausted"),
        receipts(9, error_code="quota_exhausted"),
    ),
    "InternalErrorAlarm": (
        lambda telemetry: telemetry.trouble("a drain has failed", error_code="internal_error", detail="why"),
        lambda telemetry: telemetry.trouble(
            "a message was kept", error_code="queue_unavailable", detail="why"
        ),
    ),
    "OverdueAlarm": (late_twice, receipts(9)),
    "UnsubscribedAlarm": (
        lambda telemetry: telemetry.unsubscribed("bakery", "c-1"),
        lambda telemetry: telemetry.handshake("bakery", "c-1"),
    ),
    "RejectedAlarm": (receipts(100, outcome=Outcome.REJECTED), receipts(99, outcome=Outcome.REJECTED)),
    "QuotaAlarm": (quota(78, 80, 79), quota(78, 79)),
    "QuotaUsedUpAlarm": (quota(99, 100), quota(98, 99)),
}


def series(output: Captured, alarm: dict[str, Any]) -> Iterator[float]:
    """Return the values that CloudWatch has for an alarm's namespace, metric name and dimensions."""
    wanted = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    for line in output.metrics:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            named = alarm["MetricName"] in [metric["Name"] for metric in directive["Metrics"]]
            found = any({name: line[name] for name in names} == wanted for names in directive["Dimensions"])
            if named and found and directive["Namespace"] == alarm["Namespace"]:
                yield from line[alarm["MetricName"]]


def is_raised(alarm: dict[str, Any], values: list[float]) -> bool:
    """Return whether the values of one period raise an alarm."""
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    return bool(values) and _STATISTICS[alarm["Statistic"]](values) >= float(alarm["Threshold"])


def test_each_alarm_of_the_code_s_metrics_has_a_cause_here() -> None:
    """An alarm on a metric that nothing writes would never be raised."""
    assert set(CAUSES) == set(OURS)


@pytest.mark.parametrize("name", CAUSES)
def test_an_alarm_looks_at_one_period(name: str) -> None:
    """An overdue event may be the end of an outage, so it has to be so for longer."""
    assert OURS[name]["EvaluationPeriods"] == (6 if name == "OverdueAlarm" else 1)


def test_an_internal_error_of_a_push_raises_the_alarm() -> None:
    """It raises the alarm as an internal error of a drain does."""
    with captured(stack=STACK) as output:
        receipts(1, error_code="internal_error")(output.telemetry)
        output.telemetry.flush()
    assert is_raised(OURS["InternalErrorAlarm"], [*series(output, OURS["InternalErrorAlarm"])])


@pytest.mark.parametrize("name", CAUSES)
def test_an_alarm_is_raised_by_the_metrics_that_the_code_writes(name: str) -> None:
    """Namespace, name, dimensions and threshold must match. The harmless cause must not raise the alarm."""
    cause, harmless = CAUSES[name]
    for happens, expected in ((cause, True), (harmless, False)):
        with captured(stack=STACK) as output:
            happens(output.telemetry)
            output.telemetry.flush()
        assert is_raised(OURS[name], [*series(output, OURS[name])]) is expected


def test_the_functions_write_the_names_that_the_alarms_use() -> None:
    """Environment variables of the functions contain the names of the stack, service and namespace."""
    document = transformed()
    for function in ("ReceiveFunction", "DeliverFunction"):
        variables = document["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert variables["STACK_NAME"] in ({"Ref": "AWS::StackName"}, STACK)
        assert variables["POWERTOOLS_SERVICE_NAME"] == os.environ["POWERTOOLS_SERVICE_NAME"]
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == os.environ["POWERTOOLS_METRICS_NAMESPACE"]
    settings = Settings.read({"STACK_NAME": STACK, "RELAY_CONFIG": str(SAMPLES / "relay.toml")})
    common = Common.of(settings)
    with captured() as output:
        common.telemetry.quota("default", 1, 2)
        common.telemetry.flush()
    assert [line["stack"] for line in output.metrics] == [STACK]


@pytest.mark.parametrize("name", CAUSES)
def test_an_alarm_is_not_raised_by_another_stack(name: str) -> None:
    """A test deployment in the same AWS account writes the same metrics with another stack name."""
    with captured(stack=f"{STACK}-dev") as output:
        CAUSES[name][0](output.telemetry)
        output.telemetry.flush()
    assert output.metrics
    assert not is_raised(OURS[name], [*series(output, OURS[name])])


def test_a_flood_of_forgeries_raises_an_alarm() -> None:
    """The metrics of refusals are written in groups, so a few of the 130 are possibly not written yet."""
    with captured(stack=STACK) as output:
        refusals(130, error_code="signature_invalid")(output.telemetry)
    assert is_raised(OURS["RejectedAlarm"], [*series(output, OURS["RejectedAlarm"])])


#: Alarms on metrics of AWS: the metric, statistic, threshold, and the resource in its only dimension.
AWS_METRICS = {
    "DeadLetterAlarm": (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        "Maximum",
        1,
        "QueueName",
        "DeadLetterQueue",
    ),
    "OldestMessageAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", 1800, "QueueName", "Queue"),
    "EndpointAlarm": ("AWS/ApiGateway", "5xx", "Sum", 1, "ApiId", "Api"),
    "ReceiveErrorsAlarm": ("AWS/Lambda", "Errors", "Sum", 1, "FunctionName", "ReceiveFunction"),
    "ReceiveThrottlesAlarm": ("AWS/Lambda", "Throttles", "Sum", 1, "FunctionName", "ReceiveFunction"),
    "ReceiveDurationAlarm": ("AWS/Lambda", "Duration", "Maximum", 26_000, "FunctionName", "ReceiveFunction"),
    "DeliverErrorsAlarm": ("AWS/Lambda", "Errors", "Sum", 1, "FunctionName", "DeliverFunction"),
    "DeliverThrottlesAlarm": ("AWS/Lambda", "Throttles", "Sum", 1, "FunctionName", "DeliverFunction"),
    "DeliverDurationAlarm": ("AWS/Lambda", "Duration", "Maximum", 54_000, "FunctionName", "DeliverFunction"),
    "TickAlarm": ("AWS/Events", "Invocations", "Sum", 1, "RuleName", f"{STACK}-tick"),
    "RecursionAlarm": (
        "AWS/Lambda",
        "RecursiveInvocationsDropped",
        "Sum",
        1,
        "FunctionName",
        "DeliverFunction",
    ),
}


@pytest.mark.parametrize("name", AWS_METRICS)
def test_an_alarm_watches_a_metric_of_aws(name: str) -> None:
    """The names must be those that AWS documents, and the resource must belong to the stack."""
    properties = ALARMS[name]["Properties"]
    ((dimension, target),) = ((each["Name"], each["Value"]) for each in properties["Dimensions"])
    # A reference to a resource, or the rule's own name.
    resource = target if isinstance(target, str) else next(iter(target.values()))
    named = resource if isinstance(resource, str) else resource[0]
    assert (
        properties["Namespace"],
        properties["MetricName"],
        properties["Statistic"],
        float(properties["Threshold"]),
        dimension,
        named,
    ) == AWS_METRICS[name]
    rings_if = ("LessThanThreshold", 2) if name == "TickAlarm" else ("GreaterThanOrEqualToThreshold", 1)
    assert (properties["ComparisonOperator"], properties["EvaluationPeriods"]) == rings_if


def test_the_tick_has_the_name_that_its_alarm_watches() -> None:
    """An alarm on a rule that does not exist would always ring."""
    rule = transformed()["Resources"]["DeliverFunctionTick"]["Properties"]["Name"]
    (dimension,) = ALARMS["TickAlarm"]["Properties"]["Dimensions"]
    assert dimension["Value"] == rule


def test_every_alarm_is_tested() -> None:
    """A new alarm must be added to one of the two tables above."""
    assert set(ALARMS) == set(CAUSES) | set(AWS_METRICS)


@pytest.mark.parametrize("function", ["Receive", "Deliver"])
def test_the_duration_alarm_is_raised_before_the_function_s_timeout(function: str) -> None:
    """The threshold is about nine tenths of the timeout, so there is time to react."""
    document = transformed(AlarmTopicArn=TOPIC)
    timeout = 1000 * document["Resources"][f"{function}Function"]["Properties"]["Timeout"]
    assert 0.85 < ALARMS[f"{function}DurationAlarm"]["Properties"]["Threshold"] / timeout < 0.95


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_published_and_refers_to_its_documentation(name: str) -> None:
    """Its description names a section of docs/operations.md. Only for the tick, missing data raises it."""
    properties = ALARMS[name]["Properties"]
    assert properties["AlarmActions"] == [TOPIC]
    assert properties["TreatMissingData"] == ("breaching" if name == "TickAlarm" else "notBreaching")
    assert properties["Period"] == 300
    target = re.fullmatch(
        r"[A-Z][^\n]+\. What to do: docs/operations\.md#([a-z0-9-]+)", properties["AlarmDescription"]
    )
    assert target
    assert target[1] in sections(), target[1]


def sections() -> set[str]:
    """Return the anchors of the headings of docs/operations.md, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_without_a_topic_the_alarms_exist_but_notify_nobody() -> None:
    """They are shown in the console, and a topic can be configured later."""
    alarms = resources(transformed(), "AWS::CloudWatch::Alarm")
    assert set(alarms) == set(ALARMS)
    assert not [name for name, each in alarms.items() if "AlarmActions" in each["Properties"]]


def test_the_documented_price_matches_the_number_of_metrics_and_alarms() -> None:
    """CloudWatch charges $0.30 per metric and $0.10 per alarm."""
    metrics = {
        *names.OUTCOME_METRICS.values(),
        *names.CODE_METRICS.values(),
        *(value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)),
    }
    price = f"${0.3 * len(metrics) + 0.1 * len(ALARMS):.2f}"
    row = f"| dimensions `stack` and `service` | 8 to {len(metrics)} | {len(ALARMS)} | {price} |"
    assert row in (ROOT / "docs/operations.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("parameter", "value", "alarm"),
    [
        ("RejectedAlarmCount", "7", "RejectedAlarm"),
        ("EndpointAlarmCount", "7", "EndpointAlarm"),
        ("OldestMessageAlarmSecs", "4000", "OldestMessageAlarm"),
        ("QuotaAlarmPercent", "50", "QuotaAlarm"),
    ],
)
def test_a_threshold_can_be_set_by_a_parameter(parameter: str, value: str, alarm: str) -> None:
    """The right value of these thresholds depends on the deployment."""
    alarms = resources(transformed(**{parameter: value}), "AWS::CloudWatch::Alarm")
    assert str(alarms[alarm]["Properties"]["Threshold"]) == value
