"""Make AWS clients, once each and only when they are needed: a client costs more than all else at start."""

import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

_clients: dict[str, Any] = {}
_making = threading.Lock()  # boto3's default session is not safe to make clients from several threads


def sqs() -> "SQSClient":
    """Return the SQS client."""
    return cast("SQSClient", _client("sqs"))


def dynamodb() -> "DynamoDBClient":
    """Return the DynamoDB client."""
    return cast("DynamoDBClient", _client("dynamodb"))


def secretsmanager() -> "SecretsManagerClient":
    """Return the Secrets Manager client."""
    return cast("SecretsManagerClient", _client("secretsmanager"))


def _client(service: str) -> Any:
    with _making:
        if service not in _clients:
            # Imported where it is needed: 16 times a bare interpreter's start.
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            # Every call is bounded well below the functions' timeout: a slow service parks an event, and
            # never hangs it.
            config = Config(
                connect_timeout=2,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 3},
                tcp_keepalive=True,
            )
            _clients[service] = cast("Any", boto3).client(service, config=config)
        return _clients[service]


def error_name(error: Exception) -> str:
    """Return what AWS calls an error, without the text, which may quote the request."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)
