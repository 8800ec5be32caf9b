"""Providers that sign the body alone."""

from provider_signer.kit import Pen, Sent
from provider_signer.sender import FORM_BODY, LIST_BODY, Send, Sender

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def in_hex(header: str, begins: str = "", name: str = "sha256") -> Send:
    """Return a sender of hexadecimal digits in a header."""
    return lambda pen: pen.post({header: begins + pen.hex(pen.mac(pen.body, name))})


def in_base64(header: str, begins: str = "", name: str = "sha256") -> Send:
    """Return a sender of base64 in a header."""
    return lambda pen: pen.post({header: begins + pen.b64(pen.mac(pen.body, name))})


def merge(pen: Pen) -> Sent:
    """Merge writes base64url, with padding."""
    mac = pen.mac(pen.body)
    return pen.post({"X-Merge-Webhook-Signature": pen.b64url(mac) + "="})


def docusign(pen: Pen) -> Sent:
    """DocuSign sends a header for each active key."""
    proofs = [pen.b64(pen.mac(pen.body, key=key)) for key in pen.keys]
    return pen.post({f"X-DocuSign-Signature-{place}": proof for place, proof in enumerate(proofs, 1)})


def primer(pen: Pen) -> Sent:
    """Primer sends a second header during a rotation."""
    names = ("X-Signature-Primary", "X-Signature-Secondary")
    return pen.post(
        {name: pen.b64(pen.mac(pen.body, key=key)) for name, key in zip(names, pen.keys, strict=False)}
    )


def cronofy(pen: Pen) -> Sent:
    """Cronofy's header has a signature for each client secret."""
    return pen.post(
        {"Cronofy-HMAC-SHA256": ",".join(pen.b64(pen.mac(pen.body, key=key)) for key in pen.keys)}
    )


def chargify(pen: Pen) -> Sent:
    """Chargify sends a form."""
    mac = pen.hex(pen.mac(pen.body))
    return pen.post(FORM | {"X-Chargify-Webhook-Signature-Hmac-Sha-256": mac})


def youtube(pen: Pen) -> Sent:
    """YouTube sends an Atom feed by WebSub."""
    mac = pen.hex(pen.mac(pen.body, "sha1"))
    return pen.post({"Content-Type": "application/atom+xml", "X-Hub-Signature": f"sha1={mac}"})


def teams(pen: Pen) -> Sent:
    """Teams uses the header of HTTP's authentication."""
    return pen.post({"Authorization": "HMAC " + pen.b64(pen.mac(pen.body))})


def authorize_net(pen: Pen) -> Sent:
    """Authorize.Net writes upper-case digits."""
    mac = pen.mac(pen.body, "sha512")
    return pen.post({"X-ANET-Signature": "sha512=" + pen.proof(mac.hex().upper(), mac)})


def fitbit(pen: Pen) -> Sent:
    """Fitbit's key is the client secret and an ampersand."""
    keys = [key + b"&" for key in pen.keys if isinstance(key, bytes)]
    return pen.post({"X-Fitbit-Signature": pen.b64(pen.mac(pen.body, "sha1", keys[0]))})


def pandadoc(pen: Pen) -> Sent:
    """PandaDoc adds the signature to the address."""
    proof = pen.hex(pen.mac(pen.body))
    return pen.post({}, query={"signature": proof}, url=f"https://relay.example.com/x?signature={proof}")


