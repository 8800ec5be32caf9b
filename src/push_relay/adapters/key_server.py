"""Fetch a document of public keys that a sender publishes, over HTTPS."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from push_relay.adapters.bounded_get import TOTAL_SECS, BoundedGet
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.public_keys import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from urllib3 import PoolManager

_NO_SUCH_DOCUMENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_TROUBLE = "the sender's keys cannot be read"


class KeyServer:
    """The servers on which senders publish their keys."""

    def __init__(self, pool: "PoolManager | None" = None) -> None:
        self._get = BoundedGet(pool)

    def document(self, url: str) -> bytes | None:
        """Fetch a document; return None if the server has none there. Raises CredentialsUnavailable."""
        status, body = self._get(url, _TROUBLE, limit=MAX_DOCUMENT_BYTES, secs=TOTAL_SECS)
        if status in _NO_SUCH_DOCUMENT:
            return None
        if status != HTTPStatus.OK:
            raise CredentialsUnavailable(f"{_TROUBLE} ({status})")
        return body
