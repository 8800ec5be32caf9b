"""Presets of providers that sign the body alone: HMAC in base64, in one header or in a family of headers."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import NO_KEYS, Preset

#: Xero accepts only the status 200 with an empty body.
_EMPTY: Final[Mapping[str, Any]] = {"status": 200, "body": ""}


def _body(
    title: str,
    docs: str,
    header: str,
    *,
    also: tuple[str, ...] = (),
    prefix: str = "",
    split: str = "",
    algorithm: str = "hmac-sha256",
    encoding: str = "base64",
    answer: Mapping[str, Any] = NO_KEYS,
    secret: str,
    note: str = "",
) -> Preset:
    verify: dict[str, Any] = {
        "scheme": "signed",
        "signature": f"header:{header}",
        "algorithm": algorithm,
        "encoding": encoding,
    }
    if also:
        verify["also"] = [f"header:{name}" for name in also]
    verify |= {key: value for key, value in (("prefix", prefix), ("split", split)) if value}
    return Preset(title, docs, verify, secret, note, answer=answer)


PRESETS: Final[Mapping[str, Preset]] = {
    "quickbooks": _body(
        "QuickBooks",
        "https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks",
        "intuit-signature",
        secret="the verifier token",
    ),
    "mongodb-atlas": _body(
        "MongoDB Atlas alerts",
        "https://www.mongodb.com/docs/atlas/tutorial/third-party-service-integrations/",
        "X-MMS-Signature",
        algorithm="hmac-sha1",
        secret="the webhook's secret",
    ),
    "xero": _body(
        "Xero",
        "https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/",
        "x-xero-signature",
        answer=_EMPTY,
        secret="the webhook signing key",
    ),
    "aftership": _body(
        "AfterShip",
        "https://www.aftership.com/docs/tracking/webhook/webhook-signature",
        "aftership-hmac-sha256",
        secret="the webhook secret of the account",
    ),
    "ably": _body(
        "Ably",
        "https://ably.com/docs/platform/integrations/webhooks",
        "X-Ably-Signature",
        secret="the part of the API key after its colon",
    ),
    "bolt": _body(
        "Bolt",
        "https://help.bolt.com/developers/webhooks/",
        "X-Bolt-Hmac-Sha256",
        secret="the signing secret",
    ),
    "tally": _body(
        "Tally", "https://tally.so/help/webhooks", "Tally-Signature", secret="the webhook's signing secret"
    ),
    "woocommerce": _body(
        "WooCommerce",
        "https://developer.woocommerce.com/docs/webhooks/",
        "X-WC-Webhook-Signature",
        secret="the webhook's secret",
        note="A new webhook first sends a form (`webhook_id=...`), which is not an event.",
    ),
    "x": _body(
        "X (Twitter)",
        "https://docs.x.com/x-api/webhooks/introduction",
        "X-Twitter-Webhooks-Signature",
        prefix="sha256=",
        secret="the app's API secret key (consumer secret)",
    ),
    "heroku": _body(
        "Heroku",
        "https://devcenter.heroku.com/articles/app-webhooks",
        "Heroku-Webhook-Hmac-SHA256",
        secret="the webhook's secret",
    ),
    "typeform": _body(
        "Typeform",
        "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
        "Typeform-Signature",
        prefix="sha256=",
        secret="the webhook's secret",
    ),
    "fastspring": _body(
        "FastSpring",
        "https://developer.fastspring.com/reference/message-security",
        "X-FS-Signature",
        secret="the webhook's HMAC secret",
    ),
    "line": _body(
        "LINE Messaging API",
        "https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
        "x-line-signature",
        secret="the channel secret",
        note="A test request has an empty list of events.",
    ),
    "primer": _body(
        "Primer",
        "https://primer.io/docs/api-reference/get-started/webhooks",
        "X-Signature-Primary",
        also=("x-signature-secondary",),
        secret="the signing secret",
        note="During a rotation a second signature is in `X-Signature-Secondary`.",
    ),
    "docusign": _body(
        "DocuSign Connect",
        "https://developers.docusign.com/platform/webhooks/connect/setting-up-hmac/",
        "X-DocuSign-Signature-1",
        also=("x-docusign-signature-{2-100}",),
        secret="a key of the Connect configuration",
        note='Connect sends one header for each active key. The older configuration sends XML: set `format = "xml"` in `[event]`.',
    ),
    "cronofy": _body(
        "Cronofy",
        "https://docs.cronofy.com/developers/push-notifications/authentication/",
        "Cronofy-HMAC-SHA256",
        split=",",
        secret="the client secret",
        note="The header has one signature for each client secret.",
    ),
    "merge-dev": _body(
        "Merge",
        "https://docs.merge.dev/merge-unified/webhooks/",
        "X-Merge-Webhook-Signature",
        encoding="base64url",
        secret="the webhook's signature key",
        note="The padding of the base64url is optional.",
    ),
}
