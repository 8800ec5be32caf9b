"""The names under which AWS delivered an event, safe to log: a source's match rules can name them."""

import re
from collections.abc import Mapping

from push_relay.core.event import Arrival, safe_id

#: The headers of an arrival by the key of the log line.
_HEADERS = {
    "eventbridge_source": "eventbridge-source",
    "eventbridge_detail_type": "eventbridge-detail-type",
    "topic": "sns-topic",
    "queue": "sqs-queue",
}
#: Characters of a name that is logged. The sender of an event may write any text into some of them.
_SAFE = re.compile(r"[A-Za-z0-9 ._:/()&,+-]{1,128}")


def transport_names(arrival: Arrival) -> Mapping[str, str]:
    """Return the names that are known: the bus source and detail-type, the topic, or the queue.

    A topic and a queue have the last part of their ARN. A name that looks like none is replaced by its hash.
    """
    named = {key: arrival.headers.get(header, "") for key, header in _HEADERS.items()}
    for key in ("topic", "queue"):
        named[key] = named[key].rpartition(":")[2]
    return {key: name if _SAFE.fullmatch(name) else safe_id(name, "-") for key, name in named.items() if name}
