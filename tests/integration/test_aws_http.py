"""The client of AWS against boto3's: the same request, and the same reading of every answer."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import boto_clients
from aws_server import aws_at
from local_aws import LocalAws
from push_relay.adapters import aws, aws_http, tls
from push_relay.adapters.aws import AwsClient, AwsError
from raw_server import Raw, head, raw
from relayctl.authorities import write_authorities
from tls_authority import Authority

ITEM = {"pk": {"S": "ü\N{BREAD}"}, "packed": {"B": "AAH/"}, "count": {"N": "12"}, "names": {"SS": ["a", "b"]}}


def answer_of(body: object = "", status: str = "200 OK", *headers: str) -> bytes:
    """Return an answer of AWS with a JSON body, or with a text."""
    content = body if isinstance(body, str) else json.dumps(body)
    first, _, rest = head(len(content), status).partition(b"\r\n")
    more = "".join(f"{header}\r\n" for header in ("Connection: close", *headers)).encode()
    return first + b"\r\n" + more + rest + content.encode()


def failed(code: str, status: str = "400 Bad Request", **fields: Any) -> bytes:
    """Return an answer with an error."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return answer_of({"__type": kind, "message": "planted", **fields}, status)


@contextmanager
def server(answers: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Raw]:
    """Run a service that gives these answers, and then the last one. An empty one ends the connection."""
    left = list(answers)

    def answer(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])
        return True

    with raw(answer) as running:
        aws_at(running.address, monkeypatch, AWS_SESSION_TOKEN="token")
        yield running


def boto(service: str) -> Any:
    """Return boto3's client with the limits that the relay's has."""
    # A session of its own: the shared one keeps the credentials of an earlier test.
    make: Any = boto3.Session().client
    config = Config(
        connect_timeout=aws.CONNECT_SECS,
        read_timeout=aws.READ_SECS,
        retries={"mode": "standard", "total_max_attempts": aws.ATTEMPTS},
    )
    return make(service, config=config)


def outcome_of_boto() -> tuple[str, Any]:
    """Return the name of boto3's error and the stored item with it, or the answer."""
    try:
        answer = boto("dynamodb").get_item(TableName="t", Key={"pk": {"S": "k"}})
    except ClientError as exc:
        return exc.response["Error"]["Code"], exc.response.get("Item")
    except BotoCoreError as exc:
        return type(exc).__name__, None
    del answer["ResponseMetadata"]
    return "", answer


def outcome() -> tuple[str, Any]:
    """Return the same of the relay's client."""
    try:
        return "", aws.dynamodb().call("GetItem", TableName="t", Key={"pk": {"S": "k"}})
    except AwsError as exc:
        return exc.code, exc.fields.get("Item")


CODES = sorted(aws_http._THROTTLED | aws_http._TRANSIENT)
REFUSALS = ["ConditionalCheckFailedException", "AccessDeniedException", "ValidationException", "NoSuchError"]
ANSWERS = {
    "an item": [answer_of({"Item": {"pk": {"S": "ü"}, "n": {"N": "1"}}})],
    "nothing": [answer_of({})],
    "no body": [answer_of("")],
    **{code: [failed(code)] for code in (*CODES, *REFUSALS)},
    **{f"{code} once": [failed(code), answer_of({})] for code in (*CODES, *REFUSALS)},
    "a stored item": [failed("ConditionalCheckFailedException", Item={"pk": {"S": "k"}})],
    **{
        f"{status} of a proxy": [answer_of("<html>planted</html>", f"{status} Planted"), answer_of({})]
        for status in (400, 403, 404, 408, 429, 500, 502, 503, 504, 507)
    },
    "an error of the server": [failed("InternalServerError", "500 Internal Server Error")],
    "an error with an address": [answer_of({"__type": "a#Planted:http://planted#1/"}, "400 Bad Request")],
    "an error without a name": [answer_of({"message": "planted"}, "400 Bad Request")],
    "a wrong checksum once": [answer_of({}, "200 OK", "x-amz-crc32: 1"), answer_of({})],
    "a right checksum": [answer_of("{}", "200 OK", "x-amz-crc32: 2745614147")],
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_and_repeated_as_by_boto3(
    monkeypatch: pytest.MonkeyPatch, answers: list[bytes]
) -> None:
    """The same attempts, the same error, and the same item with it."""
    monkeypatch.setattr(aws_http, "_THROTTLED_PAUSE_SECS", 0.01)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
    with server(answers, monkeypatch) as of_boto:
        expected, requests = outcome_of_boto(), of_boto.requests
    with server(answers, monkeypatch) as ours:
        assert (outcome(), ours.requests) == (expected, requests)


@pytest.mark.parametrize(
    ("answers", "code", "requests"),
    [
        ([b"", answer_of({})], "", 2),
        ([b""], "RemoteDisconnected", 2),
        ([answer_of("{}")[:-1], answer_of({})], "", 2),
        ([answer_of("{}")[:-1]], "IncompleteAnswer", 2),
        ([answer_of("planted")], "UnreadableAnswer", 1),
        ([answer_of("[]")], "UnreadableAnswer", 1),
    ],
    ids=["lost once", "lost", "cut off once", "cut off", "no JSON", "no object"],
)
def test_an_answer_that_is_lost_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, answers: list[bytes], code: str, requests: int
) -> None:
    """boto3 takes half an answer, and a text, for an empty answer: a refused claim would be granted."""
    with server(answers, monkeypatch) as ours:
        assert (outcome()[0], ours.requests) == (code, requests)


