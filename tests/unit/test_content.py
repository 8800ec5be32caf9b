"""What a body may be, through the front door: signed bytes first, then bounded reading, then the queue."""

import base64
import gzip
import json
import random
import tracemalloc
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import invocations
from fakes import World
from front_door import GATEWAYS, Gateway, api_gateway_v2, request, world, world_of
from push_relay.adapters import aws
from push_relay.adapters.queue import SqsQueue
from push_relay.core.event import Event
from push_relay.core.inbound.body import MAX_FIELDS
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.intake import QueueForward
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import MAX_MESSAGE
from push_relay.core.strict_json import MAX_DEPTH, MAX_DIGITS, MAX_PARTS
from signers import CASES, Case, mac
from sns_sender import NOW, Request, iso_ms, sns_message, sns_signed

ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
BY_NAME = {case.name: case for case in CASES}
GITHUB = BY_NAME["github"]
GZIP = {"content-encoding": "gzip"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def github(directory: Path, event: str = "") -> World:
    """Return a relay whose source signs as GitHub does."""
    here = world(directory, GITHUB.verify, event=event)
    here.secrets.secrets = (GITHUB.secret,)
    return here


def signed(body: bytes, headers: Mapping[str, str] | None = None, over: bytes | None = None) -> Request:
    """Return a request whose signature covers the body as sent, unless told otherwise."""
    signature = "sha256=" + mac(GITHUB.secret, body if over is None else over).hex()
    return request(body, {"x-hub-signature-256": signature, **(headers or {})})


def data(here: World) -> Any:
    """Return the one queued event's document."""
    ((event, _),) = here.messages.queued
    return event.data


def refused(here: World, sent: Request, gateway: Gateway = api_gateway_v2) -> tuple[int, str]:
    """Send what must not get in; return the answer's status and code."""
    answer = here.receive(gateway(sent))
    problem = json.loads(answer["body"])
    assert not here.messages.queued
    assert here.witness.outcomes == [Outcome.REJECTED]
    assert "planted" not in problem.get("detail", "")
    return answer["statusCode"], problem["code"]


# --- gzip ----------------------------------------------------------------------------------------------


@ANY_GATEWAY
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_a_compressed_body_is_signed_as_it_travels(gateway: Gateway, coding: str, tmp_path: Path) -> None:
    """The signature covers the bytes that were sent, which are the compressed ones."""
    here = github(tmp_path)
    body = gzip.compress(GITHUB.body)
    assert here.receive(gateway(signed(body, {"content-encoding": coding})))["statusCode"] == 202
    assert data(here) == json.loads(GITHUB.body)


def test_a_signature_over_what_was_compressed_is_none(tmp_path: Path) -> None:
    """Or whoever can compress could change what travels."""
    sent = signed(gzip.compress(GITHUB.body), GZIP, over=GITHUB.body)
    assert refused(github(tmp_path), sent) == (401, "signature_invalid")


@cache
def bomb(size: int) -> bytes:
    """Compress a JSON document that is mostly nothing, a thousand times smaller."""
    packing = zlib.compressobj(9, wbits=31)
    parts = [packing.compress(b'{"a": "'), *(packing.compress(b" " * 2**20) for _ in range(size // 2**20))]
    return b"".join([*parts, packing.compress(b'"}'), packing.flush()])


@ANY_GATEWAY
def test_a_bomb_is_413_and_never_unfolds(gateway: Gateway, tmp_path: Path) -> None:
    """256 MiB in one of 256 KiB: not much more than MAX_BODY is ever held of it."""
    here, invocation = github(tmp_path), gateway(signed(bomb(2**28), GZIP))
    tracemalloc.start()
    try:
        answer = here.receive(invocation)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (413, "payload_too_large")
    assert peak < 5 * MAX_BODY
    assert not here.messages.queued


def test_an_unsigned_bomb_is_not_even_begun(tmp_path: Path) -> None:
    """401: what nobody vouches for is not decompressed, nor told to be too large."""
    assert refused(github(tmp_path), signed(bomb(2**24), GZIP, over=b"")) == (401, "signature_invalid")


@pytest.mark.parametrize("over", [0, 1])
def test_a_body_may_unfold_to_the_limit_and_no_byte_further(over: int, tmp_path: Path) -> None:
    """MAX_BODY counts after decompressing as before."""
    text = b'{"a": ""' + b" " * (MAX_BODY - 9 + over) + b"}"
    assert len(text) == MAX_BODY + over
    here = github(tmp_path)
    status = here.receive(api_gateway_v2(signed(gzip.compress(text), GZIP)))["statusCode"]
    assert status == (413 if over else 202)


PACKED = gzip.compress(GITHUB.body, mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        *(PACKED[:-count] for count in (1, 4, 8, 9, len(PACKED) - 1)),
        PACKED + b"\0",
        PACKED + b"planted",
        PACKED + PACKED,
        PACKED[:-8] + b"\0" * 8,
        PACKED[:12] + b"\xff" + PACKED[13:],
        zlib.compress(GITHUB.body),
        gzip.compress(b""),
        gzip.compress(PACKED),
        GITHUB.body,
        b"",
    ],
    ids=range(15),
)
def test_a_compressed_body_that_is_broken_or_goes_on_is_malformed(body: bytes, tmp_path: Path) -> None:
    """400: cut off, with something after its end, with a wrong checksum, twice over, not compressed."""
    assert refused(github(tmp_path), signed(body, GZIP)) == (400, "malformed_request")


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "gzip;q=1"])
def test_another_coding_is_415(coding: str, tmp_path: Path) -> None:
    """What the relay does not undo it does not guess at."""
    sent = signed(PACKED, {"content-encoding": coding})
    assert refused(github(tmp_path), sent) == (415, "unsupported_media_type")


# --- forms ---------------------------------------------------------------------------------------------


@ANY_GATEWAY
def test_github_s_form_holds_the_same_json(gateway: Gateway, tmp_path: Path) -> None:
    """GitHub's other content type: the document is in the field `payload`, and the form is what is signed."""
    here = github(tmp_path, 'form_field = "payload"')
    body = urlencode({"payload": '{"note": "planted é"}'}).encode()
    assert here.receive(gateway(signed(body, FORM)))["statusCode"] == 202
    assert data(here) == {"note": "planted é"}


def test_a_form_may_be_compressed(tmp_path: Path) -> None:
    """The two are independent."""
    here = github(tmp_path, 'form_field = "payload"')
    assert (
        here.receive(api_gateway_v2(signed(gzip.compress(b"payload={}"), FORM | GZIP)))["statusCode"] == 202
    )


@ANY_GATEWAY
def test_twilio_s_fields_are_the_document(gateway: Gateway, tmp_path: Path) -> None:
    """All of them, each a text."""
    here = world_of(tmp_path, BY_NAME["twilio form"])
    assert here.receive(gateway(BY_NAME["twilio form"].genuine()))["statusCode"] == 202
    assert data(here) == {"Body": "planted text", "From": "+14158675309", "To": "+18005551212", "Empty": ""}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"payload=%7B%7D&payload=%7B%7D", "malformed_request"),
        (b"other=planted", "malformed_request"),
        (b"payload=planted", "malformed_request"),
        (b"payload=[]", "malformed_request"),
        (b"payload=%ff", "malformed_request"),
        ("payload={é}".encode(), "malformed_request"),
        (b"planted", "malformed_request"),
        (b"", "malformed_request"),
        (b"payload={}" + b"".join(b"&f%d=" % n for n in range(MAX_FIELDS)), "malformed_request"),
        (b"payload={}&planted=1&planted=2", "malformed_request"),
    ],
    ids=range(10),
)
def test_a_form_with_two_readings_or_none_is_malformed(body: bytes, code: str, tmp_path: Path) -> None:
    """A field twice, no such field, no JSON in it, too many."""
    assert refused(github(tmp_path, 'form_field = "payload"'), signed(body, FORM)) == (400, code)


