"""Sign requests as a sender does, by a source's `[verify]` table and with a secret of the local stack.

This module signs, and never verifies. It has no signer for a scheme whose key only the sender has
(`sns-http`); the examples of such a source are sent through AWS instead.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from push_relay.core.rules.admission import read_admission
from push_relay.core.rules.findings import Report
from push_relay.core.rules.source_file import SourceFile
from push_relay.core.trust.jwt_table import VerifyJwt
from push_relay.core.trust.place import read_place
from push_relay.core.trust.schemes.form import sorted_text
from push_relay.core.trust.schemes.proof import SECRET, Scheme
from push_relay.core.trust.schemes.signed import Signed
from push_relay.core.trust.schemes.values import each_of
from push_relay.core.trust.verify_base import Verify as VerifyTable
from push_relay.core.trust.verify_table import VerifyAnyOf
from relayctl.signatures import CannotSignError, Sending, put, sign_described
from relayctl.token_signatures import sign_token
from relayctl.webhook import Webhook

__all__ = ("CannotSignError", "called_url", "is_valid_secret", "needs_secret", "new_secret", "sign")

#: A source's `[verify]` or `[event]` table, as parsed from TOML.
type Verify = Mapping[str, Any]

_NO_KEYS: Final[Verify] = MappingProxyType({})
#: The length of a new secret. Standard Webhooks demands at least 24 bytes.
_SECRET_BYTES: Final = 24


def new_secret(verify: Verify, event: Verify = _NO_KEYS) -> str:
    """Return a new random signing secret that is valid for the scheme."""
    random = secrets.token_bytes(_SECRET_BYTES)
    return compiled(verify, event)[1].secret.example(random) or secrets.token_urlsafe(_SECRET_BYTES)


def is_valid_secret(secret: str, verify: Verify, event: Verify = _NO_KEYS) -> bool:
    """Return whether `sign` can use a secret unchanged with the scheme."""
    return secret.encode() in compiled(verify, event)[1].secret.readings(secret.encode())


def needs_secret(verify: Verify) -> bool:
    """Return whether the scheme needs a secret that the deployer stores."""
    return VerifyTable.for_document(dict(verify))(dict(verify)).needs_secret


def called_url(url: str, configured: str | None = None) -> str:
    """Return the URL that a sender signs when it calls one.

    configured  the `url` of the source in relay.toml, if it has one
    """
    # The function takes a request for one by TLS unless a header of a proxy differs.
    return configured or url.replace("http://", "https://", 1)


def compiled(verify: Verify, event: Verify = _NO_KEYS) -> tuple[VerifyTable, Scheme]:
    """Return a source's table `[verify]` and its scheme, with the defaults of its preset.

    Raises ConfigurationInvalid.
    """
    report = Report()
    document = {"title": "Example", "docs": "-", "verify": dict(verify), "event": dict(event)}
    file = SourceFile(document, report)
    report.raise_mistakes()
    scheme = read_admission(file).verify
    report.raise_mistakes()
    if file.verify is None or scheme is None:
        raise CannotSignError("the source takes no webhooks")
    if isinstance(file.verify, VerifyAnyOf):
        return _compared(file.verify, scheme)
    return file.verify, scheme


def _compared(table: VerifyAnyOf, scheme: Scheme) -> tuple[VerifyTable, Scheme]:
    """Return the first alternative that a stored text proves: a stored text is a token."""
    pairs = zip(table.alternative, scheme.alternatives, strict=True)
    found = next((pair for pair in pairs if pair[1].kind == SECRET), None)
    if found is None:
        raise CannotSignError("a text that is stored for the source is a token, and it accepts none")
    return found


def sign(  # noqa: PLR0913 (a request, and what its sender knows)
    webhook: Webhook, verify: Verify, secret: str, now: float, *, event: Verify = _NO_KEYS, url: str = ""
) -> Webhook:
    """Return the request with the proof that the scheme demands.

    now    seconds since the epoch
    event  the source's `[event]` table, if it has one
    url    the address that is called, for senders that sign it

    Raises CannotSignError.
    """
    table, scheme = compiled(verify, event)
    if isinstance(scheme.verify, Signed):
        return sign_described(webhook, scheme.verify.description, secret, now, url)
    called = f"{url}?{urlencode(webhook.query)}" if webhook.query else url
    if isinstance(table, VerifyJwt):
        readings = scheme.secret.readings(secret.encode())
        return sign_token(webhook, table, readings[0] if readings else b"", now, called)
    if table.scheme not in _SIGNERS:
        raise CannotSignError(f"requests of the scheme `{verify['scheme']}` cannot be signed on this machine")
    return _SIGNERS[table.scheme](Call(webhook, table, secret, called))


class Call(NamedTuple):
    """A request that a scheme without a description signs, and what its sender knows."""

    webhook: Webhook
    table: VerifyTable
    secret: str
    url: str


def _token(call: Call) -> Webhook:
    webhook, values = call.webhook, call.table.values
    text = (values.get("prefix") or "") + call.secret
    sending = Sending(webhook.headers, webhook.query, webhook.body, call.url)
    place = call.table.proof_places[0][1]
    if not values.get("each"):
        return _applied(webhook, sending.at(place, text))
    document = sending.document()
    for item in each_of(document, read_place(f"json:{values['each']}").steps):
        put(item, place.steps, text)
    return _applied(webhook, replace(sending, body=json.dumps(document, ensure_ascii=False).encode()))


def _basic(call: Call) -> Webhook:
    return _with_header(call, "authorization", f"Basic {base64.b64encode(call.secret.encode()).decode()}")


def _twilio(call: Call) -> Webhook:
    text = call.url + sorted_text(parse_qsl(call.webhook.body.decode(), keep_blank_values=True))
    mac = hmac.digest(call.secret.encode(), text.encode(), "sha1")
    return _with_header(call, "x-twilio-signature", base64.b64encode(mac).decode())


def _none(call: Call) -> Webhook:
    return call.webhook


def _with_header(call: Call, name: str, value: str) -> Webhook:
    return replace(call.webhook, headers={**call.webhook.headers, name: value})


def _applied(webhook: Webhook, sending: Sending) -> Webhook:
    return replace(webhook, headers=sending.headers, query=sending.query, body=sending.body)


_SIGNERS: Final[Mapping[str, Callable[[Call], Webhook]]] = {
    "token": _token,
    "basic": _basic,
    "twilio": _twilio,
    "none": _none,
}
