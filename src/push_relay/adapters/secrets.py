"""Secrets from Secrets Manager through Powertools' parameters: cached, refetched on demand, never shown.

Two secrets, both the deployer's. What is unambiguous is accepted in the forms in which people store it:

| secret | content | also accepted |
|---|---|---|
| signing secrets | `{"<source>": "secret" or ["new", "old"]}` | a whole number |
| push credentials | `{"CompanyId": 1, "IntegrationKey": "..."}` | a number as a text, space at the ends |

In both, a name may have space round it and other capitals. Both may begin with a byte order mark, be in
single quotes, be JSON inside a JSON text, and be stored as bytes, in UTF-16 too. The scheme decides what one
signing secret may look like (core/trust/schemes/secret_form.py).
"""

import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from push_relay.adapters import aws
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.strict_json import replace_half_pairs
from push_relay.core.trust.schemes.secret_form import visible

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

#: Seconds that a secret is kept. One that somebody took away is good for no longer, in an outage neither.
MAX_AGE = 300
#: Seconds between two refetches: a flood of forgeries or refused calls must not become one of calls to AWS.
MIN_REFETCH = 60
#: Seconds for which a failure to read a secret is remembered: nothing can be let in or sent until it is read.
FAILURE_AGE = 5

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")

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
        value: object = _provider().get(arn, max_age=MAX_AGE, force_fetch=force)
        # `--secret-binary` stores bytes.
        return value.decode(json.detect_encoding(value)) if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        # The exception holds the secret: break the chain.
        raise CredentialsUnavailable("a secret in Secrets Manager is neither a text nor UTF-8") from None
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
    """Return a source's secrets as they are stored; an empty one for each that is no text, to fit nothing."""
    value = _member(_object(text, "signing secrets", '{"<source>": "<secret>"}'), source)
    stored = value if isinstance(value, list) else [value]
    texts = [_text(secret) for secret in stored]
    if value is None or not stored:
        raise CredentialsUnavailable(f'the signing secrets hold none for this source: add "{source}" to them')
    if not any(texts):
        raise CredentialsUnavailable(f"the signing secret of `{source}` is not a text, or is empty")
    return [secret.encode("utf-8") for secret in texts]


def _credentials(text: str) -> Credentials:
    value = _object(text, "push credentials", '{"CompanyId": 1234, "IntegrationKey": "<key>"}')
    company_id, key = (visible(_text(_member(value, name))) for name in ("CompanyId", "IntegrationKey"))
    if not _WHOLE_NUMBER.fullmatch(company_id):
        raise CredentialsUnavailable("the push credentials' CompanyId is not a whole number")
    if not key:
        raise CredentialsUnavailable("the push credentials' IntegrationKey is not a text, or is empty")
    return Credentials(int(company_id), key)


def _member(value: dict[str, Any], name: str) -> object:
    """Return the member of this name; else the one whose name differs only in capitals and space round it."""
    if name in value:
        return value[name]
    alike = [given for given in value if visible(given).lower() == name.lower()]
    return value[alike[0]] if len(alike) == 1 else None


def _text(value: object) -> str:
    """Return a text, or the digits of a whole number; empty for anything else, and for what has no UTF-8."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if replace_half_pairs(text) == text else ""


def _object(text: str, what: str, example: str) -> dict[str, Any]:
    try:
        value = json.loads(_unquoted(text))
        if isinstance(value, str):
            value = json.loads(_unquoted(value))
    except (ValueError, RecursionError):
        # The exception holds the secret: break the chain.
        raise CredentialsUnavailable(f"the {what} are not JSON such as {example}") from None
    if not isinstance(value, dict):
        raise CredentialsUnavailable(f"the {what} are not a JSON object such as {example}")
    return value


def prepare() -> None:
    """Load what reading a secret needs, and read none."""
    aws.prepare(_provider)


def _unquoted(text: str) -> str:
    """Return JSON without what is invisible round it, and without a shell's single quotes."""
    trimmed = visible(text)
    quoted = len(trimmed) > 1 and trimmed[0] == trimmed[-1] == "'"
    return visible(trimmed[1:-1]) if quoted else trimmed


@cache
def _provider() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415 (the same)

    return SecretsProvider(boto3_client=aws.secretsmanager())
