"""Secrets from Secrets Manager through Powertools' parameters: cached, refetched on demand, never shown.

Two secrets, both the deployer's:
  signing secrets   {"<source>": "secret" | ["new", "old"], ...}
  push credentials  {"CompanyId": <whole number>, "IntegrationKey": "<text>"}
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.core.encoding import Credentials
from push_relay.core.errors import CredentialsUnavailable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

#: Seconds that a secret is kept. One that somebody took away is good for no longer, in an outage neither.
MAX_AGE = 300
#: Seconds between two refetches: a flood of forgeries or refused calls must not become one of calls to AWS.
MIN_REFETCH = 60
#: Seconds for which a failure to read a secret is remembered: nothing can be let in or sent until it is read.
FAILURE_AGE = 5

#: (secret's ARN, whether to pass over the cache) -> the secret's text.
type Fetch = Callable[[str, bool], str]


def fetch_secret(arn: str, force: bool) -> str:  # noqa: FBT001
    """Return a secret's text from Secrets Manager, kept for MAX_AGE seconds.

    Raises CredentialsUnavailable, whose text names neither the secret nor its content.
    """
    # Imported where it is needed: 18 times a bare interpreter's start.
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (loaded with the client)

    try:
        return str(_provider().get(arn, max_age=MAX_AGE, force_fetch=force))
    except (GetParameterError, BotoCoreError) as exc:
        cause = type(exc.__context__ or exc).__name__
        raise CredentialsUnavailable(f"a secret cannot be read from Secrets Manager ({cause})") from None


class _Secret:
    """One secret's text: cached, read anew at most once in a while, and not asked for again while AWS fails.

    A flood of forgeries, or of refused pushes, must not become one of calls to AWS.
    """

    def __init__(self, arn: str, fetch: Fetch, monotonic: Callable[[], float]) -> None:
        self._arn = arn
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._refetched = float("-inf")
        self._not_refetched: str | None = None
        self._failed: tuple[float, str] | None = None

    def text(self) -> str:
        """Return the secret as it was last read. Raises CredentialsUnavailable."""
        with self._lock:
            return self._text()

    def _text(self) -> str:
        failed = self._failed
        if failed and self._monotonic() - failed[0] < FAILURE_AGE:
            raise CredentialsUnavailable(failed[1])
        try:
            text = self._fetch(self._arn, False)  # noqa: FBT003 (the port's)
        except CredentialsUnavailable as exc:
            self._failed = (self._monotonic(), exc.detail)
            raise
        self._failed = None
        return text

    def text_anew(self) -> str:
        """Return the secret as it is now, or as it was read within MIN_REFETCH seconds.

        Raises CredentialsUnavailable. What is known stays good then: a forger can cause the attempt, and
        those who hold the known secret must not be turned away for it.
        """
        with self._lock:
            now = self._monotonic()
            if now - self._refetched < MIN_REFETCH:
                if self._not_refetched is not None:
                    raise CredentialsUnavailable(self._not_refetched)
                return self._text()
            self._refetched, self._not_refetched = now, None
            try:
                return self._fetch(self._arn, True)  # noqa: FBT003 (the port's)
            except CredentialsUnavailable as exc:
                self._not_refetched = exc.detail
                raise


class SecretsManagerSigningSecrets:
    """The secrets that senders sign with, by source."""

    def __init__(
        self, arn: str, fetch: Fetch = fetch_secret, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret = _Secret(arn, fetch, monotonic)

    def of(self, source: str) -> Sequence[bytes]:
        """Return a source's secrets. Raises CredentialsUnavailable where there is none: fails closed."""
        return _signing_secrets(self._secret.text(), source)

    def refreshed(self, source: str) -> Sequence[bytes]:
        """Return them as they are now, read again at most once in MIN_REFETCH seconds."""
        return _signing_secrets(self._secret.text_anew(), source)


class SecretsManagerPushCredentials:
    """The organisation's credentials at the vendor."""

    def __init__(
        self, arn: str, fetch: Fetch = fetch_secret, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret = _Secret(arn, fetch, monotonic)

    def current(self) -> Credentials:
        """Return the credentials. Raises CredentialsUnavailable, also for a secret of another shape."""
        return _credentials(self._secret.text())

    def refreshed(self) -> Credentials:
        """Return the credentials as they are now, read again at most once in MIN_REFETCH seconds."""
        return _credentials(self._secret.text_anew())


def _signing_secrets(text: str, source: str) -> Sequence[bytes]:
    value = _object(text, "signing secrets").get(source)
    secrets = [value] if isinstance(value, str) else value
    if not isinstance(secrets, list) or not secrets:
        raise CredentialsUnavailable("the signing secrets hold none for this source")
    if not all(isinstance(secret, str) and secret for secret in secrets):
        raise CredentialsUnavailable("a source's signing secret is not a text, or is empty")
    try:
        return [secret.encode("utf-8") for secret in secrets]
    except UnicodeEncodeError:
        # The exception holds the secret: break the chain.
        raise CredentialsUnavailable("a source's signing secret is not UTF-8") from None


def _credentials(text: str) -> Credentials:
    value = _object(text, "push credentials")
    company_id, key = value.get("CompanyId"), value.get("IntegrationKey")
    if not isinstance(company_id, int) or isinstance(company_id, bool):
        raise CredentialsUnavailable("the push credentials' CompanyId is not a whole number")
    if not isinstance(key, str) or not key:
        raise CredentialsUnavailable("the push credentials' IntegrationKey is not a text, or is empty")
    return Credentials(company_id, key)


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        # The exception holds the secret: break the chain.
        raise CredentialsUnavailable(f"the {what} are not JSON") from None
    if not isinstance(value, dict):
        raise CredentialsUnavailable(f"the {what} are not a JSON object")
    return value


def prepare() -> None:
    """Load what reading a secret needs, and read none."""
    aws.prepare(_provider)


@cache
def _provider() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415 (the same)

    return SecretsProvider(boto3_client=aws.secretsmanager())
