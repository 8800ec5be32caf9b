"""Providers that sign nothing."""

import base64
from dataclasses import replace

from provider_signer.kit import URL, Pen, Sent
from provider_signer.sender import LIST_BODY, Send, Sender, as_json


def header(name: str) -> Send:
    """Return a sender of a token in a header."""
    return lambda pen: pen.post({name: pen.token()})


def basic(pen: Pen) -> Sent:
    """Send a user and a password."""
    key = pen.keys[0]
    assert isinstance(key, bytes)
    return pen.post({"Authorization": "Basic " + pen.proof(base64.b64encode(key).decode(), key)})


def graph(pen: Pen) -> Sent:
    """Microsoft Graph repeats the token in every item."""
    items = [{"clientState": pen.token(), "changeType": "updated", "resource": f"r/{n}"} for n in (1, 2)]
    return pen.post({}, as_json({"value": items}))


def figma(pen: Pen) -> Sent:
    """Figma sends the passcode in the body."""
    return pen.post({}, as_json({"event_type": "FILE_UPDATE", "passcode": pen.token()}))


def in_address(pen: Pen) -> Sent:
    """Send the token of the callback's address, because the provider signs nothing."""
    token = pen.token()
    is_form = pen.body.startswith(b"userid=")
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if is_form else {}
    return replace(pen.post(headers), query={"token": token}, url=f"{URL}?token={token}")


SENDERS = [
    *(
        Sender(slug=slug, send=header(name), covers="nothing")
        for slug, name in (
            ("telegram", "X-Telegram-Bot-Api-Secret-Token"),
            ("gitlab", "X-Gitlab-Token"),
            ("okta", "Authorization"),
            ("ringcentral", "Verification-Token"),
            ("deepgram", "dg-token"),
            ("adobe-sign", "X-AdobeSign-ClientId"),
            ("bigcommerce", "X-Relay-Token"),
            ("datadog", "X-Relay-Token"),
            ("brevo", "X-Relay-Token"),
            ("new-relic", "X-Relay-Token"),
            ("fillout", "X-Relay-Token"),
            ("zapier", "X-Relay-Token"),
        )
    ),
    *(
        Sender(slug=slug, send=basic, key="user", covers="nothing")
        for slug in ("chargebee", "postmark", "mixpanel", "pipedrive")
    ),
    Sender(slug="sparkpost", send=basic, key="user", covers="nothing", body=LIST_BODY),
    Sender(slug="microsoft-graph", send=graph, covers="nothing"),
    Sender(slug="figma", send=figma, covers="nothing"),
    Sender(slug="strava", send=in_address, covers="nothing"),
    Sender(slug="withings", send=in_address, covers="nothing", body=b"userid=17&appli=4&date=2027-01-15"),
]
