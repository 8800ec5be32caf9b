"""Presets of the Standard Webhooks family: id, timestamp and body, signatures in a list."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import Preset

_TOLERANCE_SECS: Final = 300
_SECRET: Final = "the endpoint's signing secret (`whsec_...`)"


def _headers(event_id: str, timestamp: str, signature: str, **key: str) -> dict[str, Any]:
    return {
        "scheme": "signed",
        "signature": f"header:{signature}",
        "split": " ",
        "item": "v1",
        "joint": ",",
        "encoding": "base64",
        "timestamp": f"header:{timestamp}",
        "tolerance_secs": _TOLERANCE_SECS,
        "text": f"{{header:{event_id}}}.{{timestamp}}.{{body}}",
        "id": f"header:{event_id}",
        **key,
    }


def _family(begins: str, key: str = "base64", key_strip: str = "whsec_") -> dict[str, Any]:
    form = {"key": key, "key_strip": key_strip} if key_strip else {"key": key}
    return _headers(f"{begins}-id", f"{begins}-timestamp", f"{begins}-signature", **form)


def _standard(title: str, docs: str, *, secret: str = _SECRET, note: str = "") -> Preset:
    return Preset(title, docs, _family("webhook"), secret=secret, note=note)


def _svix(title: str, docs: str, *, secret: str = _SECRET, note: str = "") -> Preset:
    return Preset(title, docs, _family("svix"), secret=secret, note=note)


PRESETS: Final[Mapping[str, Preset]] = {
    "clerk": _svix("Clerk", "https://clerk.com/docs/integrations/webhooks/overview"),
    "resend": _svix("Resend", "https://resend.com/docs/webhooks"),
    "stytch": _svix("Stytch", "https://stytch.com/docs/guides/dashboard/webhooks"),
    "render": _standard("Render", "https://render.com/docs/webhooks"),
    "brex": _standard(
        "Brex",
        "https://developer.brex.com/docs/webhooks/",
        secret="the signing secret, in base64 without a beginning",
    ),
    "openai": _standard("OpenAI", "https://platform.openai.com/docs/guides/webhooks"),
    "replicate": _standard("Replicate", "https://replicate.com/docs/webhooks"),
    "gemini": _standard(
        "Google Gemini",
        "https://ai.google.dev/gemini-api/docs/webhooks",
        note="For the static secret. The mode that signs a JWT is not covered.",
    ),
    "incident-io": _standard("incident.io", "https://docs.incident.io/integrations/webhooks"),
    "etsy": _standard("Etsy", "https://developers.etsy.com/documentation/essentials/webhooks"),
    "vanta": _svix("Vanta", "https://developer.vanta.com/docs/webhooks"),
    "loops": _standard("Loops", "https://loops.so/docs/webhooks"),
    "increase": _standard("Increase", "https://increase.com/documentation/webhooks"),
    "supabase": Preset(
        "Supabase auth hooks",
        "https://supabase.com/docs/guides/auth/auth-hooks",
        _family("webhook", "whsec", ""),
        secret="the hook's secret, `v1,whsec_...`",
        note="The relay's answer is not the answer that a hook needs to change a login; use it to be informed.",
    ),
    "polar": Preset(
        "Polar",
        "https://polar.sh/docs/integrate/webhooks/delivery",
        _family("webhook", "text", ""),
        secret="the webhook's secret (`polar_whs_...`), which is a text and not base64",
    ),
    "finch": Preset(
        "Finch",
        "https://developer.tryfinch.com/developer-resources/Webhooks",
        _headers("finch-event-id", "finch-timestamp", "finch-signature", key="base64"),
        secret="the webhook's secret, in base64",
    ),
}
