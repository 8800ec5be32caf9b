"""The handshake of SNS: a subscription over HTTP has to be confirmed."""

from urllib.parse import urlencode

from push_relay.core.errors import MalformedRequest
from push_relay.core.trust.handshakes.base import (
    PROTECTED,
    HandshakeRequest,
    Notice,
    Reply,
    Subscription,
    is_token,
    json_object,
    printable_token,
)
from push_relay.core.trust.schemes.sns_http import endpoint


def confirm(request: HandshakeRequest, _secret: bytes) -> Reply | Subscription | None:
    """Find the subscription to confirm.

    The scheme has verified the message and allow-listed the topic: a source's folder can name this handshake
    with the scheme `sns-http` alone.
    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-subscription-confirmation-json
    """
    document = json_object(request)
    if document.get("Type") == "UnsubscribeConfirmation":
        return Reply("", "text/plain; charset=utf-8", notice=Notice.UNSUBSCRIBED)
    if document.get("Type") != "SubscriptionConfirmation":
        return None
    topic, url = document.get("TopicArn"), document.get("SubscribeURL")
    host = endpoint(topic)
    if host is None or not isinstance(url, str) or not url.startswith(f"{host}?") or not is_token(url):
        raise MalformedRequest("the subscription's address is not SNS's in the topic's region")
    # Made of what SNS has signed, so that the relay's own signature is on no other call.
    token = printable_token(document.get("Token"))
    call = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    return Subscription(f"{host}?{call}{PROTECTED}")
