"""Presets of providers whose signature header is a list that also has the timestamp."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import LIST, Preset

#: The window that providers advise, or that their libraries use.
_TOLERANCE_SECS: Final = 300


def _list(header: str, *, time: str = "t", item: str = "v1", split: str = ",", **more: Any) -> dict[str, Any]:
    """Return the keys for `t=<time>,v1=<signature>` of `<time>.<body>`."""
    return {
        "scheme": "signed",
        "signature": f"header:{header}",
        "split": split,
        "item": item,
        "timestamp": f"item:{time}",
        "tolerance_secs": _TOLERANCE_SECS,
        "text": "{timestamp}.{body}",
        **more,
    }


PRESETS: Final[Mapping[str, Preset]] = {
    "mux": Preset("Mux", "https://www.mux.com/docs/core/verify-webhook-signatures", _list("mux-signature")),
    "shippo": Preset(
        "Shippo",
        "https://docs.goshippo.com/docs/tracking/webhooks/",
        _list("shippo-auth-signature"),
        "the HMAC secret that Shippo's support gives",
    ),
    "buildkite": Preset(
        "Buildkite",
        "https://buildkite.com/docs/apis/webhooks",
        _list("x-buildkite-signature", time="timestamp", item="signature"),
        "the token of the notification service",
        "Choose the signature in Buildkite, not the plain token.",
    ),
    "tiktok": Preset(
        "TikTok",
        "https://developers.tiktok.com/doc/webhooks-verification",
        _list("tiktok-signature", item="s"),
        "the app's client secret",
    ),
    "persona": Preset(
        "Persona",
        "https://docs.withpersona.com/webhooks-best-practices",
        _list("persona-signature", groups=" "),
        note="During a rotation the header has several groups, each with its own time.",
    ),
    "affirm": Preset(
        "Affirm",
        "https://docs.affirm.com/developers/docs/webhooks",
        _list("x-affirm-signature", item="v0", algorithm="hmac-sha512"),
    ),
    "knock": Preset(
        "Knock",
        "https://docs.knock.app/developer-tools/outbound-webhooks/overview",
        _list("x-knock-signature", item="s", timestamp_format="unix-any", encoding="base64"),
    ),
    "calendly": Preset(
        "Calendly",
        "https://developer.calendly.com/api-docs/webhook-signatures",
        _list("calendly-webhook-signature", tolerance_secs=180),
        "the signing key of the webhook subscription",
    ),
    "workos": Preset(
        "WorkOS",
        "https://workos.com/docs/events/data-syncing/webhooks",
        _list("workos-signature", timestamp_format="unix-ms", spaced=True),
    ),
    "paddle": Preset(
        "Paddle",
        "https://developer.paddle.com/webhooks/signature-verification",
        _list("paddle-signature", time="ts", item="h1", split=";", text="{timestamp}:{body}"),
        "the secret key of the notification destination",
    ),
    "elevenlabs": Preset(
        "ElevenLabs",
        "https://elevenlabs.io/docs/overview/administration/webhooks",
        _list("elevenlabs-signature", item="v0", tolerance_secs=1800),
    ),
    "cloudflare-stream": Preset(
        "Cloudflare Stream",
        "https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/",
        _list("webhook-signature", time="time", item="sig1"),
        "the secret that the creation of the webhook returned",
    ),
    "coinbase-cdp": Preset(
        "Coinbase Developer Platform",
        "https://docs.cdp.coinbase.com/webhooks/verify-signatures",
        _list("x-hook0-signature", item="v0"),
        "the secret of the subscription",
    ),
    "fintoc": Preset(
        "Fintoc", "https://docs.fintoc.com/docs/webhooks-walkthrough", _list("fintoc-signature")
    ),
    "tailscale": Preset(
        "Tailscale",
        "https://tailscale.com/kb/1213/webhooks",
        _list("tailscale-webhook-signature"),
        event=LIST,
    ),
    "circleci": Preset(
        "CircleCI",
        "https://circleci.com/docs/webhooks/",
        {"scheme": "signed", "signature": "header:circleci-signature", "split": ",", "item": "v1"},
        "the webhook's secret token",
    ),
    "mollie": Preset(
        "Mollie (webhooks of 2025)",
        "https://docs.mollie.com/reference/webhooks-new",
        {
            "scheme": "signed",
            "signature": "header:x-mollie-signature",
            "split": ",",
            "item": "sha256",
            "spaced": True,
        },
        note="During a rotation Mollie sends two headers for 24 hours. The older webhooks (a form with `id`) are not signed.",
    ),
    "recurly": Preset(
        "Recurly",
        "https://docs.recurly.com/recurly-subscriptions/docs/signature-verification",
        {
            "scheme": "signed",
            "signature": "header:recurly-signature",
            "split": ",",
            "timestamp": "item:",
            "timestamp_format": "unix-any",
            "tolerance_secs": 300,
            "text": "{timestamp}.{body}",
        },
        "the endpoint's secret key",
        "Only JSON webhooks are signed. The time is in milliseconds, by the documentation; seconds are accepted too.",
    ),
    "sanity": Preset(
        "Sanity",
        "https://www.sanity.io/docs/content-lake/webhooks",
        {
            "scheme": "signed",
            "signature": "header:sanity-webhook-signature",
            "split": ",",
            "item": "v1",
            "encoding": "base64url",
            "text": "{item:t}.{body}",
        },
        "the webhook's secret",
        "Sanity defines no window, so the time is signed and not judged.",
    ),
    "ripple": Preset(
        "Ripple Collections",
        "https://docs.ripple.com/products/collections/guides/verifying-webhooks",
        _list(
            "x-webhook-signature",
            timestamp_format="unix-ms",
            text="{timestamp}.{body|sha256-hex}",
            key="base64",
        ),
        "`signature_verification_key` of the subscription",
    ),
}
