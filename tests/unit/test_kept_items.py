"""An item that is not JSON is rejected by both halves, however differently they read JSON."""

from types import SimpleNamespace
from typing import Any

import pytest

from push_relay.core.errors import MalformedRequest
from push_relay.core.event import Arrival
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.inbound.items import Items, Unreadable
from push_relay.core.queue_format import bare
from push_relay.core.split import Splitter
from push_relay.core.strict_json import parse

#: Lines that a strict reading refuses. A lenient one accepts all but the last.
LINES = ['{"Title": "one", "Title": "two"}', '{"Title": "t", "n": NaN}', '{"Title": "\\ud800"}', '{"Title":']


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_receive_rejects_becomes_no_event_in_deliver(line: str) -> None:
    """The answer has rejected it. `deliver` reads the documents of other programs leniently."""
    with pytest.raises(MalformedRequest) as refused:
        parse(line.encode())
    request = Arrival("lines", {}, {}, {}, 1000.0, "id", "identity", "correlation")
    source: Any = SimpleNamespace(name="lines")
    nothing: Any = None
    splitter = Splitter(source, request, nothing, nothing)
    ((part, kept),) = splitter.parts(Items([Unreadable(line, refused.value)]))
    assert kept
    packed = bare(kept)
    attributes = {name: {"stringValue": value} for name, value in packed.attributes.items()}
    with pytest.raises(MalformedRequest):
        unwrap_sqs({"messageId": "m", "body": packed.body, "messageAttributes": attributes})
    # A person finds the whole line in the dead letter, under the id that the answer has.
    assert parse(packed.body.encode()) == line
    assert packed.attributes["push-relay-origin-id"] == part.id
