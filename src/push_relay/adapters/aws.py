"""Make AWS clients, once each and only those that are needed: a client costs more than all else at start."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

#: Bounds of every call. `receive` makes three in a row (secrets, secrets read anew, queue): with all of them
#: at their worst it still answers 503 itself, and is not cut off by its timeout.
CONNECT_SECS, READ_SECS, ATTEMPTS = 1, 3, 2
#: Seconds between two attempts, at the most (the first of botocore's standard mode).
PAUSE_SECS = 1

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


def prepare(make: Callable[[], object]) -> None:
    """Make a client before its first call. An error is left to that call, which reports it."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (loaded with the client)

    with suppress(BotoCoreError):
        make()


def _client(service: str) -> Any:
    with _making:
        if service not in _clients:
            # Imported where it is needed: 16 times a bare interpreter's start.
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            config = Config(
                connect_timeout=CONNECT_SECS,
                read_timeout=READ_SECS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                tcp_keepalive=True,
            )
            _clients[service] = cast("Any", boto3).client(service, config=config)
        return _clients[service]


def signed(url: str) -> Mapping[str, str]:
    """Return the headers that sign a GET of `https://SERVICE.REGION...` as the function's role.

    Nothing if there are no credentials, or none that can be read. Signature Version 4:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
    """
    # Imported where they are needed, which is once for each subscription.
    import boto3  # noqa: PLC0415
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    service, region, *_ = url.removeprefix("https://").split(".")
    request = AWSRequest("GET", url)
    try:
        with _making:
            credentials = cast("Any", boto3).Session().get_credentials()
        SigV4Auth(credentials and credentials.get_frozen_credentials(), service, region).add_auth(request)
    except BotoCoreError:
        return {}
    return dict(request.headers)


def error_name(error: Exception) -> str:
    """Return what AWS calls an error, without the text, which may quote the request."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)
