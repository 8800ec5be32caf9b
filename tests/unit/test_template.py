"""The limits of the template fit together, events outlive the stack, and no personal data is logged."""

import json
import math
import re

import pytest

from push_relay.adapters import aws
from push_relay.adapters.dynamodb.backlog_table import Key
from push_relay.core import queue_format
from push_relay.core.account import Account
from push_relay.core.delivery.wake_up import ALL, wake_up
from push_relay.core.queue_format import EVENT_ATTRIBUTE, pack, sqs_attributes, unpack
from push_relay.settings import DeliveryMode, LedgerWrites, Settings
from relayctl.project import ROOT
from template_reader import DOCUMENT, FUNCTIONS, RESOURCES, properties, variables
from transformed import resources, transformed

_SETTINGS = (ROOT / "src/push_relay/settings.py").read_text()


def test_the_functions_have_time_for_slow_calls_of_aws() -> None:
    """Three calls may be slow in one request, and `receive` has to answer 503 before it is ended."""
    worst = aws.ATTEMPTS * (aws.CONNECT_SECS + aws.READ_SECS) + (aws.ATTEMPTS - 1) * aws.PAUSE_SECS
    for function in FUNCTIONS:
        assert 3 * worst < properties(function)["Timeout"]
    resources = [each for each in RESOURCES.values() if isinstance(each, dict)]
    (integration,) = (each for each in resources if each["Type"] == "AWS::ApiGatewayV2::Integration")
    assert properties("ReceiveFunction")["Timeout"] * 1000 < integration["Properties"]["TimeoutInMillis"]


def test_the_queue_hides_a_message_for_six_times_the_timeout() -> None:
    """AWS recommends it, so that a message is not delivered twice while its batch is being retried."""
    timeout = properties("DeliverFunction")["Timeout"]
    assert properties("Queue")["VisibilityTimeout"] >= 6 * timeout


def test_a_message_that_kills_the_function_is_dead_lettered_within_five_receives() -> None:
    """A parked event is a new message, so its receives begin at 0 again."""
    assert properties("Queue")["RedrivePolicy"]["maxReceiveCount"] == 5


@pytest.mark.parametrize("queue", ["Queue", "DeadLetterQueue"])
def test_queues_are_encrypted_and_accept_the_largest_message(queue: str) -> None:
    """The code writes messages of nearly 1 MiB, so it depends on the queue's limit."""
    found = properties(queue)
    assert found["SqsManagedSseEnabled"] is True
    assert queue_format.MAX_MESSAGE < found["MaximumMessageSize"] == 1024 * 1024


def test_a_dead_letter_has_a_week_left_when_sqs_moves_it() -> None:
    """It keeps the time at which it was first sent. No event must be lost over a weekend and a holiday."""
    queue, dead = (properties(name)["MessageRetentionPeriod"] for name in ("Queue", "DeadLetterQueue"))
    assert dead == 14 * 24 * 3600
    assert dead - queue >= 7 * 24 * 3600
    assert queue >= Account().max_age


@pytest.mark.parametrize("resource", ["Queue", "DeadLetterQueue", "Ledger", "Backlog"])
def test_queues_and_tables_outlive_the_stack(resource: str) -> None:
    """No event and no record is lost if the stack is deleted by mistake or a resource is replaced."""
    assert RESOURCES[resource]["DeletionPolicy"] == RESOURCES[resource]["UpdateReplacePolicy"] == "Retain"


def test_lambda_does_not_stop_parked_events_as_a_loop() -> None:
    """By default it drops a message after 16 rounds through a queue. Here `max_age` is the bound."""
    function = transformed()["Resources"]["DeliverFunction"]
    assert function["Type"] == "AWS::Lambda::Function"
    assert function["Properties"]["RecursiveLoop"] == "Allow"
    assert 0 < Account().max_age < math.inf


