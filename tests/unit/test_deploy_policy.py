"""docs/deploy-policy.json grants the permissions that a deployment needs, and no others.

CloudFormation publishes the permissions that the handlers of each resource type use. cfn-lint ships these
schemas. The permissions of `sam deploy` itself are listed here.
"""

import json
import re
from fnmatch import fnmatch
from functools import cache
from typing import Any

import pytest

from relayctl.project import ROOT
from transformed import arn, transformed

_SCHEMAS = ROOT / ".tools/sam/lib"
_POLICY: dict[str, Any] = json.loads((ROOT / "docs/deploy-policy.json").read_text("utf-8"))

#: Permissions for features that the template does not use, with the reason, by resource type and pattern.
NOT_NEEDED = {
    "AWS::*": {
        "kms:*": "no resource has a key of the deployer's",
        "ec2:*": "no function is in a VPC",
        "elasticfilesystem:*": "no function has a file system",
        "s3files:*": "the same",
        "iam:CreateServiceLinkedRole": "no replicas",
    },
    "AWS::DynamoDB::Table": {
        "dynamodb:*Item": "no data is imported or copied",
        "dynamodb:ImportTable": "the same",
        "dynamodb:Scan": "the same",
        "dynamodb:Query": "the same",
        "logs:*": "the same",
        "s3:*": "the same",
        "dynamodb:*Replica": "no replicas",
        "dynamodb:EnableKinesis*": "no stream",
        "dynamodb:DisableKinesis*": "no stream",
        "dynamodb:UpdateKinesis*": "no stream",
        "kinesis:*": "no stream",
        "dynamodb:PutResourcePolicy": "no resource policy",
        "dynamodb:DeleteResourcePolicy": "no resource policy",
        "dynamodb:UpdateContributorInsights": "no contributor insights",
    },
    "AWS::Lambda::Function": {
        "lambda:GetLayerVersion": "no layers",
        "lambda:PutFunctionCodeSigningConfig": "no code signing",
        "lambda:DeleteFunctionCodeSigningConfig": "no code signing",
        "lambda:PutFunctionScalingConfig": "no managed instances",
        "lambda:PassCapacityProvider": "no managed instances",
        "lambda:AssociateRuntimeAlias": "no runtime alias",
        "lambda:PutRuntimeManagementConfig": "the runtime is updated automatically",
        "lambda:PublishVersion": "no versions",
    },
    "AWS::IAM::Role": {
        "iam:*RolePermissionsBoundary": "no permissions boundary",
        "iam:AttachRolePolicy": "no managed policy",
    },
    "AWS::Logs::LogGroup": {
        "logs:PutDataProtectionPolicy": "no data protection policy",
        "logs:DeleteDataProtectionPolicy": "the same",
        "logs:PutIndexPolicy": "no index policy",
        "logs:DeleteIndexPolicy": "no index policy",
        "logs:*ssociateKmsKey": "no key of the deployer's",
        "logs:PutBearerTokenAuthentication": "no bearer tokens",
        "logs:PutLogGroupDeletionProtection": "no deletion protection",
        "logs:DeleteResourcePolicy": "no resource policy",
        "s3:*": "no audit destination",
        "firehose:*": "no audit destination",
    },
    "AWS::SNS::Subscription": {"iam:*": "no subscription of Firehose"},
    "AWS::ApiGatewayV2::*": {
        "s3:*": "no OpenAPI document",
        "iam:PassRole": "the endpoint invokes the function by the function's policy",
    },
}

#: Permissions that `sam deploy` itself needs, including those for its bucket and the endpoint's access log.
SAM = {
    "cloudformation:CreateChangeSet",
    "cloudformation:CreateStack",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResource",
    "cloudformation:DescribeStackResources",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplate",
    "cloudformation:GetTemplateSummary",
    "cloudformation:RollbackStack",
    "cloudformation:UpdateStack",
    "logs:DeleteLogDelivery",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:UpdateLogDelivery",
    "s3:CreateBucket",
    "s3:GetBucketPolicy",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketPublicAccessBlock",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutObject",
    "sts:GetCallerIdentity",
}


def granted() -> set[str]:
    """Return the actions of the policy."""
    actions: set[str] = set()
    for statement in _POLICY["Statement"]:
        assert statement["Effect"] == "Allow"
        actions |= set(statement["Action"])
    return actions


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return the handlers of every resource type."""
    found = {}
    for file in _SCHEMAS.glob("python3*/site-packages/cfnlint/data/schemas/resources/*.json"):
        document = json.loads(file.read_text("utf-8"))
        found[document["typeName"]] = document.get("handlers", {})
    return found


def types() -> list[str]:
    """Return the types of the resources that the template can create."""
    document = transformed(
        SnsTopicArns=arn("a"), MoreSnsTopicArns=arn("b"), OtherRegionSnsTopicArns=arn("c", "us-east-1")
    )
    return sorted({each["Type"] for each in document["Resources"].values()})


def used(kind: str) -> set[str]:
    """Return the permissions that a type's handlers use."""
    return {
        action
        for handler in ("create", "read", "update", "delete")
        for action in schemas()[kind].get(handler, {}).get("permissions", [])
    }


def is_needed(kind: str, action: str) -> bool:
    """Return whether the template needs an action of a resource type."""
    tables = [table for kinds, table in NOT_NEEDED.items() if fnmatch(kind, kinds)]
    return not any(fnmatch(action, pattern) for table in tables for pattern in table)


@pytest.mark.parametrize("kind", types())
def test_the_policy_grants_the_permissions_of_each_resource_type(kind: str) -> None:
    """If the template gains a resource of a new type, this test lists the permissions to add."""
    assert used(kind)
    assert sorted(action for action in used(kind) - granted() if is_needed(kind, action)) == []


def test_the_policy_grants_nothing_else() -> None:
    """A permission that nothing needs any longer must be removed from the policy."""
    needed = {action for kind in types() for action in used(kind) if is_needed(kind, action)}
    assert sorted(granted() - needed - SAM) == []
    assert sorted(SAM - granted()) == []


def test_every_exception_excludes_a_permission_of_a_schema() -> None:
    """An outdated exception could hide a permission that the template needs later."""
    for kinds, table in NOT_NEEDED.items():
        actions = {action for kind in types() if fnmatch(kind, kinds) for action in used(kind)}
        assert [pattern for pattern in table if not any(fnmatch(a, pattern) for a in actions)] == []


def test_the_policy_allows_the_setting_of_recursive_loops() -> None:
    """Without this permission, a deployment fails at the function's property `RecursiveLoop`."""
    assert "lambda:PutFunctionRecursionConfig" in granted()


def test_permissions_are_limited_to_the_stack_s_names_if_aws_allows_it() -> None:
    """Only actions without a resource of their own are granted for `*`."""
    for statement in _POLICY["Statement"]:
        assert all("*" not in action for action in statement["Action"])
        if statement["Resource"] == "*":
            assert statement["Sid"] in {"WhatHasNoName", "EndpointsAccessLog", "EventSourcesAndSubscriptions"}
        else:
            assert all(
                re.search(r"push-relay|aws-sam-cli-managed|::/(apis|tags)|:aws:transform/", each)
                for each in statement["Resource"]
            )
