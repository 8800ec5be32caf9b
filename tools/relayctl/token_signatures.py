"""Sign a token (JWT) as the sender of a `[verify]` table does, with a shared secret of the local stack."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from push_relay.core.errors import SignatureInvalid
from push_relay.core.trust.jwt_table import JOSE, SYMMETRIC, Expected, VerifyJwt
from push_relay.core.trust.place import read_place
from push_relay.core.trust.schemes.signed_text import compile_text
from push_relay.core.trust.schemes.values import Values
from relayctl.signatures import CannotSignError, Sending
from relayctl.webhook import Webhook

#: Seconds for which a token is valid.
_VALID_SECS = 300


def sign_token(webhook: Webhook, table: VerifyJwt, key: bytes, now: float, url: str) -> Webhook:
    """Return the request with the token that a table demands. Raises CannotSignError."""
    algorithm = table.algorithm[0]
    if algorithm not in SYMMETRIC:
        raise CannotSignError("only the sender has the private key of this scheme")
    if not key or not table.token.startswith(("header:", "query:")):
        raise CannotSignError("this scheme's token cannot be made on this machine")
    sending = Sending(webhook.headers, webhook.query, webhook.body, url)
    values = Values(sending, {})
    jose: dict[str, Any] = {"alg": algorithm, "typ": "JWT"} | _members(table.jose or (), values)
    claims = _members(table.claims or (), values)
    for name, value in _times(table, int(now)).items():
        (jose if name.startswith(JOSE) else claims)[name.removeprefix(JOSE)] = value
    if table.unencoded:
        jose |= {"b64": False, "crit": ["b64"]}
    payload = webhook.body if table.detached else json.dumps(claims).encode()
    written = payload if table.unencoded else _base64url(payload).encode()
    mac = hmac.digest(key, f"{_part(jose)}.".encode() + written, f"sha{algorithm.removeprefix('HS')}")
    # A payload that is the body is left out of the token.
    sent = "" if table.detached else _base64url(payload)
    token = f"{table.prefix}{_part(jose)}.{sent}.{_base64url(mac)}"
    signed = sending.at(read_place(table.token), token)
    return replace(webhook, headers=signed.headers, query=signed.query)


def _members(expectations: Sequence[Expected] | None, values: Values) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for expected in expectations or ():
        if expected.names[0].startswith("/"):
            raise CannotSignError(f"the claim `{expected.names[0]}` is inside another one")
        members[expected.names[0]] = _rendered(expected, values)
    return members


def _rendered(expected: Expected, values: Values) -> Any:
    """Return the first value that is allowed. Raises CannotSignError."""
    template = expected.allowed[0]
    if not isinstance(template, str):
        return template
    try:
        text = compile_text(template, None).fill(values)
    except SignatureInvalid as exc:
        raise CannotSignError(
            f"the claim `{expected.names[0]}` needs a value that is not known here"
        ) from exc
    return hashlib.sha256(text).hexdigest() if expected.hashed else text.decode()


def _times(table: VerifyJwt, now: int) -> dict[str, int]:
    time: Any = table.time
    if time is None:
        return {}
    named = {time.issued: now, time.not_before: now, time.expires: now + _VALID_SECS}
    return {name: value for name, value in named.items() if name}


def _part(document: object) -> str:
    return _base64url(json.dumps(document).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
