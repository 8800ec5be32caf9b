"""Presets of providers that sign the body alone: HMAC, in hexadecimal digits, in one header."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import FORM, NO_KEYS, XML, Preset


def _body(
    title: str,
    docs: str,
    header: str,
    *,
    prefix: str = "",
    algorithm: str = "hmac-sha256",
    event: Mapping[str, Any] = NO_KEYS,
    secret: str,
    note: str = "",
) -> Preset:
    verify = {"scheme": "signed", "signature": f"header:{header}", "algorithm": algorithm}
    if prefix:
        verify["prefix"] = prefix
    return Preset(title, docs, verify, secret, note, event)


PRESETS: Final[Mapping[str, Preset]] = {
    "meta": _body(
        "Meta (Facebook, Instagram, WhatsApp, Messenger)",
        "https://developers.facebook.com/docs/graph-api/webhooks/getting-started/",
        "X-Hub-Signature-256",
        prefix="sha256=",
        secret="the app secret",
    ),
    "pusher": _body(
        "Pusher",
        "https://pusher.com/docs/channels/server_api/webhooks/",
        "X-Pusher-Signature",
        secret="the secret of the app's key",
    ),
    "chargify": _body(
        "Chargify (Maxio)",
        "https://developers.maxio.com/http/getting-started/webhooks",
        "X-Chargify-Webhook-Signature-Hmac-Sha-256",
        event=FORM,
        secret="the site's shared key",
    ),
    "launchdarkly": _body(
        "LaunchDarkly",
        "https://launchdarkly.com/docs/home/infrastructure/webhooks",
        "X-LD-Signature",
        secret="the webhook's secret",
    ),
    "modern-treasury": _body(
        "Modern Treasury",
        "https://docs.moderntreasury.com/platform/docs/webhooks",
        "X-Signature",
        secret="the webhook key",
    ),
    "autodesk-aps": _body(
        "Autodesk Platform Services",
        "https://aps.autodesk.com/en/docs/webhooks/v1/",
        "x-adsk-signature",
        prefix="sha1hash=",
        algorithm="hmac-sha1",
        secret="the secret of the webhook's token",
    ),
    "segment": _body(
        "Segment",
        "https://segment.com/docs/connections/destinations/catalog/actions-webhook/",
        "X-Signature",
        algorithm="hmac-sha1",
        secret="the shared secret of the destination",
    ),
    "nylas": _body(
        "Nylas",
        "https://developer.nylas.com/docs/v3/notifications/",
        "X-Nylas-Signature",
        secret="the webhook secret",
    ),
    "ashby": _body(
        "Ashby",
        "https://developers.ashbyhq.com/docs/authenticating-webhooks",
        "Ashby-Signature",
        prefix="sha256=",
        secret="the webhook's secret token",
    ),
    "razorpay": _body(
        "Razorpay",
        "https://razorpay.com/docs/webhooks/validate-test/",
        "X-Razorpay-Signature",
        secret="the webhook's secret",
    ),
    "sentry": _body(
        "Sentry",
        "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
        "Sentry-Hook-Signature",
        secret="the client secret of the integration",
        note="`Sentry-Hook-Timestamp` is not signed, so no window is judged.",
    ),
    "dropbox": _body(
        "Dropbox",
        "https://www.dropbox.com/developers/reference/webhooks",
        "X-Dropbox-Signature",
        secret="the app secret",
    ),
    "checkout-com": _body(
        "Checkout.com",
        "https://www.checkout.com/docs/developer-resources/webhooks",
        "Cko-Signature",
        secret="the signature key of the workflow's webhook",
    ),
    "lemon-squeezy": _body(
        "Lemon Squeezy",
        "https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
        "X-Signature",
        secret="the webhook's signing secret",
    ),
    "coinbase-commerce": _body(
        "Coinbase Commerce",
        "https://docs.cdp.coinbase.com/commerce/docs/webhooks-security",
        "X-CC-Webhook-Signature",
        secret="the webhook's shared secret",
    ),
    "dwolla": _body(
        "Dwolla",
        "https://developers.dwolla.com/docs/working-with-webhooks",
        "X-Request-Signature-SHA-256",
        secret="the secret of the webhook subscription",
    ),
    "gocardless": _body(
        "GoCardless",
        "https://developer.gocardless.com/getting-started/staying-up-to-date-with-webhooks",
        "Webhook-Signature",
        secret="the webhook endpoint's secret",
        note="One request has several events, in `events`.",
    ),
    "notion": _body(
        "Notion",
        "https://developers.notion.com/reference/webhooks",
        "X-Notion-Signature",
        prefix="sha256=",
        secret="the verification token of the handshake",
    ),
    "bitbucket": _body(
        "Bitbucket",
        "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
        "X-Hub-Signature",
        prefix="sha256=",
        secret="the webhook's secret",
    ),
    "atlassian-jira": _body(
        "Jira system webhooks",
        "https://developer.atlassian.com/cloud/jira/platform/webhooks/",
        "X-Hub-Signature",
        prefix="sha256=",
        secret="the webhook's secret",
        note="For webhooks that a Jira administrator adds. A Connect app uses `jira-connect`.",
    ),
    "clickup": _body(
        "ClickUp",
        "https://developer.clickup.com/docs/webhooksignature",
        "X-Signature",
        secret="the secret that the creation of the webhook returned",
    ),
    "npm": _body(
        "npm hooks",
        "https://docs.npmjs.com/cli/commands/npm-hook",
        "x-npm-signature",
        prefix="sha256=",
        secret="the secret of the hook",
        note="npm has announced the end of this service.",
    ),
    "dub": _body(
        "Dub",
        "https://dub.co/docs/webhooks/verify-webhook-requests",
        "Dub-Signature",
        secret="the webhook's signing secret",
    ),
    "cal-com": _body(
        "Cal.com",
        "https://cal.com/docs/developing/guides/automation/webhooks",
        "X-Cal-Signature-256",
        secret="the webhook's secret",
    ),
    "asana": _body(
        "Asana",
        "https://developers.asana.com/docs/webhooks-guide",
        "X-Hook-Signature",
        secret="`X-Hook-Secret` of the handshake",
        note="An empty list of events is a heartbeat.",
    ),
    "vercel": _body(
        "Vercel",
        "https://vercel.com/docs/webhooks/webhooks-api",
        "x-vercel-signature",
        algorithm="hmac-sha1",
        secret="the webhook's secret, or the integration's client secret",
    ),
    "intercom": _body(
        "Intercom",
        "https://developers.intercom.com/docs/webhooks/setting-up-webhooks",
        "X-Hub-Signature",
        prefix="sha1=",
        algorithm="hmac-sha1",
        secret="the app's client secret",
    ),
    "paystack": _body(
        "Paystack",
        "https://paystack.com/docs/payments/webhooks/",
        "x-paystack-signature",
        algorithm="hmac-sha512",
        secret="the secret key of the account",
    ),
    "checkr": _body(
        "Checkr",
        "https://docs.checkr.com/#section/Webhooks/Validating-webhooks",
        "X-Checkr-Signature",
        secret="the API key of the account",
    ),
    "doppler": _body(
        "Doppler",
        "https://docs.doppler.com/docs/webhooks",
        "X-Doppler-Signature",
        prefix="sha256=",
        secret="the webhook's signing secret",
    ),
    "sendbird": _body(
        "Sendbird",
        "https://sendbird.com/docs/chat/platform-api/v3/webhook/webhook-overview",
        "X-Sendbird-Signature",
        secret="the master API token",
    ),
    "smartsheet": _body(
        "Smartsheet",
        "https://developers.smartsheet.com/api/smartsheet/guides/webhooks/webhook-callbacks",
        "Smartsheet-Hmac-SHA256",
        secret="the webhook's shared secret",
        note="The hexadecimal form of the signature is recalled, not documented.",
    ),
    "youtube-websub": _body(
        "YouTube (WebSub)",
        "https://developers.google.com/youtube/v3/guides/push_notifications",
        "X-Hub-Signature",
        prefix="sha1=",
        algorithm="hmac-sha1",
        event=XML,
        secret="`hub.secret` of the subscription",
        note="The body is an Atom feed.",
    ),
    "cursor": _body(
        "Cursor cloud agents",
        "https://docs.cursor.com/account/cloud-agent-webhooks",
        "X-Webhook-Signature",
        prefix="sha256=",
        secret="the webhook's secret",
    ),
    "expo": _body(
        "Expo EAS",
        "https://docs.expo.dev/eas/webhooks/",
        "expo-signature",
        prefix="sha1=",
        algorithm="hmac-sha1",
        secret="the webhook's secret",
    ),
}
