"""Make AWS clients: each of them once, and only those that are needed, because they dominate the start-up."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

#: The limits of every call. `receive` makes three in a row: it reads the secrets, reads them again and queues
#: the event. Even if all of them take as long as they can, it answers 503 before its own timeout.
CONNECT_SECS, READ_SECS, ATTEMPTS = 1, 3, 2
#: The connections to a service that are kept; default: 10. A worker makes ten writes of the ledger at a time,
#: and writes the permits meanwhile.
POOL = {"dynamodb": 16}
#: The longest pause between two attempts in seconds (the first one of botocore's standard mode).
PAUSE_SECS = 1

_clients: dict[str, Any] = {}
_making = threading.Lock()  # boto3's default session must not make clients in several threads


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
    """Make a client before its first call. If that fails, the first call fails too and reports the error."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (loaded with the client)

    with suppress(BotoCoreError):
        make()


def _client(service: str) -> Any:
    with _making:
        if service not in _clients:
            # Imported here, because it takes 16 times as long as the start of an interpreter.
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            config = Config(
                connect_timeout=CONNECT_SECS,
                read_timeout=READ_SECS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                tcp_keepalive=True,
                max_pool_connections=POOL.get(service, 10),
            )
            _clients[service] = cast("Any", boto3).client(service, config=config)
        return _clients[service]


def signed(url: str) -> Mapping[str, str]:
    """Return the headers that sign a GET of `https://SERVICE.REGION...` as the function's role.

    Returns none if there are no credentials, or if they cannot be read. Signature Version 4:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
    """
    # Imported here, because they are needed only once for each subscription.
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
    """Return AWS's name of an error, without its text, which may quote the request."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)
