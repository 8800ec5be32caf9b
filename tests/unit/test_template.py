"""What the template promises: limits that fit together, rights without wildcards, nothing personal logged."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from push_relay.adapters import aws
from push_relay.core import queue_format
from push_relay.core.account import Account
from push_relay.settings import DeliveryMode
from relayctl.project import ROOT, TEMPLATE
from transformed import REGION, TransformFailed, arn, resources, transformed

_SETTINGS = (ROOT / "src/push_relay/settings.py").read_text()
_FUNCTIONS = ("ReceiveFunction", "DeliverFunction")
_ROLES = ("ReceiveRole", "DeliverRole")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref X` as {"Ref": "X"}, `!If [...]` as {"Fn::If": [...]}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)
_TEMPLATE: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader
_RESOURCES = _TEMPLATE["Resources"]


def _properties(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = _RESOURCES[name]["Properties"]
    return properties


def _statements(role: str, mode: DeliveryMode) -> Iterator[dict[str, Any]]:
    for policy in _properties(role)["Policies"]:
        chosen = policy
        if "Fn::If" in policy:
            condition, direct, other = policy["Fn::If"]
            assert condition == "Direct"
            chosen = direct if mode is DeliveryMode.DIRECT else other
        if chosen != {"Ref": "AWS::NoValue"}:
            # What hangs on a KMS key has a test of its own.
            yield from (each for each in chosen["PolicyDocument"]["Statement"] if "Fn::If" not in each)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _rights(role: str, mode: DeliveryMode) -> set[tuple[str, str]]:
    """List what a role may do, and to what: a resource of the stack's, or a parameter."""
    rights = set()
    for statement in _statements(role, mode):
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}, statement
        assert statement["Effect"] == "Allow"
        for resource in _listed(statement["Resource"]):
            ((kind, target),) = resource.items()
            assert kind in {"Ref", "Fn::GetAtt"}
            rights |= {(action, target) for action in _listed(statement["Action"])}
    return rights


def _allowances(node: Any) -> Iterator[dict[str, Any]]:
    """Find every statement that allows something, wherever in a template it stands."""
    if isinstance(node, dict):
        if node.get("Effect") == "Allow":
            yield node
        for value in node.values():
            yield from _allowances(value)
    elif isinstance(node, list):
        for value in node:
            yield from _allowances(value)


def _wildcards(statement: dict[str, Any]) -> list[str]:
    """Return what a statement allows without naming it; a log group's streams may be `:*`."""
    found = [key for key in statement if key in {"NotAction", "NotResource", "NotPrincipal"}]
    for key in ("Action", "Resource", "Principal"):
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(statement.get(key, []))):
            streams = key == "Resource" and ":log-group:" in text and text.endswith(":*")
            if re.search(r"[*?]", text.removesuffix(":*") if streams else text):
                found.append(text)
    return found


def _variables(function: str, mode: DeliveryMode) -> set[str]:
    chosen = set()
    for name, value in _properties(function)["Environment"]["Variables"].items():
        if mode is DeliveryMode.DIRECT or not (isinstance(value, dict) and "Fn::If" in value):
            chosen.add(name)
    return chosen


def test_the_functions_outlive_what_aws_makes_slow() -> None:
    """Secrets, secrets read anew, and the queue, each at its worst: `receive` answers 503 itself."""
    worst = aws.ATTEMPTS * (aws.CONNECT_SECS + aws.READ_SECS) + (aws.ATTEMPTS - 1) * aws.PAUSE_SECS
    for function in _FUNCTIONS:
        assert 3 * worst < _properties(function)["Timeout"]
    resources = [each for each in _RESOURCES.values() if isinstance(each, dict)]
    (integration,) = (each for each in resources if each["Type"] == "AWS::ApiGatewayV2::Integration")
    assert _properties("ReceiveFunction")["Timeout"] * 1000 < integration["Properties"]["TimeoutInMillis"]


def test_the_queue_hides_a_message_for_six_times_the_timeout() -> None:
    """AWS asks for it, so that a message isn't delivered twice while a batch is retried."""
    timeout = _properties("DeliverFunction")["Timeout"]
    assert _properties("Queue")["VisibilityTimeout"] >= 6 * timeout


def test_a_message_that_kills_the_function_is_dead_lettered_within_five_receives() -> None:
    """What only waits is queued anew, and its receives begin again."""
    assert _properties("Queue")["RedrivePolicy"]["maxReceiveCount"] == 5


