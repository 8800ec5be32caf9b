"""Schemes whose signature covers a timestamp and the body: Slack, Stripe, Zendesk."""

import hmac
import re
from functools import partial

from push_relay.core.trust.schemes.header_hmac import HeaderHmac, Timestamp
from push_relay.core.trust.schemes.moment import iso8601, require_fresh, unix
from push_relay.core.trust.schemes.proof import (
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
from push_relay.core.trust.schemes.secret_form import text_form
from push_relay.core.trust.verify_table import HEADERS, VerifyTimestamped

_STRIPE = HEADERS["stripe"]
_STRIPE_ITEM = re.compile(r"[a-z][a-z0-9]*=[0-9a-f]+")


def slack(verify: VerifyTimestamped) -> Scheme:
    """Make the scheme `X-Slack-Signature: v0=<hex>`, HMAC-SHA256 of `v0:<seconds>:<body>`.

    The seconds are in X-Slack-Request-Timestamp.
    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    timestamp = Timestamp("x-slack-request-timestamp", unix, verify.tolerance_secs)
    return HeaderHmac(HEADERS["slack"], "v0=", before="v0:{timestamp}:", timestamp=timestamp).scheme()


def zendesk(verify: VerifyTimestamped) -> Scheme:
    """Make the scheme `X-Zendesk-Webhook-Signature: <base64>`, HMAC-SHA256 of the timestamp and the body.

    The timestamp, in X-Zendesk-Webhook-Signature-Timestamp, is ISO 8601; there is nothing between the two.
    Zendesk's documentation of 2021 had them the other way round, and its example is of that order.
    https://developer.zendesk.com/documentation/webhooks/verifying/
    """
    timestamp = Timestamp("x-zendesk-webhook-signature-timestamp", iso8601, verify.tolerance_secs)
    hmac = HeaderHmac(HEADERS["zendesk"], encode=base64_text, before="{timestamp}", timestamp=timestamp)
    return hmac.scheme()


def stripe(table: VerifyTimestamped) -> Scheme:
    """Make the scheme `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>...]`, HMAC-SHA256 of `<t>.<body>`.

    Stripe sends one signature for each secret during a rotation. `v0` is a test scheme that must be ignored,
    so that nobody downgrades to it. Two timestamps are refused: only one is signed, and a reader could take
    the other. The key is the whole secret, `whsec_` included; it is added to one that was stored without it.
    https://docs.stripe.com/webhooks/signature#verify-manually
    """
    verify = partial(_verify_stripe, tolerance=table.tolerance_secs)
    return Scheme(verify, secret=text_form(prefix="whsec_"))


def _verify_stripe(request: SignedRequest, evidence: Evidence, *, tolerance: float) -> Verified:
    items = header(request, _STRIPE).split(",")
    require(all(_STRIPE_ITEM.fullmatch(item) for item in items))
    stamps = [item[2:] for item in items if item.startswith("t=")]
    require(len(stamps) == 1)
    moment = unix(stamps[0])
    signed = f"{stamps[0]}.".encode() + request.body
    expected = (b"v1=" + hexadecimal(hmac.digest(key, signed, "sha256")) for key in keys(evidence))
    require(fits(items, expected))
    require_fresh(moment, evidence.now, tolerance)
    return Verified(request.body)
