"""The roles and policies of the template have no wildcards, and each function has only its own rights."""

import json
from typing import Any

import pytest

from push_relay.settings import DeliveryMode
from template_reader import (
    DOCUMENT,
    FUNCTIONS,
    RESOURCES,
    ROLES,
    allowances,
    properties,
    rights,
    variables,
    wildcards,
)
from transformed import transformed


@pytest.mark.parametrize("queue", ["QueuePolicy", "DeadLetterQueuePolicy"])
def test_queues_refuse_what_is_not_tls(queue: str) -> None:
    """Payloads contain personal data."""
    denials = [
        each for each in properties(queue)["PolicyDocument"]["Statement"] if each.get("Effect") == "Deny"
    ]
    assert [each["Condition"] for each in denials] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_nothing_in_the_template_is_allowed_by_a_wildcard() -> None:
    """Roles, queue policies and trust policies name each action, resource and principal."""
    statements = list(allowances(DOCUMENT))
    assert len(statements) >= 13
    assert [found for statement in statements for found in wildcards(statement)] == []


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
def test_a_wildcard_is_found_at_any_depth(statement: dict[str, Any]) -> None:
    """The statement is planted beside the template's own ones."""
    assert wildcards({"Effect": "Allow", **statement})
    planted = {"Resources": [DOCUMENT, {"Fn::If": ["Direct", {"Effect": "Allow", **statement}]}]}
    assert sum(map(bool, map(wildcards, allowances(planted)))) == 1


def test_the_streams_of_a_log_group_may_be_a_wildcard() -> None:
    """Lambda chooses the names of the streams."""
    group = {"Fn::Sub": "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${ReceiveLogs}:*"}
    assert not wildcards({"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": group})


def test_no_function_has_rights_that_its_role_does_not_list() -> None:
    """SAM would add managed policies, or make a role itself, if the template allowed it."""
    types = {name: each["Type"] for name, each in RESOURCES.items() if isinstance(each, dict)}
    made = {name for name, kind in types.items() if kind.startswith("AWS::IAM::")}
    assert made == set(ROLES)
    for role in ROLES:
        assert properties(role).keys() == {"Description", "AssumeRolePolicyDocument", "Policies"}
        assert properties(role)["AssumeRolePolicyDocument"]["Statement"] == [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    functions = {name for name, kind in types.items() if kind == "AWS::Serverless::Function"}
    assert functions == set(FUNCTIONS)
    for function, role in zip(FUNCTIONS, ROLES, strict=True):
        assert properties(function)["Role"] == {"Fn::GetAtt": f"{role}.Arn"}
        assert "Policies" not in properties(function)
        assert "Policies" not in DOCUMENT["Globals"]["Function"]


def test_receive_may_only_queue_and_read_signing_secrets() -> None:
    """The function faces the internet. An attacker who takes it over gets no push credentials.

    It stores the secret that a sender chooses in its handshake in the dead-letter queue.
    """
    assert rights("ReceiveRole", DeliveryMode.QUEUE) == {
        ("logs:CreateLogStream", "ReceiveLogs.Arn"),
        ("logs:PutLogEvents", "ReceiveLogs.Arn"),
        ("secretsmanager:GetSecretValue", "SigningSecretsArn"),
        ("sqs:SendMessage", "Queue.Arn"),
        ("sqs:SendMessage", "DeadLetterQueue.Arn"),
    }


def test_receive_may_deliver_in_direct_mode_only() -> None:
    """The additional rights are those that delivering needs."""
    more = rights("ReceiveRole", DeliveryMode.DIRECT) - rights("ReceiveRole", DeliveryMode.QUEUE)
    assert more == {
        ("secretsmanager:GetSecretValue", "PushCredentialsArn"),
        *((f"dynamodb:{verb}Item", "Ledger.Arn") for verb in ("Get", "Update")),
        *((f"dynamodb:{verb}Item", "Backlog.Arn") for verb in ("BatchWrite", "Update")),
    }


@pytest.mark.parametrize("mode", DeliveryMode)
def test_deliver_never_sees_the_signing_secrets(mode: DeliveryMode) -> None:
    """In both modes it may consume, park, dead-letter and claim events, and read the push credentials."""
    assert rights("DeliverRole", mode) == {
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
        *(
            (f"dynamodb:{verb}", "Backlog.Arn")
            for verb in ("BatchWriteItem", "UpdateItem", "DeleteItem", "Query")
        ),
    }


@pytest.mark.parametrize("mode", DeliveryMode)
def test_a_role_may_decrypt_only_the_secrets_that_it_reads(mode: DeliveryMode) -> None:
    """The right exists only with a customer managed key, and only through Secrets Manager."""
    kms = "arn:aws:kms:eu-west-1:123456789012:key/"
    keys = {"SigningSecretsKeyArn": f"{kms}signing", "PushCredentialsKeyArn": f"{kms}push"}
    found = {}
    for role in ROLES:
        document = transformed(DeliveryMode=mode, **keys)
        statements = [
            each for each in allowances(document["Resources"][role]) if each["Action"] == "kms:Decrypt"
        ]
        found[role] = {each["Resource"].removeprefix(kms) for each in statements}
        for each in statements:
            via = each["Condition"]["StringEquals"]["kms:ViaService"]
            assert via == "secretsmanager.eu-west-1.amazonaws.com"
        assert "kms:" not in json.dumps(transformed(DeliveryMode=mode)["Resources"][role])
    direct = {"push"} if mode is DeliveryMode.DIRECT else set()
    assert found == {"ReceiveRole": {"signing"} | direct, "DeliverRole": {"push"}}


def test_receive_may_confirm_subscriptions_of_the_topics_that_call_it() -> None:
    """It may confirm no other topic. Without a list it may confirm none."""
    topics = [f"arn:aws:sns:eu-west-1:123456789012:{name}" for name in ("ovens", "doors")]
    document = transformed(HttpSnsTopicArns=",".join(topics))
    (statement,) = (
        each for each in allowances(document["Resources"]["ReceiveRole"]) if "sns:" in str(each["Action"])
    )
    assert (statement["Action"], statement["Resource"]) == ("sns:ConfirmSubscription", topics)
    assert "sns:" not in json.dumps(transformed()["Resources"]["ReceiveRole"])


def test_receive_knows_the_push_api_in_direct_mode_only() -> None:
    """The variables fit the rights."""
    more = variables("ReceiveFunction", DeliveryMode.DIRECT) - variables(
        "ReceiveFunction", DeliveryMode.QUEUE
    )
    assert more == {
        *("PUSH_BASE_URL", "PUSH_CREDENTIALS_ARN"),
        *("LEDGER_TABLE", "LEDGER_WRITES", "BACKLOG_TABLE"),
    }
    assert "SIGNING_SECRETS_ARN" not in variables("DeliverFunction", DeliveryMode.DIRECT)
