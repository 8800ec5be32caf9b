"""Presets of providers that send a signed token (JWT, JWS)."""

from collections.abc import Mapping
from typing import Any, Final

from push_relay.core.trust.presets.preset import NO_KEYS, Preset

_LEEWAY_SECS: Final = 300
_TOLERANCE_SECS: Final = 300
_BODY_HEX: Final = "{body|sha256-hex}"
_AUTHORIZATION: Final = "header:authorization"
_GOOGLE: Final[Mapping[str, Any]] = {
    "token": _AUTHORIZATION,
    "prefix": "Bearer ",
    "algorithm": ["RS256"],
    "key": "jwks",
    "time": {"expires": "exp", "issued": "iat", "leeway_secs": _LEEWAY_SECS},
    "content": "unsigned",
    "settings": ["audience", "email"],
    "fetch": {
        "address": "https://www.googleapis.com/oauth2/v3/certs",
        "hosts": ["www.googleapis.com"],
        "path_begins": "/oauth2/",
    },
}
_GOOGLE_CLAIMS: Final[Mapping[str, Any]] = {
    "iss": ["https://accounts.google.com", "accounts.google.com"],
    "aud": "{setting:audience}",
    "email": "{setting:email}",
}
_FETCHED: Final = "nothing: the keys are fetched. A key set that is stored as JSON text is used instead"


def _row(
    title: str,
    docs: str,
    secret: str,
    note: str = "",
    event: Mapping[str, Any] = NO_KEYS,
    **verify: Any,
) -> Preset:
    return Preset(title, docs, {"scheme": "jwt", **verify}, secret, note, event)


