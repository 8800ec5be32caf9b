"""Schemes whose signature covers the body: GitHub, Grafana, Shopify, PagerDuty, others by configuration.

Without a timestamp nothing tells a replay from the first request but the ledger.
"""

import hmac
import re

from push_relay.core.rules.configuration import TomlTable
from push_relay.core.trust.schemes.header_hmac import HeaderHmac, Timestamp, header_name
from push_relay.core.trust.schemes.moment import FORMATS, tolerance, unix
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

_ENCODINGS: dict[str, Encoding] = {"hex": hexadecimal, "base64": base64_text}
_PAGERDUTY = "x-pagerduty-signature"
_DIGESTS = ("sha256", "sha512", "sha1")
# Versions other than v1 are passed over; anything else in the header is nonsense.
_VERSIONED = re.compile(r"v[0-9]+=[0-9a-f]+")


def github(_table: TomlTable) -> Scheme:
    """Make the scheme `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 of the body.

    Covers the body alone, so the delivery id in the headers proves nothing. The older X-Hub-Signature
    (SHA-1) is not looked at.
    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    return HeaderHmac("x-hub-signature-256", "sha256=").scheme()


def shopify(_table: TomlTable) -> Scheme:
    """Make the scheme `X-Shopify-Hmac-SHA256: <base64>`, HMAC-SHA256 of the body by the app's client secret.

    After a rotation Shopify signs with the old secret for up to an hour.
    https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
    """
    return HeaderHmac("x-shopify-hmac-sha256", encode=base64_text).scheme()


def grafana(table: TomlTable) -> Scheme:
    """Make the scheme `X-Grafana-Alerting-Signature: <hex>`, HMAC-SHA256 of the body, or of `<t>:<body>`.

    Grafana signs a timestamp only where its contact point names a header for it; then `timestamp_header`
    must name the same one, and the header is demanded. The signature's header can be named too: `header`.
    https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    https://github.com/grafana/alerting/blob/783ce041445f48a1c5d7ec785becb54d57ae7918/http/hmac.go
    """
    name = header_name(table, "header", "x-grafana-alerting-signature")
    if "timestamp_header" not in table:
        return HeaderHmac(name).scheme()
    stamp = Timestamp(header_name(table, "timestamp_header"), unix, tolerance(table))
    return HeaderHmac(name, before="{timestamp}:", timestamp=stamp).scheme()


def pagerduty(_table: TomlTable) -> Scheme:
    """Make the scheme `X-PagerDuty-Signature: v1=<hex>[,v1=<hex>...]`, HMAC-SHA256 of the body.

    One signature for each secret while PagerDuty rotates them; one that fits is enough. A header sent twice
    reads like a list, because HTTP joins repeated headers; each signature still has to be one.
    https://github.com/PagerDuty/developer-docs/blob/94224391aa3eac8fa73ea6a6af542dee0613d3e8/docs/webhooks/04-Signatures.md
    """
    return Scheme(_verify_pagerduty)


def _verify_pagerduty(request: SignedRequest, evidence: Evidence) -> Verified:
    offered = header(request, _PAGERDUTY).split(",")
    require(all(_VERSIONED.fullmatch(signature) for signature in offered))
    macs = (hmac.digest(key, request.body, "sha256") for key in keys(evidence))
    require(fits(offered, (b"v1=" + hexadecimal(mac) for mac in macs)))
    return Verified(request.body)


def generic(table: TomlTable) -> Scheme:
    """Make a scheme by configuration, for senders that have none of their own here.

    header            the signature's header
    prefix            what stands before the signature, such as `sha256=`
    digest            sha256 (default), sha512, sha1
    encoding          hex (default), base64
    content           what is signed, such as `{timestamp}.{body}`; `{body}` by default
    timestamp_header  the timestamp's header; `content` must hold `{timestamp}` then, and only then
    timestamp_format  unix (default), unix-ms, iso8601
    tolerance_secs    300 by default
    """
    before, after = _content(table)
    stamp = None
    if "timestamp_header" in table:
        read = FORMATS[_choice(table, "timestamp_format", tuple(FORMATS))]
        stamp = Timestamp(header_name(table, "timestamp_header"), read, tolerance(table))
    if (stamp is not None) != ("{timestamp}" in before + after):
        raise table.wrong(
            "content", "must hold {timestamp} where there is a timestamp_header, and only there"
        )
    return HeaderHmac(
        header_name(table, "header"),
        prefix=table.text("prefix", ""),
        digest=_choice(table, "digest", _DIGESTS),
        encode=_ENCODINGS[_choice(table, "encoding", tuple(_ENCODINGS))],
        before=before,
        after=after,
        timestamp=stamp,
    ).scheme()


def _content(table: TomlTable) -> tuple[str, str]:
    content = table.text("content", "{body}")
    if content.count("{body}") != 1 or re.search(r"[{}]", re.sub(r"\{(body|timestamp)\}", "", content)):
        raise table.wrong("content", "must hold {body} once, perhaps {timestamp}, and no other brace")
    before, _, after = content.partition("{body}")
    return before, after


def _choice(table: TomlTable, key: str, choices: tuple[str, ...]) -> str:
    chosen = table.text(key, choices[0])
    if chosen not in choices:
        raise table.wrong(key, f"is not one of: {', '.join(choices)}")
    return chosen
