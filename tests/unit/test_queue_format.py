"""`deliver` can read every event that `receive` accepts, so none is lost between the two."""

import base64
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import World
from front_door import function_url, request, world
from invocations import sqs_batch, sqs_queued
from push_relay.core import queue_format
from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.event import Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import pack
from push_relay.core.strict_json import MAX_DEPTH, MAX_DIGITS, MAX_PARTS, MAX_TEXT
from signers import mac

SECRET = b"secret"
NUMBERS = (
    st.integers()
    | st.integers(10**MAX_DIGITS - 2, 10**MAX_DIGITS - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALID_TEXT = st.text(max_size=20)
#: Text as a JSON parser can return it: with halves of surrogate pairs.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(["\ud83d", "a\udfff"])
SAFE_IDS = st.from_regex(r"[A-Za-z0-9._:/+=-]{1,128}", fullmatch=True)
DEEP = st.builds(
    lambda levels, leaf: json.loads('[{"":' * levels + leaf + "}]" * levels),
    st.integers(0, MAX_DEPTH // 2 - 2),
    st.sampled_from(["0", '"\\ud83d\\ude00"', "[]", "-0.0", "5e-324"]),
)


def documents(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for any JSON object."""
    leaves = st.none() | st.booleans() | NUMBERS | text
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=20,
    )
    return st.dictionaries(text, values | DEEP, max_size=5)


def events(text: st.SearchStrategy[str]) -> st.SearchStrategy[Event]:
    """Return a strategy for any event."""
    tables, keys = st.dictionaries(text, text, max_size=4), st.lists(text, max_size=3).map(tuple)
    return st.builds(
        Event,
        source=text,
        id=SAFE_IDS,
        type=st.none() | text,
        data=documents(text),
        received_at=st.floats(0, 1e10),
        identity=text,
        correlation_id=SAFE_IDS,
        headers=tables,
        query=tables,
        only=keys,
        skip=keys,
        replay=st.sampled_from(Replay),
        replay_id=text,
    )


def through_the_queue(event: Event, *, compressed: bool = False) -> Event:
    """Pack an event, and read it again."""
    record = sqs_queued(event)
    if compressed:
        body = base64.b64encode(zlib.compress(record["body"].encode())).decode()
        attributes = {"push-relay-event": {"stringValue": "1+zlib", "dataType": "String"}}
        record |= {"body": body, "messageAttributes": attributes}
    assert record["body"].isascii()
    made = unwrap_sqs(record)
    assert isinstance(made, Event)
    return made


@settings(deadline=None)
@given(events(VALID_TEXT), st.booleans())
def test_an_event_is_read_as_it_was_packed(event: Event, compressed: bool) -> None:  # noqa: FBT001
    """Every field keeps its value and its type."""
    made = through_the_queue(event, compressed=compressed)
    assert made == event
    assert repr(made) == repr(event)


@settings(deadline=None)
@given(events(ANY_TEXT))
def test_an_event_with_half_a_surrogate_pair_can_be_read(event: Event) -> None:
    """Earlier versions have queued such events. The event that is read can be written as UTF-8."""
    made = through_the_queue(event)
    repr(made).encode("utf-8")
    json.dumps(made.data, ensure_ascii=False).encode("utf-8")
    assert through_the_queue(made) == made


def event_of_text(value: str) -> Event:
    """Return an event that has this text in every place."""
    nested = {value: [{value: value}], "more": [value]}
    return Event("s", "1", value, nested, 1.0, value, headers={"x": value}, query={"y": value})


def test_each_half_of_a_pair_becomes_the_replacement_character() -> None:
    """It is replaced in every place of an event. A complete pair is not changed."""
    made = through_the_queue(event_of_text("a\ud800b\U0001f35e\udfff"))
    assert made == event_of_text("a\ufffdb\U0001f35e\ufffd")


# --- through the real `receive` ---------------------------------------------------------------------------

READING = 'id = \'query."q"\'\ntype = \'headers."x-kind"\'\nform = "payload"'


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    """Return relays whose proof covers the body's bytes, and one whose proof does not."""
    signed = {"scheme": "github"}
    token = {"scheme": "token", "header": "authorization"}
    made = [
        world(tmp_path_factory.mktemp("signed"), signed, event=READING),
        world(tmp_path_factory.mktemp("token"), token, event=READING),
        world(tmp_path_factory.mktemp("cloudevents"), signed, event='format = "cloudevents"'),
    ]
    for here in made:
        here.secrets.secrets = (SECRET,)
    return made


def received(here: World, body: bytes, headers: dict[str, str], query: dict[str, str]) -> list[Event]:
    """Send a genuine request, and return the events that were queued: at most one."""
    here.messages.queued.clear()
    proof = {
        "x-hub-signature-256": "sha256=" + mac(SECRET, body).hex(),
        "authorization": f"Bearer {SECRET.decode()}",
    }
    answer = here.receive(function_url(request(body, headers | proof, query)))
    accepted = [event for event, _ in here.messages.queued]
    assert len(accepted) == (answer["statusCode"] == 202)
    return accepted


BODIES = st.one_of(
    documents(ANY_TEXT).map(lambda data: json.dumps(data).encode()),
    documents(VALID_TEXT).map(lambda data: json.dumps(data, ensure_ascii=False).encode()),
    documents(VALID_TEXT).map(lambda data: json.dumps(data).encode("utf-16")),
    st.text().map(lambda text: json.dumps({"a": text}, ensure_ascii=False).encode("cp1252", "ignore")),
    st.sampled_from(
        [b'{"a":NaN,"b":-Infinity,"c":1e999}', b'{"a":1,"a":[2]}', b"payload=%7B%7D", b"", b"[]"]
    ),
    st.text().map(str.encode),
)
CONTENT_TYPES = [
    *("application/json", "application/cloudevents+json", "application/x-www-form-urlencoded"),
    *("text/plain", "text/json; charset=iso-8859-1", ""),
]
HEADERS = st.fixed_dictionaries(
    {"content-type": st.sampled_from(CONTENT_TYPES), "x-kind": ANY_TEXT},
    optional={
        "ce-specversion": st.just("1.0"),
        "ce-id": ANY_TEXT,
        "ce-source": ANY_TEXT,
        "ce-type": ANY_TEXT,
        "ce-more": ANY_TEXT,
    },
)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2), BODIES, HEADERS, st.dictionaries(st.just("q"), ANY_TEXT))
def test_deliver_can_read_every_event_that_receive_accepts(
    relays: list[World], number: int, body: bytes, headers: dict[str, str], query: dict[str, str]
) -> None:
    """This includes unsigned bodies, every body format, and unusual headers and query parameters."""
    for event in received(relays[number], body, headers, query):
        assert through_the_queue(event) == event
        assert through_the_queue(event, compressed=True) == event
        relays[number].witness.receipts.clear()
        relays[number].deliver(sqs_batch(sqs_queued(event)))
        assert Outcome.REJECTED not in relays[number].witness.outcomes


def test_half_a_surrogate_pair_in_a_header_is_replaced_before_queueing(relays: list[World]) -> None:
    """An invocation is JSON, so a header or a query parameter may contain half a pair."""
    headers = {"content-type": "application/json", "x-kind": "a\ud800"}
    (event,) = received(relays[0], b"{}", headers, {"q": "\udfff"})
    assert (event.type, event.headers, event.query) == ("a\ufffd", {"x-kind": "a\ufffd"}, {"q": "\ufffd"})


LARGEST = {
    "depth": '{"a":' * (MAX_DEPTH - 1) + "[]" + "}" * (MAX_DEPTH - 1),
    "parts": '{"a":[' + ",".join(["[]"] * ((MAX_PARTS - 2) // 2)) + "]}",
    "text": json.dumps({"a": "x" * MAX_TEXT}),
    "escaped": json.dumps({"a": ["é" * 1_000_000, "é" * 1_000_000]}, ensure_ascii=False),
    "digits": '{"a":' + "9" * MAX_DIGITS + "}",
    "numbers": '{"a":[' + ",".join(["1e15"] * 240_000) + "]}",
    "bytes": '{"a":["' + '","'.join(["x" * 2_000_000, "x" * 2_000_000, "x" * (MAX_BODY - 4_000_016)]) + '"]}',
}


@pytest.mark.parametrize("name", LARGEST)
def test_deliver_can_read_the_largest_event_that_receive_accepts(name: str, relays: list[World]) -> None:
    """Each body is at one of the limits, and the event adds fields of its own to it."""
    kept = {"x-kind": "\u20ac" * 4_000, "content-type": "application/json"}
    (event,) = received(relays[0], LARGEST[name].encode(), kept, {"q": "\u20ac" * 1_000})
    assert through_the_queue(event) == event


def test_an_event_that_deliver_could_not_read_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender gets an error instead, so no event is lost unnoticed."""
    event = event_of_text("words")
    monkeypatch.setattr(queue_format, "MAX_EVENT", len(pack(event).body))
    pack(event)
    monkeypatch.setattr(queue_format, "MAX_EVENT", len(pack(event).body) - 1)
    with pytest.raises(PayloadTooLarge):
        pack(event)


def test_packing_does_not_copy_the_document() -> None:
    """A copy of a large document would take several times its size in memory."""
    document = {"a": [{"b": number} for number in range(50_000)]}
    event = Event("s", "1", "", document, 1.0, "i")
    tracemalloc.start()
    try:
        size = len(pack(event).body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * size


def forged(data: str) -> bytes:
    """Return the text of an event with this document, which need not be valid."""
    return pack(Event("s", "1", "", {"a": "DATA"}, 1.0, "i")).body.replace('"DATA"', data).encode()


@pytest.mark.parametrize(
    "body",
    [
        forged("[" * (MAX_DEPTH + 10) + "]" * (MAX_DEPTH + 10)),
        forged("[" * 200_000),
        forged("[" + ",".join(["[]"] * MAX_PARTS) + "]"),
        forged('"' + "x" * (MAX_TEXT + 1) + '"'),
        forged('"') + b"\xff",
        *(b"[]", b'"text"', b"null", b"1", b""),
    ],
    ids=["deep", "deeper", "parts", "text", "no UTF-8", "list", "a text", "null", "number", "empty"],
)
@pytest.mark.parametrize("version", ["1", "1+zlib"])
def test_a_forged_event_beyond_the_limits_is_malformed(body: bytes, version: str) -> None:
    """Anyone who may send to the queue can set the relay's attribute too."""
    given_body = base64.b64encode(zlib.compress(body)) if version == "1+zlib" else body
    with pytest.raises(MalformedRequest):
        queue_format.unpack(given_body, version)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5_000])
def test_a_forged_number_is_null(number: str) -> None:
    """A number that JSON cannot represent could not be queued again."""
    assert queue_format.unpack(forged(number), "1").data == {"a": None}


def test_a_decompression_bomb_is_stopped_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is exceeded by a single byte already stops it."""
    event = event_of_text("words" * 100)
    body = pack(event).body.encode()
    compressed = base64.b64encode(zlib.compress(body))
    monkeypatch.setattr(queue_format, "MAX_EVENT", len(body))
    assert queue_format.unpack(compressed, "1+zlib") == event
    monkeypatch.setattr(queue_format, "MAX_EVENT", len(body) - 1)
    with pytest.raises(MalformedRequest):
        queue_format.unpack(compressed, "1+zlib")
