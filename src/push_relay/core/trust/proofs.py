"""Where a request carries its sender's proof, and how long its content is remembered, by scheme.

These are facts about the schemes that `deliver` needs too. It reads them here, so that it loads no scheme.
"""

from typing import NamedTuple

from push_relay.core.rules.configuration import TomlTable
from push_relay.core.rules.expression import RequestFields

#: Seconds after which no sender tries to deliver the same request again. A sender tries again when it has no
#: answer, first within minutes; a duplicate is answered like the first, so the attempts end there.
RETRIES_END_SECS = 12 * 3600.0
#: Seconds by which a signed timestamp may differ from the clock, in either direction, by default.
TOLERANCE = 300
#: Those that no secret of the deployer's takes part in.
WITHOUT_SECRET = frozenset({"sns-http", "none"})
#: The scheme that accepts every request.
OPEN = "none"

#: Schemes whose header always has the same name.
_HEADERS = {
    "github": "x-hub-signature-256",
    "stripe": "stripe-signature",
    "slack": "x-slack-signature",
    "shopify": "x-shopify-hmac-sha256",
    "pagerduty": "x-pagerduty-signature",
    "zendesk": "x-zendesk-webhook-signature",
    "twilio": "x-twilio-signature",
    "basic": "authorization",
}
#: Schemes that prove the sender and not the content.
_SENDER_ALONE = frozenset({"token", "basic", "none"})
#: Schemes that always sign a timestamp with the content, but no id.
_TIMESTAMPED = frozenset({"stripe", "slack", "zendesk"})


class Proof(NamedTuple):
    """What is known of a source's proof without its scheme.

    header, query  the header (lower-case) or query parameter that carries the proof, be it the secret itself
                   or a signature by it. No event keeps it. None if the body carries it
    remember_secs  seconds for which the same content without an id is the same event. None: as long as the
                   ledger remembers, because nothing else keeps a captured request from being relayed again
    """

    scheme: str
    header: str | None = None
    query: str | None = None
    remember_secs: float | None = None

    @property
    def fields(self) -> RequestFields:
        """What expressions must not read."""
        return RequestFields(frozenset({self.header or ""} - {""}), frozenset({self.query or ""} - {""}))


def read_proof(verify: TomlTable) -> Proof:
    """Read what a `[verify]` table says about its proof. The scheme itself checks the table."""
    scheme = verify.text("scheme")
    query = verify.text("query") if scheme == "token" and "query" in verify else None
    return Proof(scheme, _header(scheme, verify), query, _remember_secs(scheme, verify))


def _header(scheme: str, verify: TomlTable) -> str | None:
    if scheme == "standard-webhooks":
        return f"{verify.text('header_prefix', 'webhook').lower()}-signature"
    if scheme == "grafana":
        return verify.text("header", "x-grafana-alerting-signature").lower()
    if scheme == "hmac" or (scheme == "token" and "header" in verify):
        return verify.text("header").lower()
    return _HEADERS.get(scheme)


def _remember_secs(scheme: str, verify: TomlTable) -> float | None:
    """Return seconds for which the same content is the same event under a scheme.

    A timestamp may be the tolerance ahead of the clock, and the request is fresh for as long after it.
    """
    if scheme in _SENDER_ALONE:
        return RETRIES_END_SECS
    if scheme in _TIMESTAMPED or (scheme in ("grafana", "hmac") and "timestamp_header" in verify):
        return max(RETRIES_END_SECS, 2.0 * verify.integer("tolerance_secs", TOLERANCE))
    return None