PRESETS: Final[Mapping[str, Preset]] = {
    "messagebird": _row(
        "MessageBird (Bird)",
        "https://developers.messagebird.com/api/#verifying-http-requests",
        "the signing key, which looks like hexadecimal digits and is a text",
        "The address is signed: set `url` in relay.toml to the one that MessageBird calls.",
        token="header:messagebird-signature-jwt",
        claims={"iss": "MessageBird", "payload_hash?": _BODY_HEX, "url_hash?": "{url|sha256-hex}"},
        time={"expires": "exp", "not_before": "nbf", "leeway_secs": _LEEWAY_SECS, "required": False},
    ),
    "netlify": _row(
        "Netlify",
        "https://docs.netlify.com/site-deploys/notifications/",
        "the notification's JWS secret token",
        "The token has no time.",
        token="header:x-webhook-signature",
        claims={"iss": "netlify", "sha256": _BODY_HEX},
    ),
    "vonage": _row(
        "Vonage",
        "https://developer.vonage.com/en/getting-started/concepts/webhooks",
        "the account's signature secret",
        token=_AUTHORIZATION,
        prefix="Bearer ",
        claims={"iss": "Vonage", "payload_hash": _BODY_HEX},
        time={
            "issued": "iat",
            "tolerance_secs": _TOLERANCE_SECS,
            "leeway_secs": _LEEWAY_SECS,
            "required": False,
        },
    ),
    "monday": _row(
        "monday.com",
        "https://developer.monday.com/apps/docs/integration-authorization",
        "the app's signing secret",
        "The token does not cover the content. Webhooks that were made by hand are not signed at all. The "
        "address is signed: set `url` in relay.toml to the one that monday.com calls.",
        token=_AUTHORIZATION,
        claims={"aud": "{url}"},
        time={"expires": "exp", "issued": "iat", "leeway_secs": _LEEWAY_SECS},
        content="unsigned",
    ),
    "jira-connect": _row(
        "Jira (Connect apps)",
        "https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/",
        "the shared secret of the installation, which looks like base64 and is a text",
        "The token covers the method, the path and the query, and not the content. The path is the one after "
        "the app's base URL: let that be the host alone.",
        token=_AUTHORIZATION,
        prefix="JWT ",
        claims={"qsh": {"text": "{method}&{path|atlassian}&{query|atlassian}", "hash": "sha256-hex"}},
        time={"expires": "exp", "issued": "iat", "leeway_secs": _LEEWAY_SECS},
        content="unsigned",
    ),
    "kinde": _row(
        "Kinde",
        "https://docs.kinde.com/integrate/webhooks/about-webhooks/",
        f"{_FETCHED}. The setting `issuer` is `https://<name>.kinde.com`",
        "For a domain of your own, store the key set, or give `fetch` with that host.",
        {"format": "jwt"},
        token="body",
        algorithm=["RS256"],
        key="jwks",
        claims={"iss": "{setting:issuer}"},
        time={
            "expires": "exp",
            "not_before": "nbf",
            "issued": "iat",
            "leeway_secs": _LEEWAY_SECS,
            "required": False,
        },
        settings=["issuer"],
        fetch={
            "address": "{setting:issuer}/.well-known/jwks.json",
            "hosts": ["*.kinde.com"],
            "path_begins": "/.well-known/",
        },
    ),
    "constant-contact": _row(
        "Constant Contact",
        "https://developer.constantcontact.com/api_guide/webhook_authenticity.html",
        _FETCHED,
        "The window is the relay's own: Constant Contact documents none.",
        token="header:x-ctct-webhook-sig",
        algorithm=["RS256"],
        key="jwks",
        detached=True,
        unencoded=True,
        time={"issued": "jose:ts", "tolerance_secs": _TOLERANCE_SECS},
        fetch={
            "address": "https://developer.constantcontact.com/.well-known/jwks.json",
            "hosts": ["developer.constantcontact.com"],
            "path_begins": "/.well-known/",
        },
    ),
    "plaid": _row(
        "Plaid",
        "https://plaid.com/docs/api/webhooks/webhook-verification/",
        "the key as JSON text, the `key` of /webhook_verification_key/get; a list of them during a rotation",
        "Plaid gives the key only to calls with your client's credentials, which the relay does not have: "
        "fetch it once, with the `kid` of a token as `key_id`, and store it. A webhook under a newer key is "
        "refused until that is stored too.",
        token="header:plaid-verification",
        algorithm=["ES256"],
        key="jwks",
        claims={"request_body_sha256": _BODY_HEX},
        time={"issued": "iat", "tolerance_secs": _TOLERANCE_SECS},
    ),
    "fireblocks": _row(
        "Fireblocks",
        "https://developers.fireblocks.com/reference/validating-webhooks",
        _FETCHED,
        token="header:fireblocks-webhook-signature",
        algorithm=["RS512"],
        key="jwks",
        detached=True,
        fetch={
            "address": "https://keys.fireblocks.io/.well-known/jwks.json",
            "hosts": ["keys.fireblocks.io"],
            "path_begins": "/.well-known/",
        },
    ),
    "fusionauth": _row(
        "FusionAuth",
        "https://fusionauth.io/docs/extend/events-and-webhooks/signing",
        "the value of the HMAC key that signs the webhook",
        'For a key pair, give `key = "jwks"` and `algorithm = "RS256"` or `"ES256"`, and store the public key.',
        token="header:x-fusionauth-signature-jwt",
        algorithm=["HS256", "HS384", "HS512"],
        claims={"request_body_sha256": "{body|sha256-base64}"},
    ),
    "google-pubsub": _row(
        "Google Cloud Pub/Sub push",
        "https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
        f"{_FETCHED}. The settings are `audience` of the subscription and `email` of its service account",
        "The token does not cover the content, and may be up to an hour old.",
        **_GOOGLE,
        claims={**_GOOGLE_CLAIMS, "email_verified": True},
    ),
    "google-cloud-tasks": _row(
        "Google Cloud Tasks",
        "https://cloud.google.com/tasks/docs/creating-http-target-tasks",
        f"{_FETCHED}. The settings are `audience` of the task and `email` of its service account",
        "The token does not cover the content.",
        **_GOOGLE,
        claims=_GOOGLE_CLAIMS,
    ),
    "event-grid-entra": _row(
        "Azure Event Grid (Entra ID)",
        "https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery",
        f"{_FETCHED}. The settings are `tenant` (its id), `audience` (the application that stands for the "
        "endpoint) and `caller` (the application id of Event Grid)",
        "The token does not cover the content.",
        {"format": "list"},
        token=_AUTHORIZATION,
        prefix="Bearer ",
        algorithm=["RS256"],
        key="jwks",
        claims={
            "iss": [
                "https://sts.windows.net/{setting:tenant}/",
                "https://login.microsoftonline.com/{setting:tenant}/v2.0",
            ],
            "aud": "{setting:audience}",
            "tid": "{setting:tenant}",
            "appid|azp": "{setting:caller}",
        },
        time={"expires": "exp", "not_before": "nbf", "leeway_secs": _LEEWAY_SECS},
        content="unsigned",
        settings=["tenant", "audience", "caller"],
        fetch={
            "address": "https://login.microsoftonline.com/{setting:tenant}/discovery/v2.0/keys",
            "hosts": ["login.microsoftonline.com"],
        },
    ),
    "apple-app-store": _row(
        "Apple App Store Server Notifications",
        "https://developer.apple.com/documentation/appstoreservernotifications",
        "the certificate `Apple Root CA - G3` as PEM, or its SHA-256 fingerprint; the setting `bundle-id` is "
        "the app's",
        "The certificates' validity is checked, and not whether Apple has revoked one.",
        {"format": "jwt", "form_field": "signedPayload"},
        token="json:/signedPayload",
        algorithm=["ES256"],
        key="x5c",
        leaf_oid="1.2.840.113635.100.6.11.1",
        intermediate_oid="1.2.840.113635.100.6.2.1",
        claims={"/data/bundleId": "{setting:bundle-id}"},
        settings=["bundle-id"],
    ),
}