@pytest.mark.parametrize("queue", ["Queue", "DeadLetterQueue"])
def test_queues_are_encrypted_and_take_what_the_code_sends(queue: str) -> None:
    """The code writes messages of nearly 1 MiB, and counts on the queue's limit."""
    properties = _properties(queue)
    assert properties["SqsManagedSseEnabled"] is True
    assert queue_format.MAX_MESSAGE < properties["MaximumMessageSize"] == 1024 * 1024


def test_a_dead_letter_has_a_week_left_when_sqs_moves_it() -> None:
    """It keeps the time at which it was first sent. A weekend and a holiday must lose no event."""
    queue, dead = (_properties(name)["MessageRetentionPeriod"] for name in ("Queue", "DeadLetterQueue"))
    assert dead == 14 * 24 * 3600
    assert dead - queue >= 7 * 24 * 3600
    assert queue >= Account().max_age


@pytest.mark.parametrize("resource", ["Queue", "DeadLetterQueue", "Ledger"])
def test_what_holds_events_outlives_the_stack(resource: str) -> None:
    """A stack that is deleted by mistake, or a replacement, loses no event and no record of a push."""
    assert _RESOURCES[resource]["DeletionPolicy"] == _RESOURCES[resource]["UpdateReplacePolicy"] == "Retain"


def test_lambda_takes_no_parked_event_for_a_loop() -> None:
    """By default it drops after 16 times what `deliver` sends to its own queue; `max_age` bounds it here."""
    function = transformed()["Resources"]["DeliverFunction"]
    assert function["Type"] == "AWS::Lambda::Function"
    assert function["Properties"]["RecursiveLoop"] == "Allow"
    assert 0 < Account().max_age < math.inf


@pytest.mark.parametrize(("given", "reserved"), [("", None), ("20", "20"), ("1", "1")])
def test_receive_s_concurrency_can_be_reserved(given: str, reserved: str | None) -> None:
    """By default it is not: an account whose limit is 10 cannot reserve any, and would fail to deploy."""
    functions = resources(transformed(ReceiveReservedConcurrency=given), "AWS::Lambda::Function")
    properties = functions["ReceiveFunction"]["Properties"]
    if reserved is None:
        assert given == _TEMPLATE["Parameters"]["ReceiveReservedConcurrency"]["Default"]
        assert "ReservedConcurrentExecutions" not in properties
    else:
        assert str(properties["ReservedConcurrentExecutions"]) == reserved
    assert "ReservedConcurrentExecutions" not in functions["DeliverFunction"]["Properties"]


@pytest.mark.parametrize("given", ["0", "-1", "ten", "1.5", "10000"])
def test_what_is_no_concurrency_is_refused(given: str) -> None:
    """Nought would turn every webhook away."""
    pattern = _TEMPLATE["Parameters"]["ReceiveReservedConcurrency"]["AllowedPattern"]
    assert not re.fullmatch(pattern, given)


# --- topics ---------------------------------------------------------------------------------------------


def test_without_topics_nothing_is_subscribed() -> None:
    """An empty list is one empty text to CloudFormation."""
    document = transformed()
    assert resources(document, "AWS::SNS::Subscription") == {}
    left_out = [each for each in document["Resources"].values() if each["Type"] == "AWS::SNS::Subscription"]
    # CloudFormation evaluates them all the same, and fails on the fourth part of an empty text.
    assert [each["Properties"]["Region"] for each in left_out] == ["", "", ""]
    allowed = [*_allowances(document["Resources"]["QueuePolicy"])]
    assert [each["Principal"] for each in allowed] == [{"Service": "events.amazonaws.com"}]
    assert not [*_allowances(document["Resources"]["DeadLetterQueuePolicy"])]


def test_each_topic_is_subscribed_when_it_may_send_and_its_failures_are_kept() -> None:
    """By the queue's policy first; what SNS cannot hand over goes to the dead-letter queue."""
    topics = [arn("ovens"), arn("a-b"), arn("c_d")]
    document = transformed(SnsTopicArns=",".join(topics[:2]), MoreSnsTopicArns=topics[2])
    made = resources(document, "AWS::SNS::Subscription").values()
    assert sorted(each["Properties"]["TopicArn"] for each in made) == sorted(topics)
    for each in made:
        assert set(each["DependsOn"]) == {"QueuePolicy", "DeadLetterQueuePolicy"}
        target = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
        assert each["Properties"]["RedrivePolicy"] == {"deadLetterTargetArn": target}
        assert each["Properties"]["Region"] == REGION
    for policy in ("QueuePolicy", "DeadLetterQueuePolicy"):
        assert sorted(_topics_that_may_send(document, policy)) == sorted(topics)


