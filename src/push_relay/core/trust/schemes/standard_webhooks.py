"""Standard Webhooks: id, timestamp and body under one or several signatures, HMAC or Ed25519.

https://github.com/standard-webhooks/standard-webhooks/blob/b2fa7b8719fb75d326b591077f5d1b385cfcdfae/spec/standard-webhooks.md
"""

import hmac
import re
from collections.abc import Sequence
from functools import partial

from push_relay.core.trust.schemes.moment import require_fresh, unix
from push_relay.core.trust.schemes.proof import (
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    base64_text,
    fits,
    from_base64,
    header,
    keys,
    require,
)
from push_relay.core.trust.schemes.secret_form import STANDARD
from push_relay.core.trust.verify_table import VerifyStandardWebhooks

# No dot, because `id.timestamp.body` must have one reading. No comma or space, because two joined headers
# are not an id.
_ID = re.compile(r"[!-+/-~-]{1,256}")
#: Ed25519 signatures in a request. A sender that rotates its key sends two.
MAX_SIGNATURES = 4
_SIGNATURE_BYTES = 64
_SIGNATURE = re.compile(r"v[0-9]+[a-z]*,[A-Za-z0-9+/]+={0,2}")


def standard_webhooks(table: VerifyStandardWebhooks) -> Scheme:
    """Make the scheme `webhook-signature: v1,<base64> [v1a,<base64> ...]` of `<id>.<seconds>.<body>`.

    The secret's prefix is its kind, and the secret is used for nothing else: `whsec_` is an HMAC-SHA256 key
    (v1), `whpk_` an Ed25519 public key (v1a). So a public key, which is not secret, never verifies an HMAC. A
    secret without a prefix, or one that is not base64 after it, fits nothing. `Scheme.secret` returns the
    readings of a stored secret in this form.
    The headers' names begin with `header_prefix`: `webhook`, or `svix` for senders older than the standard.
    """
    verify = partial(_verify, prefix=table.header_prefix, tolerance=table.tolerance_secs)
    return Scheme(verify, secret=STANDARD)


def _verify(request: SignedRequest, evidence: Evidence, *, prefix: str, tolerance: float) -> Verified:
    event_id = header(request, f"{prefix}-id")
    timestamp = header(request, f"{prefix}-timestamp")
    offered = header(request, f"{prefix}-signature").split(" ")
    require(_ID.fullmatch(event_id) is not None)
    require(all(_SIGNATURE.fullmatch(signature) for signature in offered))
    moment = unix(timestamp)
    signed = f"{event_id}.{timestamp}.".encode() + request.body
    require(_symmetric(offered, signed, evidence) or _asymmetric(offered, signed, evidence))
    require_fresh(moment, evidence.now, tolerance)
    return Verified(request.body, event_id)


def _symmetric(offered: Sequence[str], signed: bytes, evidence: Evidence) -> bool:
    secrets = _keys(evidence, b"whsec_")
    return fits(offered, (b"v1," + base64_text(hmac.digest(key, signed, "sha256")) for key in secrets))


def _asymmetric(offered: Sequence[str], signed: bytes, evidence: Evidence) -> bool:
    public = _keys(evidence, b"whpk_")
    decoded = (from_base64(text.removeprefix("v1a,")) for text in offered if text.startswith("v1a,"))
    signatures = [value for value in decoded if value and len(value) == _SIGNATURE_BYTES]
    # Each costs a verification of the whole body for an unverified sender.
    require(len(signatures) <= MAX_SIGNATURES)
    return any(_ed25519(key, signature, signed) for key in public for signature in signatures)


def _ed25519(key: bytes, signature: bytes, signed: bytes) -> bool:
    # Imported here, so that only a relay whose senders use it pays for it.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):  # it does not fit, or is not a key
        return False
    return True


def _keys(evidence: Evidence, prefix: bytes) -> Sequence[bytes]:
    """Return the keys that secrets of a kind contain. Some senders omit the padding."""
    written = (secret.removeprefix(prefix) for secret in keys(evidence) if secret.startswith(prefix))
    texts = (text.decode("ascii") for text in written if text.isascii())
    decoded = (from_base64(text + "=" * (-len(text) % 4)) for text in texts)
    return [key for key in decoded if key]
