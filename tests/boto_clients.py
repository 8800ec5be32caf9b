"""boto3's clients. With them tests prepare the local AWS, and look at what the relay has stored there."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


def dynamodb() -> "DynamoDBClient":
    """Return the DynamoDB client."""
    return cast("DynamoDBClient", _client("dynamodb", os.environ["AWS_ENDPOINT_URL"]))


def sqs() -> "SQSClient":
    """Return the SQS client."""
    return cast("SQSClient", _client("sqs", os.environ["AWS_ENDPOINT_URL"]))


def secretsmanager() -> "SecretsManagerClient":
    """Return the Secrets Manager client."""
    return cast("SecretsManagerClient", _client("secretsmanager", os.environ["AWS_ENDPOINT_URL"]))


@cache
def _client(service: str, endpoint: str) -> Any:
    return cast("Any", boto3).client(service, endpoint_url=endpoint)
