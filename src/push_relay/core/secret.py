"""A stored secret: when it is read again, and what its JSON may look like.

Two secrets are stored, both by the deployer. Unambiguous variants that people's tools produce are accepted:

| secret           | content                                         | also accepted                         |
|------------------|-------------------------------------------------|---------------------------------------|
| signing secrets  | `{"<source>": "secret"}`, or a list of secrets, | a whole number as a secret; a JSON    |
|                  | or an object with `secret` and settings         | Web Key or key set as an object       |
| push credentials | `{"CompanyId": 1, "IntegrationKey": "..."}`     | a number as a text, space at its ends |

In both, names may differ in capitals and in space around them. The JSON may begin with a byte order mark, be
in single quotes, or be a JSON text that contains JSON.
"""

import json
import math
import threading
from collections.abc import Callable
from typing import Any

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret_text import visible
from push_relay.core.strict_json import replace_half_pairs

#: Seconds that a secret is used after it was read. A secret that was removed is used for no longer, not even
#: while Secrets Manager fails.
MAX_AGE_SECS = 300
#: Seconds between two refetches. A flood of forgeries or of refused pushes must not become one of AWS calls.
MIN_REFETCH_SECS = 60
#: Seconds for which a failed read is remembered. Until a read succeeds, nothing is accepted or sent.
FAILURE_AGE_SECS = 5


class CachedSecret:
    """One secret's text, which is read as rarely as possible. Safe to use from several threads.

    read       returns the text as it is stored now; raises CredentialsUnavailable
    now        seconds since the epoch. The text's age is measured by it, because the monotonic clock of a
               function that Lambda has frozen may stand still.
    monotonic  seconds that never step back
    """

    def __init__(
        self, read: Callable[[], str], now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._read = read
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept = (-math.inf, "")  # when the text was read, and the text
        self._failed = (-math.inf, "")  # when a read failed, and why
        self._refetched = -math.inf
        self._refetch_error: str | None = None

    def text(self) -> str:
        """Return the text, at most MAX_AGE_SECS old. Raises CredentialsUnavailable."""
        with self._lock:
            return self._text()

    def refetched(self, interval_secs: float = MIN_REFETCH_SECS) -> str:
        """Return the text as it is now, or as it was at the last refetch within the interval.

        After a refetch that has failed, the interval is at least MIN_REFETCH_SECS: each attempt may take
        seconds. Raises CredentialsUnavailable. The known text stays valid then: a forger can cause the
        refetch, and senders who use the known secret must not be refused because of it.
        """
        with self._lock:
            now = self._monotonic()
            failed = self._refetch_error is not None
            if now - self._refetched < (max(interval_secs, MIN_REFETCH_SECS) if failed else interval_secs):
                if self._refetch_error is not None:
                    raise CredentialsUnavailable(self._refetch_error)
                return self._text()
            self._refetched, self._refetch_error = now, None
            try:
                return self._fetch()
            except CredentialsUnavailable as exc:
                self._refetch_error = exc.detail
                raise

    def _text(self) -> str:
        failed_at, reason = self._failed
        if self._monotonic() - failed_at < FAILURE_AGE_SECS:
            raise CredentialsUnavailable(reason)
        read_at, text = self._kept
        if 0 <= self._now() - read_at < MAX_AGE_SECS:
            return text
        try:
            return self._fetch()
        except CredentialsUnavailable as exc:
            self._failed = (self._monotonic(), exc.detail)
            raise

    def _fetch(self) -> str:
        text = self._read()
        self._kept = (self._now(), text)
        self._failed = (-math.inf, "")
        return text


def read_object(text: str, what: str, example: str) -> dict[str, Any]:
    """Return the JSON object of a secret's text. Raises CredentialsUnavailable, which does not quote it."""
    try:
        value = json.loads(_unquoted(text))
        if isinstance(value, str):
            value = json.loads(_unquoted(value))
    except (ValueError, RecursionError):
        # The exception contains the secret, so it must not be the cause of the new one.
        raise CredentialsUnavailable(f"the {what} are not JSON such as {example}") from None
    if not isinstance(value, dict):
        raise CredentialsUnavailable(f"the {what} are not a JSON object such as {example}")
    return value


def read_member(value: dict[str, Any], name: str) -> object:
    """Return the member of this name; else the only one whose name differs in capitals and outer space."""
    if name in value:
        return value[name]
    alike = [given for given in value if visible(given).lower() == name.lower()]
    return value[alike[0]] if len(alike) == 1 else None


def read_text(value: object) -> str:
    """Return a text, or the digits of a whole number. Anything else, and a text without UTF-8, is empty."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if replace_half_pairs(text) == text else ""


def _unquoted(text: str) -> str:
    """Return JSON without invisible characters at its ends, and without a shell's single quotes."""
    trimmed = visible(text)
    quoted = len(trimmed) > 1 and trimmed[0] == trimmed[-1] == "'"
    return visible(trimmed[1:-1]) if quoted else trimmed
