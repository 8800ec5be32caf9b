"""CloudEvents' abuse protection: a sender asks by OPTIONS whether it may send."""

import re

from push_relay.core.trust.handshakes.base import HandshakeRequest, Reply

_RATE = re.compile(r"[0-9]{1,9}")
_ORIGIN = re.compile(r"[A-Za-z0-9.-]{1,253}")


def preflight(request: HandshakeRequest, origins: frozenset[str]) -> Reply | None:
    """Answer CloudEvents' abuse protection (OPTIONS): None where the origin is not one of those allowed.

    Without a list every origin may ask: the answer lets it send, and every event is still verified.
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
    """
    origin = request.headers.get("webhook-request-origin", "")
    if not _ORIGIN.fullmatch(origin) or (origins and origin not in origins):
        return None
    headers = {"WebHook-Allowed-Origin": origin, "Allow": "POST"}
    rate = request.headers.get("webhook-request-rate", "")
    if _RATE.fullmatch(rate):
        headers["WebHook-Allowed-Rate"] = rate
    return Reply("", "text/plain; charset=utf-8", headers)