def test_a_waiting_event_expires_only_with_its_parts() -> None:
    """The keys are those of the code. Only parts of large events may be left over."""
    found = properties("Backlog")
    assert [each["AttributeName"] for each in found["KeySchema"]] == list(Key._fields)
    assert [each["KeyType"] for each in found["KeySchema"]] == ["HASH", "RANGE"]
    assert found["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert found["SSESpecification"]["SSEEnabled"]
    assert found["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]


def test_the_tick_is_a_constant_and_never_piles_up() -> None:
    """A tick that is late is of no use, because the next one does its work."""
    (rule,) = resources(transformed(), "AWS::Events::Rule").values()
    assert rule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Properties"]["Targets"]
    (record,) = json.loads(target["Input"])["Records"]
    attributes = sqs_attributes(record)
    assert unpack(record["body"].encode(), attributes[EVENT_ATTRIBUTE]) == wake_up(ALL, 0.0)
    assert attributes == pack(wake_up(ALL, 0.0)).attributes
    assert target["Arn"] == {"Fn::GetAtt": ["DeliverFunction", "Arn"]}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}


@pytest.mark.parametrize(("given", "reserved"), [("", None), ("20", "20"), ("1", "1")])
def test_the_concurrency_of_receive_can_be_reserved(given: str, reserved: str | None) -> None:
    """By default it is not reserved: a new AWS account has a limit of 10 and could not deploy."""
    functions = resources(transformed(ReceiveReservedConcurrency=given), "AWS::Lambda::Function")
    properties = functions["ReceiveFunction"]["Properties"]
    if reserved is None:
        assert given == DOCUMENT["Parameters"]["ReceiveReservedConcurrency"]["Default"]
        assert "ReservedConcurrentExecutions" not in properties
    else:
        assert str(properties["ReservedConcurrentExecutions"]) == reserved
    assert "ReservedConcurrentExecutions" not in functions["DeliverFunction"]["Properties"]


@pytest.mark.parametrize("given", ["0", "-1", "ten", "1.5", "10000"])
def test_an_invalid_concurrency_is_refused(given: str) -> None:
    """A concurrency of 0 would reject every webhook."""
    pattern = DOCUMENT["Parameters"]["ReceiveReservedConcurrency"]["AllowedPattern"]
    assert not re.fullmatch(pattern, given)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_variable_is_read_by_the_settings_or_by_powertools(function: str) -> None:
    """A misspelt variable is a setting that silently keeps its default."""
    for name in variables(function, DeliveryMode.DIRECT):
        assert name.startswith("POWERTOOLS_") or f'"{name}"' in _SETTINGS


def test_the_delivery_modes_are_those_of_the_code() -> None:
    """The parameter allows exactly the values that the settings accept."""
    assert set(DOCUMENT["Parameters"]["DeliveryMode"]["AllowedValues"]) == set(DeliveryMode)


def test_the_ways_to_write_the_ledger_are_those_of_the_code() -> None:
    """The parameter allows exactly the values that the settings accept, and has the same default."""
    parameter = DOCUMENT["Parameters"]["LedgerWrites"]
    assert set(parameter["AllowedValues"]) == set(LedgerWrites)
    assert parameter["Default"] == Settings.read({}).ledger_writes == LedgerWrites.SINGLE


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_log_to_a_group_whose_logs_expire(function: str) -> None:
    """A log group that Lambda creates keeps its lines forever."""
    group = properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_access_log_is_json_and_holds_no_payload_query_or_header() -> None:
    """The caller's address is the only personal data in it."""
    log_format = properties("Stage")["AccessLogSettings"]["Format"]
    fields = json.loads(log_format)
    assert fields["source_ip"] == "$context.identity.sourceIp"
    used = set(re.findall(r"\$[\w.]+", log_format))
    assert not {name for name in used if re.search(r"path|query|header|body|userAgent|authorizer", name)}


def test_the_endpoint_is_throttled() -> None:
    """Otherwise a stranger could spend the account's money."""
    assert set(properties("Stage")["DefaultRouteSettings"]) == {
        "ThrottlingRateLimit",
        "ThrottlingBurstLimit",
    }


def test_deliver_reports_single_failures_and_takes_batches_that_the_connections_can_share() -> None:
    """No connection is idle at the end of a batch. Workers that find none store their events and end."""
    source = properties("DeliverFunction")["Events"]["Stored"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] % Account().connections == 0
    # One worker sends, and at least one more has to be there to find urgent events.
    assert 2 <= source["ScalingConfig"]["MaximumConcurrency"] <= 5


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://push.example.com", True),
        ("https://push.example.com:8443/node-1", True),
        ("http://127.0.0.1:8025", True),
        ("http://localhost", True),
        ("http://push.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost@example.com", False),
        ("https://push.example.com/", False),
        ("https://push.example.com?key=1", False),
        ("https://user:password@push.example.com", False),
        ("push.example.com", False),
    ],
)
def test_the_push_address_is_https_or_this_machine(address: str, *, allowed: bool) -> None:
    """The credentials are in the body of every call."""
    pattern = DOCUMENT["Parameters"]["PushBaseUrl"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, address)) is allowed


@pytest.mark.parametrize("parameter", ["PushCredentialsArn", "SigningSecretsArn"])
def test_a_secret_is_given_by_its_complete_arn(parameter: str) -> None:
    """A role with a partial ARN would be refused at the first event, not at the deployment."""
    pattern = DOCUMENT["Parameters"][parameter]["AllowedPattern"]
    complete = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:relay/push-AbC123"
    assert re.fullmatch(pattern, complete)
    assert not re.fullmatch(pattern, complete.removesuffix("-AbC123"))
    assert not re.fullmatch(pattern, "relay/push")


def test_every_parameter_is_described_and_in_a_group() -> None:
    """CloudFormation's console shows the parameters as a form with these texts."""
    interface = DOCUMENT["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(DOCUMENT["Parameters"]) == sorted(interface["ParameterLabels"])
    assert all(parameter["Description"] for parameter in DOCUMENT["Parameters"].values())


def test_every_output_can_be_imported() -> None:
    """The export has the stack's name in it, so that several stacks fit into one AWS account."""
    for name, output in DOCUMENT["Outputs"].items():
        assert output["Export"]["Name"] == {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