def test_a_form_is_415_where_the_folder_names_no_field(tmp_path: Path) -> None:
    """A source says what it takes."""
    sent = signed(b"payload=%7B%7D", FORM)
    assert refused(github(tmp_path), sent) == (415, "unsupported_media_type")


# --- lists and SNS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [([{"a": 1}], 202), ([], 400), ([{}, {}], 400), ([1], 400), ({"a": 1}, 400), ([[{}]], 400)],
)
def test_a_list_of_one_is_its_event(body: Any, status: int, tmp_path: Path) -> None:
    """Event Grid sends lists; more than one would be more than one event under one answer."""
    here = github(tmp_path, 'format = "list-of-one"')
    answer = here.receive(api_gateway_v2(signed(json.dumps(body).encode())))
    assert answer["statusCode"] == status
    assert [event.data for event, _ in here.messages.queued] == ([{"a": 1}] if status == 202 else [])


def sns(message: str, **fields: str) -> Request:
    """Return a notification as SNS sends it over HTTP, signed."""
    given = sns_message(message.encode(), Timestamp=iso_ms(NOW)) | fields
    return replace(
        request(sns_signed(given, b"sns").body), headers={"content-type": "text/plain; charset=UTF-8"}
    )


@ANY_GATEWAY
def test_an_sns_notification_s_message_is_the_event(gateway: Gateway, tmp_path: Path) -> None:
    """Its envelope comes off; what it says and SNS did not sign does not count."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    sent = sns('{"note": "planted"}')
    forged = json.loads(sent.body) | {
        "MessageAttributes": {"source": {"Type": "String", "Value": "another"}},
        "UnsubscribeURL": "https://evil.example/",
    }
    answer = here.receive(gateway(replace(sent, body=json.dumps(forged).encode())))
    assert answer["statusCode"] == 202
    ((event, _),) = here.messages.queued
    assert (event.source, event.data) == ("planted", {"note": "planted"})
    assert "another" not in str(event)
    assert "evil" not in str(event)


@pytest.mark.parametrize("message", ["planted", "[]", "", '{"a": 1,}', "{"])
def test_an_sns_message_that_is_no_object_is_malformed(message: str, tmp_path: Path) -> None:
    """Signed by SNS, and nothing that a source could read."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    assert refused(here, sns(message)) == (400, "malformed_request")


