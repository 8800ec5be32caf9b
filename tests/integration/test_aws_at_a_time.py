"""One thread makes several calls of AWS at a time."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aws_server import aws_at
from push_relay.adapters import aws, aws_http
from push_relay.adapters.aws import AwsError
from push_relay.adapters.aws_http import AT_A_TIME
from push_relay.adapters.http_call import NotConnected
from raw_server import Raw, head, raw

#: An answer to the call of a number: the fields and the status; None: no answer.
type Answer = Callable[[int], tuple[dict[str, Any], str] | None]


@contextmanager
def service(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Raw]:
    """Run a service that answers a call by its number."""

    def reply(server: Raw, connection: socket.socket) -> bool:
        answered = answer(json.loads(server.present.body)["Number"])
        if answered is None:
            server.ended.wait(20)
            return True
        fields, status = answered
        content = json.dumps(fields).encode()
        connection.sendall(head(len(content), status) + content)
        return False

    with raw(reply) as running:
        aws_at(running.address, monkeypatch)
        yield running
        post: Any = aws.dynamodb().post
        post.__self__.close()  # the server waits for the ends of its connections


def begin(*numbers: int) -> Callable[[], list[Any]]:
    """Begin calls with these numbers; return a function that returns their answers, or their error codes."""
    end = aws.dynamodb().begin("UpdateItem", [{"Number": number} for number in numbers])
    return lambda: [each.code if isinstance(each, AwsError) else each["Number"] for each in end()]


def test_all_calls_are_on_their_way_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is answered before the last one has arrived, and before this thread waits."""
    together = threading.Barrier(AT_A_TIME + 1)

    def answer(number: int) -> tuple[dict[str, Any], str]:
        together.wait(20)
        return {"Number": number}, "200 OK"

    with service(answer, monkeypatch):
        end = begin(*range(AT_A_TIME))
        together.wait(20)
        assert end() == [*range(AT_A_TIME)]


def test_many_calls_share_a_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result is at the place of its call, and the next group uses the same connections."""
    with service(lambda number: ({"Number": number}, "200 OK"), monkeypatch) as running:
        for _ in range(2):
            assert begin(*range(3 * AT_A_TIME))() == [*range(3 * AT_A_TIME)]
        assert running.connections == AT_A_TIME
        assert begin()() == []


def test_each_call_has_its_own_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those are repeated that have failed in a way that may be over, all after one pause."""
    pauses: list[float] = []
    monkeypatch.setattr("push_relay.adapters.aws_http.time.sleep", pauses.append)
    seen: Counter[int] = Counter()

    def answer(number: int) -> tuple[dict[str, Any], str]:
        seen[number] += 1
        kind = {1: "InternalServerError", 2: "ConditionalCheckFailedException", 3: "ThrottlingException"}
        if number in kind and (seen[number] == 1 or number == 3):
            return {"__type": f"a#{kind[number]}"}, "500 E" if number == 1 else "400 E"
        return {"Number": number}, "200 OK"

    with service(answer, monkeypatch):
        assert begin(0, 1, 2, 3, 4)() == [0, 1, "ConditionalCheckFailedException", "ThrottlingException", 4]
    assert seen == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}
    assert len(pauses) == 1


def test_a_call_that_is_not_answered_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of all is up when the first one's is, and their answers have come by then."""
    monkeypatch.setattr(aws, "READ_SECS", 0.3)
    seen: Counter[int] = Counter()

    def answer(number: int) -> tuple[dict[str, Any], str] | None:
        seen[number] += 1
        return ({"Number": number}, "200 OK") if number else None

    with service(answer, monkeypatch):
        assert begin(0, 1, 2)() == ["TimeoutError", 1, 2]
    assert seen == {0: 2, 1: 1, 2: 1}


def test_a_service_that_cannot_be_reached_costs_the_time_of_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirty connections that each wait for a second would take the whole time of an invocation."""
    tried: list[float] = []

    def fail(_connection: object, deadline: float) -> None:
        tried.append(deadline)
        raise NotConnected("TimeoutError")

    with service(lambda _number: None, monkeypatch):
        monkeypatch.setattr("push_relay.adapters.http_call.Connection.open", fail)
        assert begin(*range(3 * AT_A_TIME))() == ["TimeoutError"] * 3 * AT_A_TIME
    assert len(tried) == 2  # one for each attempt


def test_an_answer_that_nobody_expects_concerns_its_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reading it raises is its error."""
    read = aws_http._read

    def confused(answer: Any) -> Any:
        if b"1" in answer.body:
            raise RecursionError
        return read(answer)

    monkeypatch.setattr(aws_http, "_read", confused)
    with service(lambda number: ({"Number": number}, "200 OK"), monkeypatch):
        assert begin(0, 1, 2)() == [0, "RecursionError", 2]


def test_without_credentials_each_call_has_that_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not raised, so that a group's neighbours of another kind go on."""
    with service(lambda _number: None, monkeypatch) as running:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        assert begin(0, 1)() == ["NoCredentialsError"] * 2
        assert running.requests == 0
