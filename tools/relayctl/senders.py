"""Sign requests as a sender does, by a source's `[verify]` table and with a secret of the local stack.

This module signs, and never verifies. It has no signer for a scheme whose key only the sender has
(`sns-http`); the examples of such a source are sent through AWS instead.
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from push_relay.core.trust.schemes.header_hmac import HeaderHmac
from push_relay.core.trust.schemes.moment import iso8601, unix_ms
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from relayctl.webhook import Webhook

#: A source's `[verify]` table, as parsed from TOML.
type Verify = Mapping[str, Any]

#: The length of a new secret. Standard Webhooks demands at least 24 bytes.
_SECRET_BYTES: Final = 24
_WHSEC: Final = "whsec_"


class CannotSignError(Exception):
    """A request cannot be signed for this scheme on this machine. The text contains the reason."""


def new_secret(verify: Verify) -> str:
    """Return a new random signing secret that is valid for the scheme."""
    return read_scheme(dict(verify)).secret.example(secrets.token_bytes(_SECRET_BYTES))


def is_valid_secret(secret: str, verify: Verify) -> bool:
    """Return whether `sign` can use a secret unchanged with the scheme."""
    return secret.encode() in read_scheme(dict(verify)).secret.readings(secret.encode())


def needs_secret(verify: Verify) -> bool:
    """Return whether the scheme needs a secret that the deployer stores."""
    return verify.get("scheme") not in WITHOUT_SECRET


def sign(webhook: Webhook, verify: Verify, secret: str, now: float) -> Webhook:
    """Return the request with the proof that the scheme demands.

    now  seconds since the epoch

    Raises CannotSignError.
    """
    scheme = read_scheme(dict(verify))
    if isinstance(scheme.verify, HeaderHmac):
        return _header_hmac(webhook, scheme.verify, secret, now)
    name = str(verify["scheme"])
    if name not in _SIGNERS:
        raise CannotSignError(f"requests of the scheme `{name}` cannot be signed on this machine")
    return _SIGNERS[name](webhook, verify, secret, now)


def timestamp_of(scheme: HeaderHmac, now: float) -> str:
    """Return the text of the timestamp that a scheme sends, or an empty text if it sends none.

    now  seconds since the epoch
    """
    if scheme.timestamp is None:
        return ""
    if scheme.timestamp.read is iso8601:
        return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(int(now * 1000)) if scheme.timestamp.read is unix_ms else str(int(now))


def _header_hmac(webhook: Webhook, scheme: HeaderHmac, secret: str, now: float) -> Webhook:
    timestamp = timestamp_of(scheme, now)
    before, after = (
        part.replace("{timestamp}", timestamp).encode() for part in (scheme.before, scheme.after)
    )
    mac = hmac.digest(secret.encode(), before + webhook.body + after, scheme.digest)
    headers = {scheme.header: scheme.prefix + scheme.encode(mac).decode()}
    if scheme.timestamp:
        headers[scheme.timestamp.header] = timestamp
    return _with_headers(webhook, headers)


def _pagerduty(webhook: Webhook, _verify: Verify, secret: str, _now: float) -> Webhook:
    mac = hmac.digest(secret.encode(), webhook.body, "sha256").hex()
    return _with_headers(webhook, {"x-pagerduty-signature": f"v1={mac}"})


def _stripe(webhook: Webhook, _verify: Verify, secret: str, now: float) -> Webhook:
    timestamp = str(int(now))
    mac = hmac.digest(secret.encode(), f"{timestamp}.".encode() + webhook.body, "sha256").hex()
    return _with_headers(webhook, {"stripe-signature": f"t={timestamp},v1={mac}"})


def _standard_webhooks(webhook: Webhook, verify: Verify, secret: str, now: float) -> Webhook:
    prefix = verify.get("header_prefix", "webhook")
    message_id, timestamp = f"msg_{secrets.token_hex(12)}", str(int(now))
    key = base64.b64decode(secret.removeprefix(_WHSEC))
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + webhook.body, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    proof = {"id": message_id, "timestamp": timestamp, "signature": signature}
    return _with_headers(webhook, {f"{prefix}-{name}": value for name, value in proof.items()})


def _token(webhook: Webhook, verify: Verify, secret: str, _now: float) -> Webhook:
    if "query" in verify:
        return replace(webhook, query={**webhook.query, verify["query"]: secret})
    return _with_headers(webhook, {str(verify["header"]).lower(): verify.get("prefix", "") + secret})


def _basic(webhook: Webhook, _verify: Verify, secret: str, _now: float) -> Webhook:
    return _with_headers(webhook, {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"})


def _none(webhook: Webhook, _verify: Verify, _secret: str, _now: float) -> Webhook:
    return webhook


_SIGNERS: Final[Mapping[str, Callable[[Webhook, Verify, str, float], Webhook]]] = {
    "pagerduty": _pagerduty,
    "stripe": _stripe,
    "standard-webhooks": _standard_webhooks,
    "token": _token,
    "basic": _basic,
    "none": _none,
}


def _with_headers(webhook: Webhook, headers: Mapping[str, str]) -> Webhook:
    return replace(webhook, headers={**webhook.headers, **headers})
