"""AWS's client repeats a write whose answer is lost. The permits notice if another worker was faster."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from aws_server import aws_at
from permit_fleet import TODAY
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable, number, text
from push_relay.core.delivery.permits import DayCalls, Permits, WriteUnknown
from raw_server import Raw, head, raw

BEFORE = Permits(stamp="before")
AFTER = Permits(calls={TODAY: DayCalls(used=1, drawn=25)}, stamp="after")
USED = {"M": {TODAY: {"M": {"used": number(1), "drawn": number(25)}}}}


def refused(item: dict[str, Any]) -> bytes:
    """Return DynamoDB's answer to a write whose condition was false."""
    kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    body = json.dumps({"__type": kind, "Item": item}).encode()
    return head(len(body), "400 Bad Request") + body


@contextmanager
def dynamodb(answers: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Raw]:
    """Run a DynamoDB with these answers; an empty one ends the connection instead."""
    left = list(answers)

    def answer(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(left.pop(0))
        return True

    with raw(answer) as server:
        aws_at(server.address, monkeypatch)
        yield server


@pytest.mark.parametrize(
    ("stamp", "answers", "is_unknown"),
    [("other", [b""], True), ("after", [b""], False), ("other", [], False)],
    ids=["another worker was faster", "the first attempt was made", "refused at once"],
)
def test_a_repeated_write_that_is_refused_may_have_been_made(
    monkeypatch: pytest.MonkeyPatch, stamp: str, answers: list[bytes], *, is_unknown: bool
) -> None:
    """The client's answer has the number of its repetitions, and the item has the stamp of the last write."""
    found = AFTER._replace(stamp=stamp)
    item = {"stamp": text(stamp), "calls": USED}
    store = DynamoDbPermits(LedgerTable("table"), "default", lambda: 0.0)
    with dynamodb([*answers, refused(item)], monkeypatch) as server:
        if is_unknown:
            with pytest.raises(WriteUnknown) as raised:
                store.swap(BEFORE, AFTER)
            assert raised.value.permits == found
        else:
            assert store.swap(BEFORE, AFTER) == found
    assert server.requests == len(answers) + 1