def test_a_topic_of_another_region_is_subscribed_there() -> None:
    """SNS wants a dead-letter queue in the topic's region, where the stack has none."""
    topic = arn("ovens", "us-east-1")
    document = transformed(OtherRegionSnsTopicArns=topic)
    (made,) = resources(document, "AWS::SNS::Subscription").values()
    assert made["DependsOn"] == "QueuePolicy"
    assert made["Properties"]["Region"] == "us-east-1"
    assert "RedrivePolicy" not in made["Properties"]
    assert _topics_that_may_send(document, "QueuePolicy") == [topic]
    assert _topics_that_may_send(document, "DeadLetterQueuePolicy") == []


def test_topics_whose_names_differ_in_signs_alone_collide_loudly_and_have_a_place() -> None:
    """CloudFormation names a subscription by letters and digits; nothing is dropped without a word."""
    pair = [arn("oven-alarms"), arn("oven_alarms")]
    with pytest.raises(TransformFailed, match="conflict with existing entries"):
        transformed(SnsTopicArns=",".join(pair))
    document = transformed(SnsTopicArns=pair[0], MoreSnsTopicArns=pair[1])
    made = resources(document, "AWS::SNS::Subscription")
    assert sorted(each["Properties"]["TopicArn"] for each in made.values()) == sorted(pair)


def _topics_that_may_send(document: dict[str, Any], policy: str) -> list[str]:
    return [
        topic
        for each in _allowances(document["Resources"][policy])
        if each["Principal"] == {"Service": "sns.amazonaws.com"}
        for topic in _listed(each["Condition"]["ArnEquals"]["aws:SourceArn"])
    ]


@pytest.mark.parametrize("queue", ["QueuePolicy", "DeadLetterQueuePolicy"])
def test_queues_refuse_what_is_not_tls(queue: str) -> None:
    """Payloads speak of people."""
    denials = [
        each for each in _properties(queue)["PolicyDocument"]["Statement"] if each.get("Effect") == "Deny"
    ]
    assert [each["Condition"] for each in denials] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_nothing_in_the_template_is_allowed_by_a_wildcard() -> None:
    """Each action and each resource is named: in roles, queue policies, and who may take a role on."""
    allowances = list(_allowances(_TEMPLATE))
    assert len(allowances) >= 13
    assert [found for statement in allowances for found in _wildcards(statement)] == []


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "*", "Resource": {"Ref": "Queue"}},
        {"Action": "sqs:*", "Resource": {"Ref": "Queue"}},
        {"Action": ["sqs:SendMessage", "sqs:Get*"], "Resource": {"Ref": "Queue"}},
        {"Action": "sqs:SendMessag?", "Resource": {"Ref": "Queue"}},
        {"Action": "sqs:SendMessage", "Resource": "*"},
        {"Action": "sqs:SendMessage", "Resource": [{"Ref": "Queue"}, "*"]},
        {"Action": "sqs:SendMessage", "Resource": {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:1:*"}},
        {"Action": "sqs:SendMessage", "Resource": {"Fn::Join": [":", ["arn:aws:sqs", "*"]]}},
        {"Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:eu-west-1:1:log-group:*:*"},
        {
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "arn:aws:secretsmanager:eu-west-1:1:secret:*",
        },
        {"NotAction": "sqs:SendMessage", "Resource": {"Ref": "Queue"}},
        {"Action": "sqs:SendMessage", "NotResource": {"Ref": "Queue"}},
        {"Action": "sqs:SendMessage", "Resource": {"Ref": "Queue"}, "Principal": "*"},
        {"Action": "sqs:SendMessage", "Resource": {"Ref": "Queue"}, "Principal": {"AWS": "*"}},
    ],
    ids=range(14),
)
def test_a_wildcard_is_found_wherever_it_stands(statement: dict[str, Any]) -> None:
    """Planted beside the template's own."""
    assert _wildcards({"Effect": "Allow", **statement})
    planted = {"Resources": [_TEMPLATE, {"Fn::If": ["Direct", {"Effect": "Allow", **statement}]}]}
    assert sum(map(bool, map(_wildcards, _allowances(planted)))) == 1


