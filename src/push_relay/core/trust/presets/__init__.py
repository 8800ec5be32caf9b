"""The presets: how each provider proves its webhooks, as rows of data over the engine.

`PRESETS[slug]` imports only the module that has the row, because both functions read the sources' tables in
each cold start. A new module needs a line in FAMILIES.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from push_relay.core.trust.presets.preset import Preset

#: The slugs of each module.
FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "first": (
            "github",
            "stripe",
            "slack",
            "shopify",
            "standard-webhooks",
            "grafana",
            "pagerduty",
            "zendesk",
            "twilio",
        ),
        "aliases": ("aws-sns",),
        "signed_tokens": (
            "messagebird",
            "netlify",
            "vonage",
            "monday",
            "jira-connect",
            "kinde",
            "constant-contact",
            "plaid",
            "fireblocks",
            "fusionauth",
            "google-pubsub",
            "google-cloud-tasks",
            "event-grid-entra",
            "apple-app-store",
        ),
        "fetched": ("paypal", "ebay"),
        "hex_bodies": (
            "meta",
            "pusher",
            "chargify",
            "launchdarkly",
            "modern-treasury",
            "autodesk-aps",
            "segment",
            "nylas",
            "ashby",
            "razorpay",
            "sentry",
            "dropbox",
            "checkout-com",
            "lemon-squeezy",
            "coinbase-commerce",
            "dwolla",
            "gocardless",
            "notion",
            "bitbucket",
            "atlassian-jira",
            "clickup",
            "npm",
            "dub",
            "cal-com",
            "asana",
            "vercel",
            "intercom",
            "paystack",
            "checkr",
            "doppler",
            "sendbird",
            "smartsheet",
            "youtube-websub",
            "cursor",
            "expo",
        ),
        "base64_bodies": (
            "quickbooks",
            "mongodb-atlas",
            "xero",
            "aftership",
            "ably",
            "bolt",
            "tally",
            "woocommerce",
            "x",
            "heroku",
            "typeform",
            "fastspring",
            "line",
            "primer",
            "docusign",
            "cronofy",
            "merge-dev",
        ),
        "standard": (
            "clerk",
            "resend",
            "stytch",
            "render",
            "brex",
            "openai",
            "replicate",
            "gemini",
            "incident-io",
            "etsy",
            "vanta",
            "loops",
            "increase",
            "supabase",
            "polar",
            "finch",
        ),
        "lists": (
            "mux",
            "shippo",
            "buildkite",
            "tiktok",
            "persona",
            "affirm",
            "knock",
            "calendly",
            "workos",
            "paddle",
            "elevenlabs",
            "cloudflare-stream",
            "coinbase-cdp",
            "fintoc",
            "tailscale",
            "circleci",
            "mollie",
            "recurly",
            "sanity",
            "ripple",
        ),
        "timestamped": (
            "zoom",
            "customer-io",
            "webflow",
            "klaviyo",
            "airship",
            "lob",
            "airwallex",
            "box",
            "configcat",
            "sinch",
            "front",
            "twitch",
            "samsara",
            "linear",
        ),
        "texts": (
            "linkedin",
            "deel",
            "framer",
            "square",
            "trello",
            "mandrill",
            "hubspot",
            "contentful",
            "plivo",
            "pandadoc",
            "mercado-pago",
        ),
        "key_forms": (
            "onfleet",
            "ms-teams",
            "squarespace",
            "airtable",
            "authorize-net",
            "adyen-platform",
            "fitbit",
        ),
        "in_body": (
            "adyen",
            "mailgun",
            "dropbox-sign",
            "braintree",
        ),
        "public_keys": (
            "discord",
            "telnyx",
            "sendgrid",
            "wise",
            "keygen",
            "fireblocks-legacy",
            "bridge",
            "alipay",
            "travis-ci",
        ),
        "tokens": (
            "telegram",
            "gitlab",
            "microsoft-graph",
            "okta",
            "ringcentral",
            "figma",
            "deepgram",
            "adobe-sign",
            "strava",
            "withings",
            "bigcommerce",
            "datadog",
            "brevo",
            "new-relic",
            "fillout",
            "zapier",
            "chargebee",
            "postmark",
            "sparkpost",
            "mixpanel",
            "pipedrive",
        ),
    }
)
_MODULES = {slug: module for module, slugs in FAMILIES.items() for slug in slugs}
#: Every slug.
SLUGS = tuple(_MODULES)


class _Presets(Mapping[str, Preset]):
    """The presets by slug."""

    def __getitem__(self, slug: str) -> Preset:
        module = import_module(f"{__name__}.{_MODULES[slug]}")
        row: Preset = module.PRESETS[slug]
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(SLUGS)

    def __len__(self) -> int:
        return len(SLUGS)


PRESETS: Mapping[str, Preset] = _Presets()
