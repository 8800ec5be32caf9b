"""Requests with a proof that a description describes, for the tests of descriptions."""

from collections.abc import Mapping
from typing import Any

from push_relay.core.errors import Unauthenticated
from push_relay.core.trust.schemes.proof import Evidence, Verified
from push_relay.core.trust.schemes.registry import read_scheme
from sender_case import mac
from sns_sender import NOW, Request

SECRET = b"planted secret"


def verified(
    verify: Mapping[str, Any],
    request: Request,
    *secrets: bytes,
    settings: Mapping[str, str] | None = None,
    now: float = NOW,
) -> Verified:
    """Verify a request by a description."""
    return read_scheme(verify)(request, Evidence(secrets or (SECRET,), now, settings=settings or {}))


def refused(*given: Any, **more: Any) -> bool:
    """Return whether a request is refused."""
    try:
        verified(*given, **more)
    except Unauthenticated:
        return True
    return False


def signed(text: str | bytes, **more: Any) -> Request:
    """Return a request with the signature of a text in the header `x-s`."""
    content = text if isinstance(text, bytes) else text.encode()
    headers = {"x-s": mac(SECRET, content).hex(), **more.pop("headers", {})}
    return Request(**{"body": b'{"a": 1}', "headers": headers, **more})


def described(text: str, **more: Any) -> dict[str, Any]:
    """Return a description of an HMAC of a text in the header `x-s`."""
    return {"scheme": "signed", "signature": "header:x-s", "text": text, **more}
