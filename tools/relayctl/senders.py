"""Sign requests as a sender does, by a source's `[verify]` table and with a secret of the local stack.

This module signs, and never verifies. It has no signer for a scheme whose key only the sender has
(`sns-http`); the examples of such a source are sent through AWS instead.
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Final

from push_relay.core.trust.place import ITEM
from push_relay.core.trust.schemes.description import Description
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.schemes.signed import Signed
from push_relay.core.trust.schemes.values import Values
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from relayctl.webhook import Webhook

#: A source's `[verify]` table, as parsed from TOML.
type Verify = Mapping[str, Any]

#: The length of a new secret. Standard Webhooks demands at least 24 bytes.
_SECRET_BYTES: Final = 24


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
    if isinstance(scheme.verify, Signed):
        return _described(webhook, scheme.verify.description, secret, now)
    name = str(verify["scheme"])
    if name not in _SIGNERS:
        raise CannotSignError(f"requests of the scheme `{name}` cannot be signed on this machine")
    return _SIGNERS[name](webhook, verify, secret, now)


def timestamp_of(description: Description, now: float) -> str:
    """Return the text of the timestamp that a sender writes, or an empty text if it writes none.

    now  seconds since the epoch
    """
    match description.timestamp.format if description.timestamp else "":
        case "":
            return ""
        case "unix":
            return str(int(now))
        case "unix-ms":
            return str(int(now * 1000))
        case "http-date":
            return formatdate(now, usegmt=True)
        case _:
            return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class _Sent:
    """The request while it is signed, with the fields that a signed text may have."""

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    method: str = "POST"
    url: str = ""


def _described(webhook: Webhook, description: Description, secret: str, now: float) -> Webhook:
    """Sign by the description that the relay verifies by."""
    place, timestamp = description.places[0], description.timestamp
    in_item = timestamp is not None and timestamp.place.kind == ITEM
    if not description.hash_name or description.each or place.kind not in ("header", "query"):
        raise CannotSignError(f"requests with a signature at `{place}` cannot be signed on this machine")
    written = timestamp_of(description, now)
    headers = dict(webhook.headers)
    if timestamp and timestamp.place.kind == "header":
        headers[timestamp.place.name] = written
    if description.id and description.id.kind == "header":
        headers.setdefault(description.id.name, f"msg_{secrets.token_hex(12)}")
    values = Values(_Sent(webhook.body, headers, webhook.query), {})
    values.items = {timestamp.place.name: written} if timestamp and in_item else {}
    mac = hmac.digest(
        description.key.key(secret.encode()), description.text.fill(values), description.hash_name
    )
    proof = description.spelling.write(mac).decode()
    if description.list and description.list.item:
        proof = f"{description.list.item}{description.list.joint}{proof}"
    if description.list and timestamp and in_item:
        name = timestamp.place.name
        first = f"{name}{description.list.joint}{written}" if name else written
        proof = f"{first}{description.list.split}{proof}"
    proof = description.prefix + proof
    if place.kind == "query":
        return replace(webhook, headers=headers, query={**webhook.query, place.name: proof})
    return replace(webhook, headers={**headers, place.name: proof})


def _token(webhook: Webhook, verify: Verify, secret: str, _now: float) -> Webhook:
    if "query" in verify:
        return replace(webhook, query={**webhook.query, verify["query"]: secret})
    return _with_headers(webhook, {str(verify["header"]).lower(): verify.get("prefix", "") + secret})


def _basic(webhook: Webhook, _verify: Verify, secret: str, _now: float) -> Webhook:
    return _with_headers(webhook, {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"})


def _none(webhook: Webhook, _verify: Verify, _secret: str, _now: float) -> Webhook:
    return webhook


_SIGNERS: Final[Mapping[str, Callable[[Webhook, Verify, str, float], Webhook]]] = {
    "token": _token,
    "basic": _basic,
    "none": _none,
}


def _with_headers(webhook: Webhook, headers: Mapping[str, str]) -> Webhook:
    return replace(webhook, headers={**webhook.headers, **headers})