def test_an_sns_message_is_read_as_its_publishers_library_would(tmp_path: Path) -> None:
    """SNS signs it. SNS's own envelope stays strict, because its fields are what is signed."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    assert here.receive(api_gateway_v2(sns('{"a": 1, "a": NaN}')))["statusCode"] == 202
    assert data(here) == {"a": None}
    again = world_of(tmp_path / "again", BY_NAME["sns-http version 2"])
    sent = sns("{}")
    twice = sent.body.replace(b'"Message":', b'"Message": "{}", "Message":')
    assert refused(again, replace(sent, body=twice))[0] == 401


# --- JSON's limits ---------------------------------------------------------------------------------------


TOKEN = {"scheme": "token", "header": "X-Token"}


def tokened(body: bytes, headers: Mapping[str, str] | None = None) -> Request:
    """Return a request that a shared token proves, which covers no byte of the body."""
    return request(body, {"x-token": GITHUB.secret.decode(), **(headers or {})})


def with_token(directory: Path, event: str = "") -> World:
    """Return a relay whose source asks for a shared token."""
    here = world(directory, TOKEN, event=event)
    here.secrets.secrets = (GITHUB.secret,)
    return here


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 200_000,
        b'{"a": 1} {"planted": 2}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'{"a": "\x00"}',
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
    ],
    ids=range(9),
)
def test_what_no_json_library_writes_is_malformed(body: bytes, tmp_path: Path) -> None:
    """400, whether a proof covers it or not: too deep, or no JSON."""
    assert refused(github(tmp_path), signed(body)) == (400, "malformed_request")
    assert refused(with_token(tmp_path / "token"), tokened(body)) == (400, "malformed_request")


@pytest.mark.parametrize("body", [b'{"a": [' + b"1," * MAX_PARTS + b"1]}", b"[" * MAX_BODY])
def test_json_with_too_many_parts_is_too_large(body: bytes, tmp_path: Path) -> None:
    """413, before it is parsed."""
    assert refused(github(tmp_path), signed(body)) == (413, "payload_too_large")
    assert refused(with_token(tmp_path / "token"), tokened(body)) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"b": {"a": 1, "\\u0061": 2}}', {"b": {"a": 2}}),
        (b'{"a": ' + b"9" * (MAX_DIGITS + 1) + b"}", {"a": None}),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", {"a": None}),
        (b'{"a": 1e999}', {"a": None}),
        (b'{"a": 0.' + b"1" * MAX_DIGITS + b"}", {"a": 1 / 9}),
        (b'{"a": NaN}', {"a": None}),
        (b'{"a": -Infinity}', {"a": None}),
        (b'{"a": "x\\ud800"}', {"a": "x\ufffd"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
    ],
    ids=range(11),
)
def test_json_with_two_readings_is_read_after_a_proof_that_covers_it(
    body: bytes, document: object, tmp_path: Path
) -> None:
    """As its sender's library would, and it comes through the queue; 400 if no proof covers the body."""
    here = github(tmp_path)
    assert here.receive(api_gateway_v2(signed(body)))["statusCode"] == 202
    assert data(here) == document
    here.deliver(invocations.sqs_batch(invocations.sqs_queued(here.messages.queued[0][0])))
    assert here.witness.outcomes == [Outcome.DELIVERED]
    assert refused(with_token(tmp_path / "token"), tokened(body)) == (400, "malformed_request")


