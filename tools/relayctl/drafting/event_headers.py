"""Choose the headers that hold an event's id and its type."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from relayctl.drafting.capture import Capture

_TYPE: Final = re.compile(
    r"(?:^|-)(?:event|event-type|event-name|event-key|topic|trigger|webhook-event|resource)$"
)
_ID: Final = re.compile(
    r"(?:^|-)(?:delivery|delivery-id|event-id|message-id|webhook-id|notification-id|idempotency-key|event-uuid|delivery-uuid|"
    r"hook-id|uuid)$"
)
#: Headers that proxies between the sender and the relay add.
_OF_PROXIES: Final = re.compile(
    r"x-amz|x-amzn|cf-|x-forwarded|x-vercel|fly-|x-request-id|x-correlation-id|x-b3|x-cloud-trace"
)


def type_header(captures: Sequence[Capture], proof: Collection[str]) -> str:
    """Return the header with the type, if each request with headers has it; else an empty text."""
    return _header(captures, proof, _TYPE)


def id_header(captures: Sequence[Capture], proof: Collection[str]) -> str:
    """Return the header with the id, if each request with headers has it; else an empty text."""
    return _header(captures, proof, _ID)


def _header(captures: Sequence[Capture], proof: Collection[str], pattern: re.Pattern[str]) -> str:
    with_headers = [capture.headers for capture in captures if capture.headers]
    names = with_headers[0] if len(with_headers) == len(captures) else ()
    for name in names:
        if name in proof or _OF_PROXIES.match(name) or not pattern.search(name):
            continue
        if all(headers.get(name, "").strip() for headers in with_headers):
            return name
    return ""
