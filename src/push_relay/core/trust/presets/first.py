"""The presets of the providers that the relay knew before there were presets."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import FORM, Preset

_TOLERANCE_SECS: Final = 300


def _row(title: str, docs: str, secret: str, note: str = "", **verify: Any) -> Preset:
    return Preset(title, docs, {"scheme": "signed", **verify}, secret=secret, note=note)


PRESETS: Final[Mapping[str, Preset]] = {
    "github": _row(
        "GitHub",
        "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
        "the webhook's secret",
        "Only the body is signed, so the delivery id in the headers proves nothing.",
        signature="header:x-hub-signature-256",
        prefix="sha256=",
    ),
    "stripe": _row(
        "Stripe",
        "https://docs.stripe.com/webhooks/signature#verify-manually",
        "the endpoint's signing secret (`whsec_...`), with its beginning",
        "Stripe sends one signature for each secret during a rotation. `v0` is a test scheme and is ignored.",
        signature="header:stripe-signature",
        split=",",
        item="v1",
        timestamp="item:t",
        tolerance_secs=_TOLERANCE_SECS,
        text="{timestamp}.{body}",
        key_begins="whsec_",
    ),
    "slack": _row(
        "Slack",
        "https://docs.slack.dev/authentication/verifying-requests-from-slack",
        "the app's signing secret",
        signature="header:x-slack-signature",
        prefix="v0=",
        timestamp="header:x-slack-request-timestamp",
        tolerance_secs=_TOLERANCE_SECS,
        text="v0:{timestamp}:{body}",
    ),
    "shopify": _row(
        "Shopify",
        "https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
        "the app's client secret",
        "After a rotation Shopify signs with the old secret for up to an hour.",
        signature="header:x-shopify-hmac-sha256",
        encoding="base64",
    ),
    "standard-webhooks": _row(
        "Standard Webhooks",
        "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        "`whsec_` (HMAC) or `whpk_` (an Ed25519 public key) with base64 after it",
        "The id is signed. `header_prefix` is the beginning of the headers' names: `svix` for older senders.",
        header_prefix="webhook",
        signature="header:*-signature",
        encoding="base64",
        split=" ",
        item="v1",
        joint=",",
        timestamp="header:*-timestamp",
        tolerance_secs=_TOLERANCE_SECS,
        text="{header:*-id}.{timestamp}.{body}",
        id="header:*-id",
        key="whsec",
    ),
    "grafana": _row(
        "Grafana",
        "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/"
        "integrations/webhook-notifier/",
        "the contact point's HMAC secret",
        "Grafana signs a timestamp only if its contact point names a header for it: name it as "
        "`timestamp_header`.",
        signature="header:x-grafana-alerting-signature",
        text="[[{timestamp}:]]{body}",
    ),
    "pagerduty": _row(
        "PagerDuty",
        "https://developer.pagerduty.com/docs/verifying-webhook-signatures",
        "the subscription's secret",
        "PagerDuty sends one signature for each secret during a rotation.",
        signature="header:x-pagerduty-signature",
        split=",",
        item="v1",
    ),
    "zendesk": _row(
        "Zendesk",
        "https://developer.zendesk.com/documentation/webhooks/verifying/",
        "the webhook's signing secret",
        signature="header:x-zendesk-webhook-signature",
        encoding="base64",
        timestamp="header:x-zendesk-webhook-signature-timestamp",
        timestamp_format="iso8601",
        tolerance_secs=_TOLERANCE_SECS,
        text="{timestamp}{body}",
    ),
    "twilio": Preset(
        "Twilio",
        "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
        {"scheme": "twilio"},
        event=FORM,
        secret="the account's auth token",
        note="The address is signed: set `url` in relay.toml to the one that Twilio calls. Its webhooks are "
        'forms. For JSON, whose hash is in the address, set `format = "json"` in `[event]`: a source takes one '
        "of the two.",
    ),
}
