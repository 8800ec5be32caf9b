"""Presets of providers that sign a text of their own: the address, a form's fields, headers, literals."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import FORM, JSON_SHOWS_ITS_ENDS, LIST, Preset


def _signed(header: str, text: str, **more: Any) -> dict[str, Any]:
    return {"scheme": "signed", "signature": f"header:{header}", "text": text, **more}


def _address(header: str, text: str, **more: Any) -> dict[str, Any]:
    """Return the keys for an HMAC in base64 that covers the address."""
    return _signed(header, text, encoding="base64", **more)


PRESETS: Final[Mapping[str, Preset]] = {
    "linkedin": Preset(
        "LinkedIn",
        "https://learn.microsoft.com/linkedin/shared/api-guide/webhook-validation",
        _signed("x-li-signature", "hmacsha256={body}"),
        "the app's client secret",
    ),
    "deel": Preset(
        "Deel",
        "https://developer.deel.com/docs/webhooks",
        _signed("x-deel-signature", "POST{body}"),
        "the webhook's signing key",
    ),
    "framer": Preset(
        "Framer forms",
        "https://www.framer.com/help/articles/how-to-use-webhooks-with-forms/",
        _signed(
            "framer-signature",
            "{body}{header:framer-webhook-submission-id}",
            prefix="sha256=",
            id="header:framer-webhook-submission-id",
            adjacent=JSON_SHOWS_ITS_ENDS,
        ),
        "the form's webhook secret",
    ),
    "square": Preset(
        "Square",
        "https://developer.squareup.com/docs/webhooks/step3validate",
        _address("x-square-hmacsha256-signature", "{url}{body}", adjacent=JSON_SHOWS_ITS_ENDS),
        "the subscription's signature key",
        "The address is signed: set `url` in relay.toml to the one that Square calls.",
    ),
    "trello": Preset(
        "Trello",
        "https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
        _address("x-trello-webhook", "{body}{url}", algorithm="hmac-sha1", adjacent=JSON_SHOWS_ITS_ENDS),
        "the app's API secret",
        "The address is signed: set `url` in relay.toml to the one that Trello calls.",
    ),
    "mandrill": Preset(
        "Mailchimp Transactional (Mandrill)",
        "https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/",
        _address(
            "x-mandrill-signature", "{url}{form-sorted}", algorithm="hmac-sha1", adjacent=JSON_SHOWS_ITS_ENDS
        ),
        "the webhook's authentication key",
        "The address is signed: set `url` in relay.toml to the one that Mandrill calls. One request has several events.",
        {"format": "list", "form_field": "mandrill_events"},
    ),
    "hubspot": Preset(
        "HubSpot (v3)",
        "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation",
        _address(
            "x-hubspot-signature-v3",
            "{method}{url|decoded}{body}{timestamp}",
            timestamp="header:x-hubspot-request-timestamp",
            timestamp_format="unix-ms",
            tolerance_secs=300,
            adjacent=JSON_SHOWS_ITS_ENDS,
        ),
        "the app's client secret",
        "The address is signed: set `url` in relay.toml to the one that HubSpot calls.",
        LIST,
    ),
    "contentful": Preset(
        "Contentful",
        "https://www.contentful.com/developers/docs/extensibility/webhooks/request-verification/",
        _signed(
            "x-contentful-signature",
            "{method}\n{path|contentful}\n{signed-headers:x-contentful-signed-headers}\n{body}",
            timestamp="header:x-contentful-timestamp",
            timestamp_format="unix-ms",
            tolerance_secs=30,
        ),
        "the signing secret of the space's webhooks",
        "Contentful's window is 30 seconds, so the first attempt has to be in time.",
    ),
    "plivo": Preset(
        "Plivo (V3)",
        "https://www.plivo.com/docs/voice/concepts/signature-validation",
        _address(
            "x-plivo-signature-v3",
            "{url|plivo}.{header:x-plivo-signature-v3-nonce}",
            split=",",
            also=["header:x-plivo-signature-ma-v3"],
        ),
        "the auth token of the account",
        "The address is signed: set `url` in relay.toml to the one that Plivo calls.",
        FORM,
    ),
    "pandadoc": Preset(
        "PandaDoc",
        "https://developers.pandadoc.com/docs/webhook-verification",
        {"scheme": "signed", "signature": "query:signature"},
        "the webhook's shared key",
        "",
        LIST,
    ),
    "mercado-pago": Preset(
        "Mercado Pago",
        "https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks",
        _signed(
            "x-signature",
            "[[id:{query:data.id|lower};]][[request-id:{header:x-request-id};]]ts:{item:ts};",
            split=",",
            item="v1",
            content="unsigned",
        ),
        "the application's webhook secret",
        "The body is not signed: read the payment's state from Mercado Pago before you rely on it.",
    ),
}
