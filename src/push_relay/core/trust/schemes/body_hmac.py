"""Schemes whose signature covers the body: GitHub, Grafana, Shopify, PagerDuty, others by configuration.

Without a timestamp nothing tells a replay from the first request but the ledger.
"""

import hmac
import re

from push_relay.core.trust.schemes.header_hmac import HeaderHmac, Timestamp
from push_relay.core.trust.schemes.moment import FORMATS, unix
from push_relay.core.trust.schemes.proof import (
    Encoding,
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    base64_text,
    fits,
    header,
    hexadecimal,
    keys,
    require,
)
from push_relay.core.trust.verify_table import HEADERS, VerifyGrafana, VerifyHmac, VerifyPlain

_ENCODINGS: dict[str, Encoding] = {"hex": hexadecimal, "base64": base64_text}
_PAGERDUTY = HEADERS["pagerduty"]
# Versions other than v1 are passed over; anything else in the header is nonsense.
_VERSIONED = re.compile(r"v[0-9]+=[0-9a-f]+")


def github(_table: VerifyPlain) -> Scheme:
    """Make the scheme `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 of the body.

    Covers the body alone, so the delivery id in the headers proves nothing. The older X-Hub-Signature
    (SHA-1) is not looked at.
    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    return HeaderHmac(HEADERS["github"], "sha256=").scheme()


def shopify(_table: VerifyPlain) -> Scheme:
    """Make the scheme `X-Shopify-Hmac-SHA256: <base64>`, HMAC-SHA256 of the body by the app's client secret.

    After a rotation Shopify signs with the old secret for up to an hour.
    https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
    """
    return HeaderHmac(HEADERS["shopify"], encode=base64_text).scheme()


def grafana(table: VerifyGrafana) -> Scheme:
    """Make the scheme `X-Grafana-Alerting-Signature: <hex>`, HMAC-SHA256 of the body, or of `<t>:<body>`.

    Grafana signs a timestamp only if its contact point names a header for it. Then `timestamp_header` must
    name the same header, which is required. `header` sets the name of the signature's header.
    https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    https://github.com/grafana/alerting/blob/783ce041445f48a1c5d7ec785becb54d57ae7918/http/hmac.go
    """
    if table.timestamp_header is None:
        return HeaderHmac(table.header).scheme()
    timestamp = Timestamp(table.timestamp_header, unix, table.tolerance_secs)
    return HeaderHmac(table.header, before="{timestamp}:", timestamp=timestamp).scheme()


def pagerduty(_table: VerifyPlain) -> Scheme:
    """Make the scheme `X-PagerDuty-Signature: v1=<hex>[,v1=<hex>...]`, HMAC-SHA256 of the body.

    PagerDuty sends one signature for each secret during a rotation; one that fits is enough. A header that is
    sent twice reads like a list, because HTTP joins repeated headers. Each item still has to be a signature.
    https://github.com/PagerDuty/developer-docs/blob/94224391aa3eac8fa73ea6a6af542dee0613d3e8/docs/webhooks/04-Signatures.md
    """
    return Scheme(_verify_pagerduty)


def _verify_pagerduty(request: SignedRequest, evidence: Evidence) -> Verified:
    offered = header(request, _PAGERDUTY).split(",")
    require(all(_VERSIONED.fullmatch(signature) for signature in offered))
    macs = (hmac.digest(key, request.body, "sha256") for key in keys(evidence))
    require(fits(offered, (b"v1=" + hexadecimal(mac) for mac in macs)))
    return Verified(request.body)


def generic(table: VerifyHmac) -> Scheme:
    """Make a scheme by configuration, for senders that have none of their own here."""
    timestamp = None
    if table.timestamp_header:
        timestamp = Timestamp(table.timestamp_header, FORMATS[table.timestamp_format], table.tolerance_secs)
    before, _, after = table.content.partition("{body}")
    return HeaderHmac(
        table.header,
        prefix=table.prefix,
        digest=table.digest,
        encode=_ENCODINGS[table.encoding],
        before=before,
        after=after,
        timestamp=timestamp,
    ).scheme()