def test_a_log_group_s_streams_may_be_named_by_a_wildcard() -> None:
    """Streams have no names before they are made."""
    group = {"Fn::Sub": "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${ReceiveLogs}:*"}
    assert not _wildcards({"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": group})


def test_no_function_has_rights_that_its_role_does_not_list() -> None:
    """Neither a managed policy, nor one that SAM would add, nor a role that SAM would make."""
    types = {name: each["Type"] for name, each in _RESOURCES.items() if isinstance(each, dict)}
    made = {name for name, kind in types.items() if kind.startswith("AWS::IAM::")}
    assert made == set(_ROLES)
    for role in _ROLES:
        assert _properties(role).keys() == {"Description", "AssumeRolePolicyDocument", "Policies"}
        assert _properties(role)["AssumeRolePolicyDocument"]["Statement"] == [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    functions = {name for name, kind in types.items() if kind == "AWS::Serverless::Function"}
    assert functions == set(_FUNCTIONS)
    for function, role in zip(_FUNCTIONS, _ROLES, strict=True):
        assert _properties(function)["Role"] == {"Fn::GetAtt": f"{role}.Arn"}
        assert "Policies" not in _properties(function)
        assert "Policies" not in _TEMPLATE["Globals"]["Function"]


def test_receive_may_store_and_check_signatures_and_no_more() -> None:
    """Whoever takes over the function that faces the internet gets no push credentials."""
    assert _rights("ReceiveRole", DeliveryMode.QUEUE) == {
        ("logs:CreateLogStream", "ReceiveLogs.Arn"),
        ("logs:PutLogEvents", "ReceiveLogs.Arn"),
        ("secretsmanager:GetSecretValue", "SigningSecretsArn"),
        ("sqs:SendMessage", "Queue.Arn"),
    }


def test_receive_may_deliver_in_direct_mode_only() -> None:
    """The rights that come on top are those that delivering needs."""
    more = _rights("ReceiveRole", DeliveryMode.DIRECT) - _rights("ReceiveRole", DeliveryMode.QUEUE)
    assert more == {
        ("secretsmanager:GetSecretValue", "PushCredentialsArn"),
        ("sqs:SendMessage", "DeadLetterQueue.Arn"),
        *((f"dynamodb:{verb}Item", "Ledger.Arn") for verb in ("Get", "Update")),
    }


@pytest.mark.parametrize("mode", DeliveryMode)
def test_deliver_never_sees_the_signing_secrets(mode: DeliveryMode) -> None:
    """It consumes, parks, lays aside, claims and reads the push credentials, in both modes."""
    assert _rights("DeliverRole", mode) == {
        ("logs:CreateLogStream", "DeliverLogs.Arn"),
        ("logs:PutLogEvents", "DeliverLogs.Arn"),
        ("secretsmanager:GetSecretValue", "PushCredentialsArn"),
        *(
            (f"sqs:{verb}", "Queue.Arn")
            for verb in (
                "ReceiveMessage",
                "DeleteMessage",
                "GetQueueAttributes",
                "ChangeMessageVisibility",
                "SendMessage",
            )
        ),
        ("sqs:SendMessage", "DeadLetterQueue.Arn"),
        *((f"dynamodb:{verb}Item", "Ledger.Arn") for verb in ("Get", "Update")),
    }


@pytest.mark.parametrize("mode", DeliveryMode)
def test_a_role_may_decrypt_only_the_secrets_that_it_reads(mode: DeliveryMode) -> None:
    """With a customer managed key, and through Secrets Manager alone; without one there is no such right."""
    kms = "arn:aws:kms:eu-west-1:123456789012:key/"
    keys = {"SigningSecretsKeyArn": f"{kms}signing", "PushCredentialsKeyArn": f"{kms}push"}
    found = {}
    for role in _ROLES:
        document = transformed(DeliveryMode=mode, **keys)
        statements = [
            each for each in _allowances(document["Resources"][role]) if each["Action"] == "kms:Decrypt"
        ]
        found[role] = {each["Resource"].removeprefix(kms) for each in statements}
        for each in statements:
            via = each["Condition"]["StringEquals"]["kms:ViaService"]
            assert via == "secretsmanager.eu-west-1.amazonaws.com"
        assert "kms:" not in json.dumps(transformed(DeliveryMode=mode)["Resources"][role])
    direct = {"push"} if mode is DeliveryMode.DIRECT else set()
    assert found == {"ReceiveRole": {"signing"} | direct, "DeliverRole": {"push"}}


def test_receive_may_confirm_subscriptions_of_the_topics_that_call_it() -> None:
    """Of no other topic, and without a list there is no such right."""
    topics = [f"arn:aws:sns:eu-west-1:123456789012:{name}" for name in ("ovens", "doors")]
    document = transformed(HttpSnsTopicArns=",".join(topics))
    (statement,) = (
        each for each in _allowances(document["Resources"]["ReceiveRole"]) if "sns:" in str(each["Action"])
    )
    assert (statement["Action"], statement["Resource"]) == ("sns:ConfirmSubscription", topics)
    assert "sns:" not in json.dumps(transformed()["Resources"]["ReceiveRole"])


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_each_variable_is_read_by_the_settings_or_by_powertools(function: str) -> None:
    """A misspelt variable is a setting that silently keeps its default."""
    for name in _variables(function, DeliveryMode.DIRECT):
        assert name.startswith("POWERTOOLS_") or f'"{name}"' in _SETTINGS


def test_receive_is_told_of_the_push_api_in_direct_mode_only() -> None:
    """Variables follow rights."""
    more = _variables("ReceiveFunction", DeliveryMode.DIRECT) - _variables(
        "ReceiveFunction", DeliveryMode.QUEUE
    )
    assert more == {"PUSH_BASE_URL", "PUSH_CREDENTIALS_ARN", "LEDGER_TABLE", "DEAD_LETTER_QUEUE_URL"}
    assert "SIGNING_SECRETS_ARN" not in _variables("DeliverFunction", DeliveryMode.DIRECT)


def test_the_delivery_modes_are_those_of_the_code() -> None:
    """The parameter offers what the settings take."""
    assert set(_TEMPLATE["Parameters"]["DeliveryMode"]["AllowedValues"]) == set(DeliveryMode)


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_functions_log_to_a_group_whose_logs_expire(function: str) -> None:
    """A group that Lambda makes by itself keeps everything for ever."""
    group = _properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert _properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_access_log_is_json_and_holds_no_payload_query_or_header() -> None:
    """The caller's address is the one personal thing in it."""
    log_format = _properties("Stage")["AccessLogSettings"]["Format"]
    fields = json.loads(log_format)
    assert fields["source_ip"] == "$context.identity.sourceIp"
    used = set(re.findall(r"\$[\w.]+", log_format))
    assert not {name for name in used if re.search(r"path|query|header|body|userAgent|authorizer", name)}


def test_the_endpoint_is_throttled() -> None:
    """Or anybody could spend the account's money."""
    assert set(_properties("Stage")["DefaultRouteSettings"]) == {
        "ThrottlingRateLimit",
        "ThrottlingBurstLimit",
    }


def test_deliver_reports_single_failures_and_keeps_to_the_connection_limit() -> None:
    """The vendor's account has 3 connections at a time."""
    source = _properties("DeliverFunction")["Events"]["Stored"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"]["MaximumConcurrency"] <= 3


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
    """Credentials travel in the body."""
    pattern = _TEMPLATE["Parameters"]["PushBaseUrl"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, address)) is allowed


@pytest.mark.parametrize("parameter", ["PushCredentialsArn", "SigningSecretsArn"])
def test_a_secret_is_given_by_its_whole_arn(parameter: str) -> None:
    """A role with a partial ARN would be refused at the first event, not at the deployment."""
    pattern = _TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    whole = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:relay/push-AbC123"
    assert re.fullmatch(pattern, whole)
    assert not re.fullmatch(pattern, whole.removesuffix("-AbC123"))
    assert not re.fullmatch(pattern, "relay/push")


def test_every_parameter_is_described_and_stands_in_a_group() -> None:
    """The console shows a form, not a list of names."""
    interface = _TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(_TEMPLATE["Parameters"]) == sorted(interface["ParameterLabels"])
    assert all(parameter["Description"] for parameter in _TEMPLATE["Parameters"].values())


def test_every_output_can_be_imported() -> None:
    """Under the stack's name, so that several stacks live in one account."""
    for name, output in _TEMPLATE["Outputs"].items():
        assert output["Export"]["Name"] == {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
