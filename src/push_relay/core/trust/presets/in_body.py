"""Presets of providers whose signature is in the body: in a form's field, or in JSON."""

from collections.abc import Mapping
from typing import Final

from push_relay.core.trust.presets.preset import Preset

PRESETS: Final[Mapping[str, Preset]] = {
    "adyen": Preset(
        "Adyen (payments)",
        "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
        {
            "scheme": "signed",
            "each": "/notificationItems/*/NotificationRequestItem",
            "signature": "json:/additionalData/hmacSignature",
            "encoding": "base64",
            "key": "hex",
            "text": "{json:/pspReference}:{json:/originalReference?}:{json:/merchantAccountCode}:{json:/merchantReference}"
            ":{json:/amount/value?}:{json:/amount/currency?}:{json:/eventCode}:{json:/success}",
            "content": "unsigned",
        },
        answer={"status": 200, "body": "[accepted]", "content_type": "text/plain"},
        secret="the webhook's HMAC key, in hexadecimal digits",
        note="Only the fields named in the proof are signed. Every item of a request has to be signed.",
    ),
    "mailgun": Preset(
        "Mailgun",
        "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
        {
            "scheme": "signed",
            "signature": "json:/signature/signature",
            "text": "{json:/signature/timestamp}{json:/signature/token}",
            "content": "unsigned",
        },
        answer={"status": 200},
        secret="the HTTP webhook signing key",
        note="Only a time and a token are signed, not the event. Mailgun retries unless the answer is 200 or 406.",
    ),
    "dropbox-sign": Preset(
        "Dropbox Sign",
        "https://developers.hellosign.com/docs/events/walkthrough/",
        {
            "scheme": "signed",
            "signature": "json:/event/event_hash",
            "text": "{json:/event/event_time}{json:/event/event_type}",
            "content": "unsigned",
        },
        event={"format": "multipart", "form_field": "json"},
        answer={"status": 200, "body": "Hello API Event Received", "content_type": "text/plain"},
        secret="the primary API key",
        note="Only the event's time and type are signed.",
    ),
    "braintree": Preset(
        "Braintree",
        "https://developer.paypal.com/braintree/docs/guides/webhooks/parse/node",
        {
            "scheme": "signed",
            "signature": "form:bt_signature",
            "split": "&",
            "item": "*",
            "joint": "|",
            "algorithm": "hmac-sha1",
            "key_derive": "sha1",
            "text": "{form:bt_payload}",
        },
        event={"format": "xml", "form_field": "bt_payload", "form_field_encoding": "base64"},
        secret="the private key of the integration",
        note="The setting `public-key` is needed only for the handshake.",
    ),
}
