"""Providers for which there is no preset, and why."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class NotOffered(NamedTuple):
    """A provider without a preset."""

    title: str
    docs: str
    reason: str


NOT_OFFERED: Final[Mapping[str, NotOffered]] = {
    "recharge": NotOffered(
        "Recharge",
        "https://docs.getrecharge.com/docs/webhooks-overview",
        "Its signature is a plain hash of the secret and the body. Anyone who has one genuine request can append to its body.",
    ),
    "salesforce-outbound": NotOffered(
        "Salesforce outbound messages",
        "https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm",
        "Nothing is signed, and the only mark of the sender is an organization's id in the body, which is not a secret. It also expects a SOAP answer.",
    ),
    "adobe-io-events": NotOffered(
        "Adobe I/O Events",
        "https://developer.adobe.com/events/docs/guides/",
        "It has two RSA signatures whose exact rules could not be established.",
    ),
}
