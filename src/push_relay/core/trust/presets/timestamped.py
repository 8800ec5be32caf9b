"""Presets of providers that sign a timestamp, in a header of its own, with the body."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import JSON_SHOWS_ITS_ENDS, Preset

#: The window that providers advise, or that their libraries use.
_TOLERANCE_SECS: Final = 300


def _timed(signature: str, timestamp: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "scheme": "signed",
        "signature": f"header:{signature}",
        "timestamp": f"header:{timestamp}",
        "tolerance_secs": _TOLERANCE_SECS,
        "text": text,
        **more,
    }


def _untimed(signature: str, text: str, **more: Any) -> dict[str, Any]:
    """Return the keys for a provider without a window: the time is signed and not judged."""
    return {"scheme": "signed", "signature": f"header:{signature}", "text": text, **more}


PRESETS: Final[Mapping[str, Preset]] = {
    "zoom": Preset(
        "Zoom",
        "https://developers.zoom.us/docs/api/webhooks/",
        _timed("x-zm-signature", "x-zm-request-timestamp", "v0:{timestamp}:{body}", prefix="v0="),
        "the app's secret token",
    ),
    "customer-io": Preset(
        "Customer.io",
        "https://docs.customer.io/journeys/webhooks/",
        _timed("x-cio-signature", "x-cio-timestamp", "v0:{timestamp}:{body}"),
        "the signing key of the reporting webhook",
    ),
    "webflow": Preset(
        "Webflow",
        "https://developers.webflow.com/data/docs/working-with-webhooks",
        _timed(
            "x-webflow-signature", "x-webflow-timestamp", "{timestamp}:{body}", timestamp_format="unix-ms"
        ),
        "the webhook's secret key, or the app's client secret",
    ),
    "klaviyo": Preset(
        "Klaviyo",
        "https://developers.klaviyo.com/en/docs/working_with_system_webhooks",
        _timed("klaviyo-signature", "klaviyo-timestamp", "{body}{timestamp}", timestamp_format="http-date"),
        "the webhook's secret key",
        "The window is the relay's own: Klaviyo defines none.",
    ),
    "airship": Preset(
        "Airship",
        "https://docs.airship.com/guides/messaging/user-guide/data/real-time-data-streaming/",
        _timed("x-ua-signature", "x-ua-timestamp", "{timestamp}:{body}"),
        "the app's signing key",
    ),
    "lob": Preset(
        "Lob",
        "https://docs.lob.com/",
        _untimed("lob-signature", "{header:lob-signature-timestamp}.{body}"),
        "the webhook's secret",
        "Lob documents neither the time's unit nor a window, so the time is signed and not judged.",
    ),
    "airwallex": Preset(
        "Airwallex",
        "https://www.airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events",
        _timed("x-signature", "x-timestamp", "{timestamp}{body}", timestamp_format="unix-any"),
        "the secret of the notification URL",
        "The window is the relay's own: Airwallex defines none.",
    ),
    "box": Preset(
        "Box",
        "https://developer.box.com/guides/webhooks/v2/signatures-v2/",
        _timed(
            "box-signature-primary",
            "box-delivery-timestamp",
            "{body}{timestamp}",
            also=["header:box-signature-secondary"],
            timestamp_format="rfc3339",
            tolerance_secs=600,
            encoding="base64",
        ),
        "the primary and the secondary key, as a list",
    ),
    "configcat": Preset(
        "ConfigCat",
        "https://configcat.com/docs/advanced/notifications-webhooks/",
        _untimed(
            "x-configcat-webhook-signature-v1",
            "{header:x-configcat-webhook-id}{header:x-configcat-webhook-timestamp}{body}",
            split=",",
            encoding="base64",
            adjacent=JSON_SHOWS_ITS_ENDS,
        ),
        "a signing key of the webhook",
        "The time is signed and not judged. The body is the template that you write in ConfigCat: write a JSON object.",
    ),
    "sinch": Preset(
        "Sinch",
        "https://developers.sinch.com/docs/conversation/callbacks/",
        _timed(
            "x-sinch-webhook-signature",
            "x-sinch-webhook-signature-timestamp",
            "{body}.{header:x-sinch-webhook-signature-nonce}.{timestamp}",
            encoding="base64",
        ),
        "the webhook's secret",
    ),
    "front": Preset(
        "Front",
        "https://dev.frontapp.com/docs/webhooks-1",
        _timed(
            "x-front-signature",
            "x-front-request-timestamp",
            "{timestamp}:{body}",
            timestamp_format="unix-any",
            encoding="base64",
        ),
        "the app's signing key",
    ),
    "twitch": Preset(
        "Twitch EventSub",
        "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
        _timed(
            "twitch-eventsub-message-signature",
            "twitch-eventsub-message-timestamp",
            "{header:twitch-eventsub-message-id}{timestamp}{body}",
            prefix="sha256=",
            timestamp_format="rfc3339",
            tolerance_secs=600,
            id="header:twitch-eventsub-message-id",
        ),
        "the secret of the subscription",
    ),
    "samsara": Preset(
        "Samsara",
        "https://developers.samsara.com/docs/webhooks",
        _timed(
            "x-samsara-signature", "x-samsara-timestamp", "v1:{timestamp}:{body}", prefix="v1=", key="base64"
        ),
        "the webhook's secret key, in base64",
        "Pieced together from public code, not from Samsara's documentation: try it with Samsara's test button.",
    ),
    "linear": Preset(
        "Linear",
        "https://linear.app/developers/webhooks",
        {
            "scheme": "signed",
            "signature": "header:linear-signature",
            "timestamp": "json:/webhookTimestamp",
            "timestamp_format": "unix-ms",
            "timestamp_required": False,
            "tolerance_secs": 60,
        },
        "the webhook's signing secret",
    ),
}
