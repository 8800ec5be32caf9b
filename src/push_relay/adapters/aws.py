"""The clients of the AWS services: each of them is made once, and only those that are needed."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from push_relay.adapters import aws_place, tls
from push_relay.adapters.aws_error import AwsError
from push_relay.adapters.aws_http import ATTEMPTS, PAUSE_SECS, AwsClient, Service
from push_relay.adapters.aws_signature import Credentials, Signer
from push_relay.adapters.connection_pool import ConnectionPool

__all__ = ["ATTEMPTS", "CONNECT_SECS", "PAUSE_SECS", "READ_SECS", "AwsClient", "AwsError"]

#: The limits of every call. `receive` makes three in a row: it reads the secrets, reads them again and queues
#: the event. Even if all of them take as long as they can, it answers 503 before its own timeout.
CONNECT_SECS, READ_SECS = 1.0, 3.0
_SERVICES = {
    "dynamodb": Service("dynamodb", "DynamoDB_20120810"),
    "sqs": Service("sqs", "AmazonSQS"),
    "secretsmanager": Service("secretsmanager", "secretsmanager", json="1.1"),
}

_clients: dict[str, AwsClient] = {}
_making = threading.Lock()


def sqs() -> AwsClient:
    """Return the SQS client. Raises AwsError."""
    return _client("sqs")


def dynamodb() -> AwsClient:
    """Return the DynamoDB client. Raises AwsError."""
    return _client("dynamodb")


def secretsmanager() -> AwsClient:
    """Return the Secrets Manager client. Raises AwsError."""
    return _client("secretsmanager")


def prepare(make: Callable[[], object]) -> None:
    """Make a client before its first call. If that fails, the first call fails too and reports the error."""
    with suppress(AwsError):
        make()


def _client(name: str) -> AwsClient:
    with _making:
        if name not in _clients:
            _clients[name] = _made(_SERVICES[name])
        return _clients[name]


def _made(service: Service) -> AwsClient:
    region = aws_place.region()
    url = urlsplit(aws_place.endpoint(service.name, region))
    context = tls.context() if url.scheme == "https" else None
    pool = ConnectionPool(url, context, connect_secs=CONNECT_SECS, read_secs=READ_SECS, in_one_piece=True)
    return AwsClient(
        service,
        Signer(service.name, region),
        aws_place.RoleCredentials(),
        host=url.netloc.rpartition("@")[2],
        path=url.path or "/",
        post=pool.begin,
    )


def signed(url: str) -> Mapping[str, str]:
    """Return the headers that sign a GET of `https://SERVICE.REGION...` as the function's role.

    Returns none if there are no credentials, or if they cannot be read. Signature Version 4:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
    """
    # Imported here, because they are needed only once for each subscription.
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    service, region, *_ = url.removeprefix("https://").split(".")
    request = AWSRequest("GET", url)
    try:
        SigV4Auth(_frozen(aws_place.RoleCredentials()()), service, region).add_auth(request)
    except (BotoCoreError, AwsError):
        return {}
    return dict(request.headers)


def _frozen(found: Credentials) -> object:
    from botocore.credentials import ReadOnlyCredentials  # noqa: PLC0415 (as above)

    return ReadOnlyCredentials(found.access_key, found.secret_key, found.token or None)
