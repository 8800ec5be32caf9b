"""Presets of providers that publish the keys of their signatures. A stored key is used instead."""

from collections.abc import Mapping
from typing import Final

from push_relay.core.trust.presets.preset import Preset

PRESETS: Final[Mapping[str, Preset]] = {
    "paypal": Preset(
        "PayPal",
        "https://developer.paypal.com/api/rest/webhooks/rest/",
        {
            "scheme": "public-key",
            "signature": "header:paypal-transmission-sig",
            "algorithm": "rsa-pkcs1-sha256",
            "key": "x509-pem",
            "text": "{header:paypal-transmission-id}|{header:paypal-transmission-time}|{setting:webhook-id}|"
            "{body|crc32}",
            "content": "unsigned",
            "settings": ["webhook-id"],
            "fetch": {
                "address": "{header:paypal-cert-url}",
                "hosts": ["api.paypal.com", "api.sandbox.paypal.com"],
                "path_begins": "/v1/notifications/certs/",
            },
        },
        secret="nothing: the certificate is fetched, unless it or its public key is stored as PEM; the setting "
        "`webhook-id` is the webhook's id",
        note="PayPal signs only a CRC-32 of the body. Anyone who has one genuine request can send another "
        "body with it, so the content counts as not signed.",
    ),
    "ebay": Preset(
        "eBay",
        "https://developer.ebay.com/api-docs/commerce/notification/overview.html",
        {
            "scheme": "public-key",
            "signature": "header:x-ebay-signature",
            "algorithm": "ecdsa-p256-sha1",
            "encoding": "base64",
            "key": "pem",
            "wrapped": "/signature",
        },
        secret="eBay's public key as PEM; a list of them during a rotation",
        note="eBay publishes the key only for calls with an OAuth token, and the relay has none: fetch it once "
        "(`getPublicKey`, with the `kid` of a notification) and store it. A notification under a newer key is "
        "refused until that is stored too.",
    ),
}
