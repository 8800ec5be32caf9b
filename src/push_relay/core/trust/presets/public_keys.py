"""Presets of providers that sign with a private key. The deployer stores the public key."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import FORM, JSON_SHOWS_ITS_ENDS, LIST, Preset


def _public(header: str, algorithm: str, key: str, **more: Any) -> dict[str, Any]:
    return {
        "scheme": "public-key",
        "signature": f"header:{header}",
        "algorithm": algorithm,
        "key": key,
        "encoding": "base64",
        **more,
    }


PRESETS: Final[Mapping[str, Preset]] = {
    "discord": Preset(
        "Discord",
        "https://docs.discord.com/developers/interactions/overview",
        _public(
            "x-signature-ed25519",
            "ed25519",
            "hex",
            encoding="hex",
            timestamp="header:x-signature-timestamp",
            tolerance_secs=300,
            text="{timestamp}{body}",
        ),
        "the application's public key, in hexadecimal digits",
        "The window is the relay's own: Discord defines none. An interaction expects an answer that the relay does not give; use it for webhook events.",
    ),
    "telnyx": Preset(
        "Telnyx",
        "https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
        _public(
            "telnyx-signature-ed25519",
            "ed25519",
            "base64",
            timestamp="header:telnyx-timestamp",
            tolerance_secs=300,
            text="{timestamp}|{body}",
        ),
        "the account's public key, in base64",
    ),
    "sendgrid": Preset(
        "SendGrid",
        "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
        _public(
            "x-twilio-email-event-webhook-signature",
            "ecdsa-p256-sha256",
            "spki-base64",
            text="{header:x-twilio-email-event-webhook-timestamp}{body}",
            adjacent=JSON_SHOWS_ITS_ENDS,
        ),
        "the verification key, in base64",
        "The time is signed and not judged: SendGrid defines no window.",
        LIST,
    ),
    "wise": Preset(
        "Wise",
        "https://docs.wise.com/guides/developer/webhooks/event-handling",
        _public("x-signature-sha256", "rsa-pkcs1-sha256", "pem"),
        "Wise's public key for webhooks, as PEM",
    ),
    "keygen": Preset(
        "Keygen",
        "https://keygen.sh/docs/api/signatures/",
        _public(
            "keygen-signature",
            "ed25519",
            "hex",
            split=",",
            item="signature",
            quoted=True,
            text="{http-signature-lines}",
        ),
        "the account's Ed25519 public key, in hexadecimal digits",
        "The signed lines have to include `(request-target)` and `digest`.",
    ),
    "fireblocks-legacy": Preset(
        "Fireblocks (older header)",
        "https://developers.fireblocks.com/reference/verify-requests",
        _public("fireblocks-signature", "rsa-pkcs1-sha512", "pem"),
        "the public key from Fireblocks' page, as PEM",
        "Prefer `fireblocks`: Fireblocks sends both headers during the move.",
    ),
    "bridge": Preset(
        "Bridge",
        "https://apidocs.bridge.xyz/platform/additional-information/webhooks/signature",
        _public(
            "x-webhook-signature",
            "rsa-pkcs1-sha256",
            "pem",
            split=",",
            item="v0",
            timestamp="item:t",
            timestamp_format="unix-ms",
            tolerance_secs=600,
            text="{timestamp}.{body}",
            prehash="sha256",
        ),
        "the webhook's public key, as PEM",
    ),
    "alipay": Preset(
        "Alipay",
        "https://global.alipay.com/docs/ac/web/async",
        {
            "scheme": "public-key",
            "signature": "form:sign",
            "algorithm": "rsa-pkcs1-sha256",
            "key": "spki-base64",
            "encoding": "base64",
            "text": "{form-pairs-sorted:-sign,-sign_type}",
        },
        "Alipay's public key, in base64",
        "Only the sign type RSA2 is accepted.",
        FORM,
        {"status": 200, "body": "success", "content_type": "text/plain"},
    ),
    "travis-ci": Preset(
        "Travis CI",
        "https://docs.travis-ci.com/user/notifications/",
        _public("signature", "rsa-pkcs1-sha1", "pem", text="{form:payload}"),
        "Travis CI's public key, as PEM: `config.notifications.webhook.public_key` of https://api.travis-ci.com/config",
        "",
        {"form_field": "payload"},
    ),
}
