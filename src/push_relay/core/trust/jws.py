"""Read a signed token (JWS, compact form) in its one spelling.

RFC 7515 (JWS), RFC 7519 (JWT), RFC 7797 (unencoded payload), RFC 8725 (best current practice). A token that
is encrypted (JWE) has five parts and is refused here.
"""

import base64
from typing import NamedTuple

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.strict_json import JsonObject, Limits, parse_object
from push_relay.core.trust.schemes.proof import from_base64url

#: Characters of a token that is a body or a field of it. A header's is bounded by MAX_PROOF.
MAX_TOKEN = 1024 * 1024
#: Characters of a token's JOSE header, which may hold a chain of certificates.
MAX_JOSE = 16 * 1024
_PARTS = 3
_JOSE_LIMITS = Limits(depth=4, parts=100, text=MAX_JOSE)
_CLAIMS_LIMITS = Limits(depth=20, parts=20_000, text=MAX_TOKEN)


class Jws(NamedTuple):
    """A token, decoded and not verified.

    jose       the JOSE header
    payload    the payload; empty if it was left out
    encoded    the header's and the payload's parts as they were sent
    signature  the signature's bytes
    """

    jose: JsonObject
    payload: bytes
    encoded: tuple[str, str]
    signature: bytes

    def signing_input(self, detached: bytes | None = None, *, unencoded: bool = False) -> bytes:
        """Return the signed bytes, with the payload that was left out, which may be unencoded."""
        head, middle = self.encoded
        if detached is None:
            return f"{head}.{middle}".encode("ascii")
        written = detached if unencoded else base64.urlsafe_b64encode(detached).rstrip(b"=")
        return head.encode("ascii") + b"." + written


def read_jws(text: str) -> Jws | None:
    """Return a token; None unless it has three parts of canonical base64url and a JSON header."""
    if len(text) > MAX_TOKEN or not text.isascii() or text.count(".") != _PARTS - 1:
        return None
    head, middle, tail = text.split(".")
    jose = read_claims(from_base64url(head) or b"", _JOSE_LIMITS) if len(head) <= MAX_JOSE else None
    payload, signature = from_base64url(middle), from_base64url(tail)
    if jose is None or payload is None or not signature:
        return None
    return Jws(jose, payload, (head, middle), signature)


def read_claims(payload: bytes, limits: Limits = _CLAIMS_LIMITS) -> JsonObject | None:
    """Return the JSON object that bytes hold, strictly read: no member twice, no NaN. None for others."""
    try:
        return parse_object(payload, limits=limits)
    except (MalformedRequest, PayloadTooLarge):
        return None
