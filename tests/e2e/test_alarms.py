"""The alarms of the deployed stack: from a real cause, through the alarm, to a message on the alarm topic.

MiniStack evaluates alarms when a metric is put, and publishes their actions. It does not read metrics from
log lines, measure queues or compare dimensions, so these tests do that in place of CloudWatch.
tests/unit/test_alarms.py checks that every alarm watches an existing metric.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from relayctl.deploy import STACK, client, queue_client
from relayctl.stack import LocalStack
from waiting import wait_for_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
_PUSH = {"UserExternalId": "4711", "Title": "Too hot", "Body": "451"}


@dataclass(frozen=True)
class OnCall:
    """The stack's alarms, and a queue that is subscribed to the alarm topic."""

    stack: LocalStack
    inbox: str

    def alarm(self, name: str) -> dict[str, Any]:
        """Return an alarm by its logical id."""
        cloudwatch = client(self.stack.aws, "cloudwatch")
        prefix = f"{STACK}-{name}-"
        (found,) = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
        alarm: dict[str, Any] = found
        return alarm

    def put(self, namespace: str, name: str, value: float, dimensions: dict[str, str]) -> None:
        """Put a metric's value, as CloudWatch does on AWS."""
        pairs = [{"Name": key, "Value": dimensions[key]} for key in dimensions]
        client(self.stack.aws, "cloudwatch").put_metric_data(
            Namespace=namespace,
            MetricData=[{"MetricName": name, "Value": value, "Dimensions": pairs}],
        )

    def messages(self) -> Iterator[dict[str, Any]]:
        """Receive and delete the messages that were published to the topic."""
        sqs = queue_client(self.stack.aws)
        received = sqs.receive_message(QueueUrl=self.inbox, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
            yield json.loads(json.loads(message["Body"])["Message"])


@pytest.fixture
def on_call(fresh_stack: LocalStack) -> Iterator[OnCall]:
    """Subscribe a new queue to the alarm topic."""
    sqs, sns = queue_client(fresh_stack.aws), client(fresh_stack.aws, "sns")
    inbox = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]
    (topic,) = (
        each["TopicArn"] for each in sns.list_topics()["Topics"] if each["TopicArn"].endswith(":on-call")
    )
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    yield OnCall(fresh_stack, inbox)
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=inbox)


def test_a_dead_letter_causes_an_alarm(on_call: OnCall) -> None:
    """The alarm watches the stack's own dead-letter queue, and one message there is above its threshold."""
    sqs = queue_client(on_call.stack.aws)
    sqs.send_message(QueueUrl=on_call.stack.outputs["QueueUrl"], MessageBody="{no JSON")
    dead_letter_url = on_call.stack.outputs["DeadLetterQueueUrl"]
    dimensions = {"QueueName": dead_letter_url.rpartition("/")[2]}
    name = "ApproximateNumberOfMessages"  # CloudWatch's metric is ApproximateNumberOfMessagesVisible

    def measured() -> int:
        response = sqs.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=[name])
        return int(response["Attributes"][name])

    wait_for_stack(lambda: measured() >= 1, on_call.stack)
    alarm = on_call.alarm("DeadLetterAlarm")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": dimensions["QueueName"]}]
    on_call.put("AWS/SQS", f"{name}Visible", measured(), dimensions)
    (message,) = _wait_for_alarm(on_call, "DeadLetterAlarm")
    assert message["NewStateValue"] == "ALARM"
    assert message["AlarmDescription"].endswith("What to do: docs/operations.md#dead-letters")


def test_a_failed_push_causes_an_alarm(on_call: OnCall) -> None:
    """The metric and its dimensions are read from the log line that the deployed function has written."""
    on_call.stack.sandbox.faults.order("error_code", error_code="UserNotFound", times=1)
    queue_client(on_call.stack.aws).send_message(
        QueueUrl=on_call.stack.outputs["QueueUrl"],
        MessageBody=json.dumps(_PUSH),
        MessageAttributes={"source": {"DataType": "String", "StringValue": "push"}},
    )
    wait_for_stack(lambda: any("Failed" in line for line in _metric_lines(on_call.stack)), on_call.stack)
    (line,) = [line for line in _metric_lines(on_call.stack) if "Failed" in line]
    alarm = on_call.alarm("FailedAlarm")
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: line[name] for name in names}
            assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == dimensions
            for value in line["Failed"]:
                on_call.put(directive["Namespace"], "Failed", value, dimensions)
    (message,) = _wait_for_alarm(on_call, "FailedAlarm")
    assert message["Trigger"]["MetricName"] == "Failed"
    assert message["AlarmDescription"].endswith("What to do: docs/operations.md#failed")


def test_every_alarm_of_the_template_publishes_to_the_alarm_topic(on_call: OnCall) -> None:
    """An alarm without an action would be seen by nobody."""
    alarms = client(on_call.stack.aws, "cloudwatch").describe_alarms(AlarmNamePrefix=f"{STACK}-")[
        "MetricAlarms"
    ]
    assert len(alarms) == 21
    assert {tuple(arn.rpartition(":")[2] for arn in alarm["AlarmActions"]) for alarm in alarms} == {
        ("on-call",)
    }


def _wait_for_alarm(on_call: OnCall, name: str) -> list[dict[str, Any]]:
    """Wait for a message of an alarm, by its logical id, and return the alarm's messages."""
    found: list[dict[str, Any]] = []

    def is_published() -> bool:
        found.extend(each for each in on_call.messages() if each["AlarmName"].startswith(f"{STACK}-{name}-"))
        return bool(found)

    wait_for_stack(is_published, on_call.stack)
    return found


def _metric_lines(stack: LocalStack) -> Iterator[dict[str, Any]]:
    """Yield the metric lines that the functions have logged."""
    logs = client(stack.aws, "logs")
    for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            if event["message"].startswith('{"_aws"'):
                yield json.loads(event["message"])
