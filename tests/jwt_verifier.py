"""The scheme `jwt` as the tests call it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jwt_senders import (
    BODY,
    NOW,
    Request,
    body_hash,
)
from push_relay.core.trust.schemes.proof import Evidence, Scheme, Verified
from push_relay.core.trust.schemes.registry import read_scheme

SECRET = b"planted secret"
HASH = "{body|sha256-hex}"
PLAIN: Mapping[str, Any] = {"token": "header:X-Token", "claims": {"iss": "planted", "hash": HASH}}
CLAIMS: Mapping[str, Any] = {"iss": "planted", "hash": body_hash()}


def scheme(table: Mapping[str, Any]) -> Scheme:
    """Make a scheme of a `[verify]` table."""
    return read_scheme({"scheme": "jwt", **table})


def verify(
    table: Mapping[str, Any],
    written: str,
    *secrets: bytes,
    body: bytes = BODY,
    now: float = NOW,
    settings: Mapping[str, str] | None = None,
) -> Verified:
    """Verify a request with a token in the header, or with a body that is the token."""
    request = Request(body, {"x-token": written})
    made = scheme(table)
    readings = [reading for secret in secrets or (SECRET,) for reading in made.secret.readings(secret)]
    assert readings
    verified = made(request, Evidence(readings, now, settings=settings or {}))
    assert verified.secret == b"" or verified.secret in readings
    return replace(verified, secret=b"")