def test_a_refused_repetition_is_known_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt may have been executed."""
    with server(
        [failed("InternalServerError", "500 E"), failed("ConditionalCheckFailedException")], monkeypatch
    ):
        with pytest.raises(AwsError) as repeated:
            aws.dynamodb().call("UpdateItem")
        with pytest.raises(AwsError) as at_once:
            aws.dynamodb().call("UpdateItem")
    assert (repeated.value.is_repeated, at_once.value.is_repeated) == (True, False)


def test_a_service_may_ask_for_a_longer_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for up to a limit, after which the function would have no time left."""
    pauses: list[float] = []
    monkeypatch.setattr(aws_http.time, "sleep", pauses.append)
    slow = [answer_of("", "503 Busy", f"x-amz-retry-after: {value}") for value in ("400", "90000", "-1", "x")]
    answers = [part for each in slow for part in (each, answer_of({}))]
    with server(answers, monkeypatch):
        for _ in slow:
            aws.dynamodb().call("GetItem")
    assert pauses[:2] == [0.4, aws.PAUSE_SECS]
    assert all(pause <= 0.025 for pause in pauses[2:])


def test_an_error_quotes_neither_the_answer_nor_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text goes to the log."""
    answers = [failed("ValidationException")]
    with server(answers, monkeypatch), pytest.raises(AwsError) as refused:
        aws.dynamodb().call("GetItem", Key={"pk": {"S": "planted"}})
    assert str(refused.value) == "ValidationException"


@pytest.mark.parametrize(
    ("make", "boto_name", "operation", "method", "arguments"),
    [
        (aws.dynamodb, "dynamodb", "PutItem", "put_item", {"TableName": "t", "Item": {"pk": {"S": "ü"}}}),
        (aws.sqs, "sqs", "SendMessage", "send_message", {"QueueUrl": "http://q/1", "MessageBody": "b"}),
        (aws.secretsmanager, "secretsmanager", "GetSecretValue", "get_secret_value", {"SecretId": "arn"}),
    ],
    ids=["dynamodb", "sqs", "secretsmanager"],
)
def test_a_request_is_the_one_of_boto3(  # noqa: PLR0913, PLR0917 (a row of the table above)
    monkeypatch: pytest.MonkeyPatch,
    make: Any,
    boto_name: str,
    operation: str,
    method: str,
    arguments: dict[str, Any],
) -> None:
    """The same body, and the same headers that say what it is and who sends it."""
    with server([answer_of({})], monkeypatch) as running:
        getattr(boto(boto_name), method)(**arguments)
        make().call(operation, **arguments)
        theirs, ours = (dict(_headers(each)) for each in running.heads)
    assert [json.loads(body) for body in running.bodies] == [arguments, arguments]
    for name in ("host", "x-amz-target", "content-type", "x-amz-security-token"):
        assert ours[name] == theirs[name]
    scopes = [each["authorization"].partition("Credential=")[2].partition(",")[0] for each in (ours, theirs)]
    assert scopes[0] == scopes[1]


def _headers(sent: bytes) -> Iterator[tuple[str, str]]:
    for line in sent.decode("ascii").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        yield name.lower(), value


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_service_that_is_not_trusted_gets_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, is_trusted: bool
) -> None:
    """The request has the role's token."""
    authority = Authority(tmp_path)
    write_authorities(authority.file, tmp_path / "root" / tls.AUTHORITIES)
    monkeypatch.setattr(tls, "context", lambda: tls._context(tmp_path / "root" if is_trusted else tmp_path))

    def answer(_server: Raw, connection: socket.socket) -> bool:
        connection.sendall(answer_of({"Item": {}}))
        return True

    with raw(answer, authority.server()) as running:
        aws_at(running.address, monkeypatch, AWS_SESSION_TOKEN="token")
        expected = ("", {"Item": {}}) if is_trusted else ("its certificate is not one to trust", None)
        assert outcome() == expected
        assert running.requests == int(is_trusted)


def test_binary_values_and_all_others_come_back_as_they_were_stored(local_stores: LocalAws) -> None:
    """Bytes are texts in Base64, as boto3 writes them."""
    table = local_stores.table()
    client: AwsClient = aws.dynamodb()
    client.call("PutItem", TableName=table.name, Item=ITEM)
    assert client.call("GetItem", TableName=table.name, Key={"pk": ITEM["pk"]})["Item"] == ITEM
    (found,) = boto_clients.dynamodb().scan(TableName=table.name)["Items"]
    assert bytes(found["packed"]["B"]) == b"\x00\x01\xff"