@ANY_GATEWAY
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/json, application/json", "application/json; charset=utf-16"],
)
def test_json_under_another_content_type_gets_in_after_a_proof_that_covers_it(
    gateway: Gateway, content_type: str, tmp_path: Path
) -> None:
    """The content type is not signed. Without a proof that covers the body it is 415."""
    here, named = github(tmp_path), {"content-type": content_type}
    assert here.receive(gateway(signed(b'{"a": 1}', named)))["statusCode"] == 202
    assert data(here) == {"a": 1}
    sent = tokened(b'{"a": 1}', named)
    assert refused(with_token(tmp_path / "token"), sent, gateway) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
        b'{"a": ' + b"9" * MAX_DIGITS + b"}",
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\\ud83d\\ude00"}',
    ],
    ids=["deep", "long", "byte order mark", "pair"],
)
def test_json_up_to_its_limits_gets_in(body: bytes, tmp_path: Path) -> None:
    """And through the queue, as it was."""
    here = github(tmp_path)
    assert here.receive(api_gateway_v2(signed(body)))["statusCode"] == 202
    assert data(here) == json.loads(body.removeprefix(b"\xef\xbb\xbf"))


# --- what the queue can hold -----------------------------------------------------------------------------


class Sqs:
    """SQS, as far as what it takes goes."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.taken: list[dict[str, Any]] = []

    def send_message(self, **arguments: Any) -> None:
        """Take a message of up to 1 MiB, attributes included."""
        attributes = arguments["MessageAttributes"]
        size = sum(len(k) + len(v["StringValue"]) + len(v["DataType"]) for k, v in attributes.items())
        assert len(arguments["MessageBody"].encode()) + size <= 1024 * 1024
        self.taken.append(arguments)

    def event(self) -> Event:
        """Return the one event as the back door reads it."""
        (asked,) = self.taken
        named = {k: {"stringValue": v["StringValue"]} for k, v in asked["MessageAttributes"].items()}
        unwrapped = unwrap_sqs({"body": asked["MessageBody"], "messageAttributes": named, "messageId": "m"})
        assert isinstance(unwrapped, Event)
        return unwrapped


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Sqs:
    """Stand in for SQS's client."""
    fake = Sqs()
    monkeypatch.setitem(aws._clients, "sqs", fake)
    return fake


def queueing(directory: Path, case: Case = GITHUB) -> World:
    """Return a relay whose queue is the real adapter."""
    here = world_of(directory, case)
    queue = SqsQueue("queue", "dead", here.clock.now)
    here.intake = replace(here.intake, forward=QueueForward(queue))
    return here


NOISE = random.Random(0)  # noqa: S311 (repeatable)
LARGE = base64.b64encode(NOISE.randbytes(MAX_BODY * 2 // 3)).decode()


@ANY_GATEWAY
@pytest.mark.parametrize(
    "text", ["w" * (MAX_BODY // 2 - 20), "é" * (MAX_BODY // 4 - 20)], ids=["plain", "wide"]
)
def test_a_body_that_only_fits_compressed_gets_through(
    gateway: Gateway, text: str, tmp_path: Path, sqs: Sqs
) -> None:
    """Up to MAX_BODY: what the back door reads is what was sent."""
    body = json.dumps({"a": text, "b": text}, ensure_ascii=False).encode()
    assert MAX_MESSAGE < len(body) <= MAX_BODY
    assert queueing(tmp_path).receive(gateway(signed(body)))["statusCode"] == 202
    assert sqs.event().data == {"a": text, "b": text}


@ANY_GATEWAY
def test_a_body_that_no_message_holds_is_413(gateway: Gateway, tmp_path: Path, sqs: Sqs) -> None:
    """Small enough to be read, and too random to be queued: refused, and not cut."""
    here = queueing(tmp_path)
    body = json.dumps({"a": LARGE[::2], "b": LARGE[1::2]}).encode()
    assert len(body) < MAX_BODY
    assert refused(here, signed(body), gateway) == (413, "payload_too_large")
    assert not sqs.taken


@ANY_GATEWAY
@pytest.mark.parametrize("encoded", [False, True])
def test_a_body_over_the_limit_is_413_before_it_is_verified(
    gateway: Gateway, tmp_path: Path, *, encoded: bool
) -> None:
    """Nobody's signature is computed over it."""
    here = github(tmp_path)
    here.secrets.missing = True
    answer = here.receive(gateway(signed(b" " * (MAX_BODY + 1)), encoded=encoded))
    assert (answer["statusCode"], here.witness.outcomes) == (413, [Outcome.REJECTED])