_HEX = {
    "github": in_hex("X-Hub-Signature-256", "sha256="),
    "meta": in_hex("X-Hub-Signature-256", "sha256="),
    "pusher": in_hex("X-Pusher-Signature"),
    "launchdarkly": in_hex("X-LD-Signature"),
    "modern-treasury": in_hex("X-Signature"),
    "autodesk-aps": in_hex("x-adsk-signature", "sha1hash=", "sha1"),
    "segment": in_hex("X-Signature", name="sha1"),
    "nylas": in_hex("X-Nylas-Signature"),
    "ashby": in_hex("Ashby-Signature", "sha256="),
    "razorpay": in_hex("X-Razorpay-Signature"),
    "sentry": in_hex("Sentry-Hook-Signature"),
    "dropbox": in_hex("X-Dropbox-Signature"),
    "checkout-com": in_hex("Cko-Signature"),
    "lemon-squeezy": in_hex("X-Signature"),
    "coinbase-commerce": in_hex("X-CC-Webhook-Signature"),
    "dwolla": in_hex("X-Request-Signature-SHA-256"),
    "gocardless": in_hex("Webhook-Signature"),
    "notion": in_hex("X-Notion-Signature", "sha256="),
    "bitbucket": in_hex("X-Hub-Signature", "sha256="),
    "atlassian-jira": in_hex("X-Hub-Signature", "sha256="),
    "clickup": in_hex("X-Signature"),
    "npm": in_hex("x-npm-signature", "sha256="),
    "dub": in_hex("Dub-Signature"),
    "cal-com": in_hex("X-Cal-Signature-256"),
    "asana": in_hex("X-Hook-Signature"),
    "vercel": in_hex("x-vercel-signature", name="sha1"),
    "intercom": in_hex("X-Hub-Signature", "sha1=", "sha1"),
    "paystack": in_hex("x-paystack-signature", name="sha512"),
    "checkr": in_hex("X-Checkr-Signature"),
    "doppler": in_hex("X-Doppler-Signature", "sha256="),
    "sendbird": in_hex("X-Sendbird-Signature"),
    "cursor": in_hex("X-Webhook-Signature", "sha256="),
    "smartsheet": in_hex("Smartsheet-Hmac-SHA256"),
    "expo": in_hex("expo-signature", "sha1=", "sha1"),
    "grafana": in_hex("X-Grafana-Alerting-Signature"),
}
_BASE64 = {
    "shopify": in_base64("X-Shopify-Hmac-SHA256"),
    "quickbooks": in_base64("intuit-signature"),
    "mongodb-atlas": in_base64("X-MMS-Signature", name="sha1"),
    "xero": in_base64("x-xero-signature"),
    "aftership": in_base64("aftership-hmac-sha256"),
    "ably": in_base64("X-Ably-Signature"),
    "bolt": in_base64("X-Bolt-Hmac-Sha256"),
    "tally": in_base64("Tally-Signature"),
    "x": in_base64("X-Twitter-Webhooks-Signature", "sha256="),
    "woocommerce": in_base64("X-WC-Webhook-Signature"),
    "heroku": in_base64("Heroku-Webhook-Hmac-SHA256"),
    "typeform": in_base64("Typeform-Signature", "sha256="),
    "fastspring": in_base64("X-FS-Signature"),
    "line": in_base64("x-line-signature"),
    "merge-dev": merge,
}
_FEED = b"<feed><entry><id>yt:video:1</id><title>planted</title></entry></feed>"

SENDERS = [
    *(Sender(slug=slug, send=send) for slug, send in (_HEX | _BASE64).items()),
    Sender(slug="docusign", send=docusign, rotates=True),
    Sender(slug="primer", send=primer, rotates=True),
    Sender(slug="cronofy", send=cronofy, rotates=True, commas=True),
    Sender(slug="chargify", send=chargify, body=FORM_BODY),
    Sender(slug="youtube-websub", send=youtube, body=_FEED),
    Sender(slug="onfleet", send=in_hex("X-Onfleet-Signature", name="sha512"), key="hex"),
    Sender(slug="ms-teams", send=teams, key="base64"),
    Sender(slug="squarespace", send=in_hex("Squarespace-Signature"), key="hex"),
    Sender(slug="airtable", send=in_hex("X-Airtable-Content-MAC", "hmac-sha256="), key="base64"),
    Sender(slug="authorize-net", send=authorize_net, key="hex-upper", any_case=True),
    Sender(slug="adyen-platform", send=in_base64("HmacSignature"), key="hex-upper"),
    Sender(slug="fitbit", send=fitbit, body=LIST_BODY),
    Sender(slug="pandadoc", send=pandadoc, body=LIST_BODY),
]
