"""Presets of providers whose key is not the text of the secret, but in base64, in hexadecimal or with an addition."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import LIST, Preset


def _body(header: str, key: str, **more: Any) -> dict[str, Any]:
    """Return the keys for an HMAC of the body, whose key is written in this form."""
    return {"scheme": "signed", "signature": f"header:{header}", "key": key, **more}


PRESETS: Final[Mapping[str, Preset]] = {
    "onfleet": Preset(
        "Onfleet",
        "https://docs.onfleet.com/reference/secrets",
        _body("x-onfleet-signature", "hex", algorithm="hmac-sha512"),
        "the organization's webhook secret, in hexadecimal digits",
    ),
    "ms-teams": Preset(
        "Microsoft Teams outgoing webhook",
        "https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook",
        _body("authorization", "base64", prefix="HMAC ", encoding="base64"),
        "the security token that Teams shows, in base64",
    ),
    "squarespace": Preset(
        "Squarespace",
        "https://developers.squarespace.com/commerce-apis/webhook-subscriptions-overview",
        _body("squarespace-signature", "hex"),
        "the subscription's secret, in hexadecimal digits",
    ),
    "airtable": Preset(
        "Airtable",
        "https://airtable.com/developers/web/api/webhooks-overview",
        _body("x-airtable-content-mac", "base64", prefix="hmac-sha256="),
        "`macSecretBase64` of the webhook",
        "A notification names only the base and the webhook.",
    ),
    "authorize-net": Preset(
        "Authorize.Net",
        "https://developer.authorize.net/api/reference/features/webhooks.html",
        _body("x-anet-signature", "hex", prefix="sha512=", algorithm="hmac-sha512", encoding="hex-any-case"),
        "the signature key, in hexadecimal digits",
    ),
    "adyen-platform": Preset(
        "Adyen (platforms)",
        "https://docs.adyen.com/platforms/verify-webhook-hmac-signature",
        _body("hmacsignature", "hex", encoding="base64"),
        "the webhook's HMAC key, in hexadecimal digits",
        "Also for Adyen's management and token webhooks.",
    ),
    "fitbit": Preset(
        "Fitbit",
        "https://dev.fitbit.com/build/reference/web-api/developer-guide/using-subscriptions/",
        _body("x-fitbit-signature", "text", key_append="&", algorithm="hmac-sha1", encoding="base64"),
        "the app's OAuth client secret",
        "",
        LIST,
        {"status": 204},
    ),
}
