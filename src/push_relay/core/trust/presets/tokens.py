"""Presets of providers that sign nothing: a shared token, or a user and a password.

Such a proof shows who sends. It does not cover the content.
"""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import FORM, LIST, NO_KEYS, Preset

#: The header that a deployer gives at a provider that lets its name be chosen.
_OWN_HEADER: Final = "x-relay-token"


def _token(
    title: str,
    docs: str,
    place: str,
    secret: str,
    note: str = "",
    *,
    event: Mapping[str, Any] = NO_KEYS,
    answer: Mapping[str, Any] = NO_KEYS,
    **more: str,
) -> Preset:
    return Preset(title, docs, {"scheme": "token", "token": place, **more}, secret, note, event, answer)


def _own(title: str, docs: str) -> Preset:
    return _token(
        title,
        docs,
        f"header:{_OWN_HEADER}",
        "a random token of your own",
        f"Add the header `{_OWN_HEADER}` with the token to the webhook, or set `token` to another header.",
    )


def _basic(title: str, docs: str, event: Mapping[str, Any] = NO_KEYS) -> Preset:
    return Preset(
        title, docs, {"scheme": "basic"}, "`user:password`, as entered at the provider", event=event
    )


PRESETS: Final[Mapping[str, Preset]] = {
    "telegram": _token(
        "Telegram",
        "https://core.telegram.org/bots/api#setwebhook",
        "header:x-telegram-bot-api-secret-token",
        "`secret_token` of setWebhook",
    ),
    "gitlab": _token(
        "GitLab",
        "https://docs.gitlab.com/ee/user/project/integrations/webhooks.html",
        "header:x-gitlab-token",
        "the webhook's secret token",
        "If GitLab has a signing token for the webhook, use `standard-webhooks`, which covers the content.",
    ),
    "microsoft-graph": _token(
        "Microsoft Graph",
        "https://learn.microsoft.com/graph/change-notifications-delivery-webhooks",
        "json:/clientState",
        "`clientState` of the subscription",
        "Every item of a request has to have it.",
        answer={"status": 202},
        each="/value/*",
    ),
    "okta": _token(
        "Okta event hooks",
        "https://developer.okta.com/docs/concepts/event-hooks/",
        "header:authorization",
        "the authentication secret of the event hook",
        "If the hook's authentication field is another header, set `token` to it.",
    ),
    "ringcentral": _token(
        "RingCentral",
        "https://developers.ringcentral.com/guide/notifications/webhooks/receiving",
        "header:verification-token",
        "the verification token of the subscription",
    ),
    "figma": _token(
        "Figma",
        "https://developers.figma.com/docs/rest-api/webhooks-security/",
        "json:/passcode",
        "the webhook's passcode",
    ),
    "deepgram": _token(
        "Deepgram",
        "https://developers.deepgram.com/reference",
        "header:dg-token",
        "the identifier of the API key",
        "The identifier is not a secret: it proves little.",
    ),
    "adobe-sign": _token(
        "Adobe Acrobat Sign",
        "https://developer.adobe.com/acrobat-sign/docs/overview/acrobat_sign_events/",
        "header:x-adobesign-clientid",
        "the client id of the application",
        "The client id is not a secret: it proves little.",
    ),
    "strava": _token(
        "Strava",
        "https://developers.strava.com/docs/webhooks/",
        "query:token",
        "a random token of your own",
        "Strava signs nothing. Add `?token=...` to the callback's address. Its question needs the setting "
        "`verify-token` alone.",
    ),
    "withings": _token(
        "Withings",
        "https://developer.withings.com/developer-guide/v3/data-api/keep-user-data-up-to-date/",
        "query:token",
        "a random token of your own",
        "Withings signs nothing. Add `?token=...` to the callback's address, and store the token before you "
        "subscribe: Withings asks first, by HEAD.",
        event=FORM,
    ),
    "bigcommerce": _own("BigCommerce", "https://developer.bigcommerce.com/docs/integrations/webhooks"),
    "datadog": _own("Datadog", "https://docs.datadoghq.com/integrations/webhooks/"),
    "brevo": _own("Brevo", "https://developers.brevo.com/docs/how-to-use-webhooks"),
    "new-relic": _own(
        "New Relic", "https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/"
    ),
    "fillout": _own("Fillout", "https://www.fillout.com/help/webhook"),
    "zapier": _own("Zapier", "https://help.zapier.com/hc/en-us/articles/8496326446989"),
    "chargebee": _basic("Chargebee", "https://www.chargebee.com/docs/2.0/events_and_webhooks.html"),
    "postmark": _basic("Postmark", "https://postmarkapp.com/developer/webhooks/webhooks-overview"),
    "sparkpost": _basic("SparkPost", "https://developers.sparkpost.com/api/webhooks/", LIST),
    "mixpanel": _basic("Mixpanel cohort sync", "https://docs.mixpanel.com/docs/cohort-sync/webhooks"),
    "pipedrive": _basic("Pipedrive", "https://pipedrive.readme.io/docs/guide-for-webhooks"),
}
