"""The handshakes of providers, one row for each question. `docs/security.md` describes how they are answered.

Facts are from the pages that are named. A sender that shows neither a proof nor a setting gets back only what
it has sent, and only if that can hold no markup.
"""

from collections.abc import Mapping
from types import MappingProxyType

from push_relay.core.trust.handshakes.row import ANY, PRINTABLE, Row

#: A UUID, which can neither be JSON nor begin as the text that LinkedIn signs for an event.
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_EMPTY: frozenset[str] = frozenset()
_HEAD = Row("HEAD")
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
#: The question of a hub (PubSubHubbub 0.4, 5.3), which Meta and Strava ask too.
_SUBSCRIBE = {"query:hub.mode": "subscribe", "query:hub.challenge": ANY}
_TOKEN = {"query:hub.verify_token": "{setting:verify-token}"}
_TOPIC = {"query:hub.topic": "{setting:topic}", "query:hub.challenge": ANY}

ROWS: Mapping[str, tuple[Row, ...]] = MappingProxyType(
    {
        # --- answered after the proof of an event ------------------------------------------------------
        # https://docs.slack.dev/reference/events/url_verification
        "slack": (
            Row(
                signed=True,
                trigger={"json:/type": "url_verification", "json:/challenge": ANY},
                pattern=PRINTABLE,
                text="{json:/challenge}",
            ),
        ),
        # https://developers.zoom.us/docs/api/webhooks/ The text of an event has colons.
        "zoom": (
            Row(
                signed=True,
                trigger={"json:/event": "endpoint.url_validation", "json:/payload/plainToken": ANY},
                pattern=r"[A-Za-z0-9_-]{1,128}",
                alphabet="A-Za-z0-9_-",
                json={
                    "plainToken": "{json:/payload/plainToken}",
                    "encryptedToken": "{hmac-sha256-hex:json:/payload/plainToken}",
                },
            ),
        ),
        # https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
        "event-grid": (
            Row(
                signed=True,
                trigger={
                    "header:aeg-event-type": "SubscriptionValidation",
                    "json:/0/data/validationCode": ANY,
                },
                pattern=PRINTABLE,
                json={"validationResponse": "{json:/0/data/validationCode}"},
            ),
            Row(
                signed=True,
                trigger={
                    "header:aeg-event-type": "SubscriptionValidation",
                    "json:/data/validationCode": ANY,
                },
                pattern=PRINTABLE,
                json={"validationResponse": "{json:/data/validationCode}"},
            ),
        ),
        "event-grid-entra": (
            Row(
                signed=True,
                trigger={
                    "header:aeg-event-type": "SubscriptionValidation",
                    "json:/0/eventType": _VALIDATION,
                    "json:/0/data/validationCode": ANY,
                },
                pattern=PRINTABLE,
                json={"validationResponse": "{json:/0/data/validationCode}"},
            ),
        ),
        # https://dev.twitch.tv/docs/eventsub/handling-webhook-events/#responding-to-a-challenge-request
        "twitch": (
            Row(
                signed=True,
                trigger={
                    "header:twitch-eventsub-message-type": "webhook_callback_verification",
                    "json:/challenge": ANY,
                },
                text="{json:/challenge}",
            ),
        ),
        # https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/
        "xero": (Row(signed=True, trigger={"json:/events": []}),),
        # https://discord.com/developers/docs/events/webhook-events, and /interactions/overview
        "discord": (
            Row(signed=True, trigger={"json:/type": 0}, status=204),
            Row(signed=True, trigger={"json:/type": 1}, absent=("json:/event",), json={"type": 1}),
        ),
        # --- questions by GET --------------------------------------------------------------------------
        # https://developers.facebook.com/docs/graph-api/webhooks/getting-started/
        "meta": (Row("GET", trigger={**_SUBSCRIBE, **_TOKEN}, text="{query:hub.challenge}"),),
        # https://developers.strava.com/docs/webhooks/
        "strava": (
            Row("GET", trigger={**_SUBSCRIBE, **_TOKEN}, json={"hub.challenge": "{query:hub.challenge}"}),
        ),
        # https://pubsubhubbub.github.io/PubSubHubbub/pubsubhubbub-core-0.4.html#verifysub
        "youtube-websub": (
            Row(
                "GET",
                trigger={"query:hub.mode": "subscribe", **_TOPIC},
                text="{query:hub.challenge}",
                refused=404,
            ),
        ),
        # https://dev.fitbit.com/build/reference/web-api/developer-guide/using-subscriptions/
        "fitbit": (Row("GET", trigger={"query:verify": "{setting:verify-code}"}, status=204, refused=404),),
        # https://docs.onfleet.com/reference/create-webhook
        "onfleet": (Row("GET", trigger={"query:check": ANY}, text="{query:check}"),),
        # https://developer.nylas.com/docs/v3/notifications/
        "nylas": (Row("GET", trigger={"query:challenge": ANY}, text="{query:challenge}"),),
        # https://www.dropbox.com/developers/reference/webhooks
        "dropbox": (Row("GET", trigger={"query:challenge": ANY}, text="{query:challenge}"),),
        # https://developer.adobe.com/events/docs/guides/
        "adobe-io-events": (Row("GET", trigger={"query:challenge": ANY}, text="{query:challenge}"),),
        # https://developer.okta.com/docs/concepts/event-hooks/
        "okta": (
            Row(
                "GET",
                trigger={"header:x-okta-verification-challenge": ANY},
                json={"verification": "{header:x-okta-verification-challenge}"},
            ),
        ),
        # https://developer.adobe.com/acrobat-sign/docs/overview/acrobat_sign_events/
        "adobe-sign": (
            Row(
                "GET",
                trigger={"header:x-adobesign-clientid": ANY},
                pattern=r"[A-Za-z0-9_-]{1,128}",
                headers={"X-AdobeSign-ClientId": "{header:x-adobesign-clientid}"},
            ),
        ),
        # https://developer.ebay.com/develop/guides-v2/marketplace-user-account-deletion
        "ebay": (
            Row(
                "GET",
                trigger={"query:challenge_code": ANY},
                pattern=r"[A-Za-z0-9_-]{1,256}",
                json={"challengeResponse": "{sha256-hex:query:challenge_code+setting:verify-token+url}"},
            ),
        ),
        # https://learn.microsoft.com/linkedin/shared/api-guide/webhook-validation
        "linkedin": (
            Row(
                "GET",
                trigger={"query:challengeCode": ANY},
                pattern=_UUID,
                alphabet="0-9a-fA-F-",
                json={
                    "challengeCode": "{query:challengeCode}",
                    "challengeResponse": "{hmac-sha256-hex:query:challengeCode}",
                },
            ),
        ),
        # https://docs.x.com/x-api/webhooks/introduction The text of an event is JSON, which has a brace.
        "x": (
            Row(
                "GET",
                trigger={"query:crc_token": ANY},
                pattern=r"[A-Za-z0-9._~+/=-]{1,256}",
                alphabet="A-Za-z0-9._~+/=-",
                json={"response_token": "sha256={hmac-sha256-base64:query:crc_token}"},
            ),
        ),
        # https://developer.paypal.com/braintree/docs/guides/webhooks/create The text of an event is base64.
        "braintree": (
            Row(
                "GET",
                trigger={"query:bt_challenge": ANY},
                pattern=r"[a-f0-9]{20,40}",
                alphabet="a-f0-9",
                derive="sha1",
                text="{setting:public-key}|{hmac-sha1-hex:query:bt_challenge}",
            ),
        ),
        # --- questions by HEAD -------------------------------------------------------------------------
        "intercom": (_HEAD,),
        # https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/
        "trello": (_HEAD,),
        # https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
        "mandrill": (_HEAD,),
        "withings": (_HEAD,),
        # --- questions by POST, without a proof --------------------------------------------------------
        # https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
        "microsoft-graph": (
            Row(
                trigger={"query:validationToken": ANY},
                body=_EMPTY,
                pattern=r"[A-Za-z0-9 .,:;_~+/=()@-]{1,1024}",
                text="{query:validationToken}",
            ),
        ),
        # https://support.monday.com/hc/articles/360003540679
        "monday": (
            Row(
                trigger={"json:/challenge": ANY},
                body=frozenset({"challenge"}),
                json={"challenge": "{json:/challenge}"},
            ),
        ),
        # https://developers.smartsheet.com/api/smartsheet/guides/webhooks/webhook-verification
        "smartsheet": (
            Row(
                trigger={"header:smartsheet-hook-challenge": ANY},
                absent=("header:smartsheet-hmac-sha256",),
                body=frozenset({"challenge", "webhookId"}),
                headers={"Smartsheet-Hook-Response": "{header:smartsheet-hook-challenge}"},
                json={"smartsheetHookResponse": "{header:smartsheet-hook-challenge}"},
            ),
        ),
        # https://developers.ringcentral.com/guide/notifications/webhooks/creating-webhooks
        "ringcentral": (
            Row(
                trigger={"header:validation-token": ANY},
                body=_EMPTY,
                headers={"Validation-Token": "{header:validation-token}"},
            ),
        ),
        # --- questions that bring the secret (setup.py) ------------------------------------------------
        # https://developers.asana.com/docs/webhooks-guide
        "asana": (
            Row(
                trigger={"header:x-hook-secret": ANY},
                absent=("header:x-hook-signature",),
                body=_EMPTY,
                headers={"X-Hook-Secret": "{header:x-hook-secret}"},
                brings="header:x-hook-secret",
            ),
        ),
        # https://developers.notion.com/reference/webhooks It may be signed, with the secret that it brings.
        "notion": (
            Row(
                trigger={"json:/verification_token": ANY},
                body=frozenset({"verification_token"}),
                brings="json:/verification_token",
            ),
        ),
    }
)
