"""A source makes events of what arrives, and says one message of each."""

from typing import Any

import pytest

from push_relay.core.errors import MappingFailed, SchemaViolation
from push_relay.core.event import Arrival, Event, safe_id
from push_relay.core.push import Wording
from push_relay.core.rules.source import Source, read_source
from push_relay.core.rules.wording import WordingResult

MINIMAL: dict[str, Any] = {"title": "T", "docs": "d"}
RULE = {"title": "t", "body": "b"}


def source(schema: dict[str, Any] | None = None, **document: Any) -> Source:
    """Compile a source in memory."""
    return read_source("shop", {**MINIMAL, **document}, schema or {})


def arrival(data: dict[str, Any] | None = None, **changes: Any) -> Arrival:
    """Return what came."""
    given: dict[str, Any] = {
        "source": None,
        "data": data or {},
        "headers": {},
        "query": {},
        "received_at": 1.0,
        "fallback_id": "fallback",
        "identity": "i",
    }
    return Arrival(**{**given, **changes})


def event(data: dict[str, Any] | None = None, **changes: Any) -> Event:
    """Return an event of the source."""
    return Event(
        **{"source": "shop", "id": "1", "type": "t", "data": data or {}, "received_at": 1.0, "identity": "i"}
        | changes
    )


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("abc-1", "abc-1"),
        (17, "17"),
        (0, "0"),
        ("", "fallback"),
        (None, "fallback"),
        (True, "fallback"),
        ({"a": 1}, "fallback"),
        (1.5, "fallback"),
    ],
)
def test_an_id_is_the_senders_where_it_looks_like_one(given: object, shown: str) -> None:
    """Else it is the gateway's or the content's."""
    assert source(event={"id": "data.id"}).event(arrival({"id": given})).id == shown


@pytest.mark.parametrize("given", ["ada@example.com", "a\nb", "a b", "x" * 129, "é", "\ud800"])
def test_an_id_that_could_be_a_person_or_break_a_log_is_shown_as_a_digest(given: str) -> None:
    """Told apart, and never shown."""
    shown = safe_id(given, "fallback")
    assert shown.startswith("sha256:")
    assert len(shown) == len("sha256:") + 32
    assert shown != safe_id(given + "x", "fallback")


def test_an_event_keeps_only_the_headers_that_are_read() -> None:
    """Signatures and cookies are not carried on, let alone queued."""
    reading = source(
        event={"type": 'headers."x-kind"'},
        message=[{"when": "query.q", "title": "{{ headers.a }}", "body": "b", "sound": "{{ headers.s }}"}],
    )
    headers = {"x-kind": "k", "a": "1", "x-hub-signature-256": "planted", "cookie": "planted"}
    made = reading.event(arrival(headers=headers, query={"q": "1", "token": "planted"}))
    assert made.headers == {"x-kind": "k", "a": "1"}
    assert made.query == {"q": "1"}
    assert made.type == "k"


@pytest.mark.parametrize("given", [None, 1, ["a"], {"a": 1}, True])
def test_a_type_that_is_no_text_is_empty(given: object) -> None:
    """No condition fits it, unless it asks for that."""
    assert source(event={"type": "data.type"}).event(arrival({"type": given})).type == ""


def test_an_event_is_held_against_the_schema_first() -> None:
    """Before any expression sees it."""
    strict = source({"required": ["id"]}, event={"id": "upper(data.n)"})
    with pytest.raises(SchemaViolation):
        strict.event(arrival({"n": [1]}))


def test_an_id_that_cannot_be_evaluated_is_the_fallback() -> None:
    """The source's mistake, not the sender's: the event has a name all the same."""
    event = source(event={"id": "upper(data.n)"}).event(arrival({"n": [1]}))
    assert event.id == arrival({}).fallback_id


def test_a_type_that_cannot_be_evaluated_is_none() -> None:
    """An empty type would be filtered without a word; None fails when the event is delivered."""
    assert source(event={"type": "upper(data.n)"}).event(arrival({"n": [1]})).type is None


def test_the_first_rule_whose_condition_holds_speaks() -> None:
    """In the order of the file; one without a condition always holds."""
    speaking = source(
        message=[
            {**RULE, "when": "type == 'x'", "title": "x"},
            {**RULE, "title": "any"},
            {**RULE, "title": "no"},
        ]
    )
    assert speaking.wording(event(type="x")).wording == Wording("x", "b")
    assert speaking.wording(event()).wording == Wording("any", "b")


def test_where_no_rule_speaks_there_is_no_message() -> None:
    """The event is filtered."""
    assert source(message=[{**RULE, "when": "type == 'x'"}]).wording(event()) == WordingResult(None)
    assert source().wording(event()) == WordingResult(None)


@pytest.mark.parametrize(
    ("rule", "data", "sound", "expiry"),
    [
        ({}, {}, None, None),
        ({"sound": True, "expiry_secs": 60}, {}, True, 60),
        ({"sound": False, "expiry_secs": 0}, {}, False, 0),
        ({"sound": "{{ data.s }}", "expiry_secs": "{{ data.e }}"}, {"s": False, "e": 5}, False, 5),
        ({"sound": "{{ data.s }}", "expiry_secs": "{{ data.e }}"}, {}, None, None),
        ({"sound": "{{ data.e > `1` }}"}, {"e": 2}, True, None),
    ],
)
def test_sound_and_expiry_are_constants_or_expressions(
    rule: dict[str, Any],
    data: dict[str, Any],
    sound: bool | None,  # noqa: FBT001 (a push's field)
    expiry: int | None,
) -> None:
    """Null leaves them to the vendor."""
    assert source(message=[{**RULE, **rule}]).wording(event(data)).wording == Wording("t", "b", sound, expiry)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sound", "true"),
        ("sound", 1),
        ("sound", []),
        ("expiry_secs", "60"),
        ("expiry_secs", 1.5),
        ("expiry_secs", True),
    ],
)
def test_sound_and_expiry_of_another_type_are_a_wrong_mapping(key: str, value: object) -> None:
    """True is no number of seconds, and 1 no truth."""
    with pytest.raises(MappingFailed, match=key):
        source(message=[{**RULE, key: "{{ data.v }}"}]).wording(event({"v": value}))


@pytest.mark.parametrize("key", ["title", "body"])
@pytest.mark.parametrize("value", [None, "", " \n", "\u200b\u00a0"])
def test_a_blank_title_or_body_is_a_wrong_mapping(key: str, value: object) -> None:
    """Nobody would see what the push is about."""
    with pytest.raises(MappingFailed, match=rf"^message\[1\] of shop: the {key} is blank$"):
        source(message=[{**RULE, key: "{{ data.v }}"}]).wording(event({"v": value}))


def test_a_rule_whose_condition_fails_is_passed_over_and_reported() -> None:
    """A later rule writes the message. The error names the rule and quotes no value."""
    failing = {**RULE, "when": "contains(data.tags, 'x')", "title": "never"}
    wording = source(message=[failing, RULE]).wording(event({"tags": "planted", "n": 1}))
    assert wording == WordingResult(Wording("t", "b"))
    wording = source(message=[failing, RULE]).wording(event({"tags": None}))
    assert wording.wording == Wording("t", "b")
    assert [error.detail for error in wording.errors] == [
        "message[1] of shop, when: `contains(data.tags, 'x')` cannot be evaluated on this event"
    ]


def test_rules_after_the_one_that_holds_are_not_evaluated() -> None:
    """Their failures are of no concern to this event."""
    assert source(message=[RULE, {**RULE, "when": "upper(data)"}]).wording(event()).errors == ()


@pytest.mark.parametrize(
    ("rule", "headers", "data", "fits"),
    [
        ({"sns_topic": "arn:*:ovens"}, {"sns-topic": "arn:aws:sns:x:1:ovens"}, {}, True),
        ({"sns_topic": "arn:*:ovens"}, {"sns-topic": "arn:aws:sns:x:1:Ovens"}, {}, False),
        ({"sns_topic": "*"}, {}, {}, False),
        ({"eventbridge_source": "*"}, {"sns-topic": "t"}, {}, False),
        (
            {"eventbridge_source": "a?", "eventbridge_detail_type": "b"},
            {"eventbridge-source": "ab"},
            {},
            False,
        ),
        (
            {"eventbridge_source": "a?", "eventbridge_detail_type": "b"},
            {"eventbridge-source": "ab", "eventbridge-detail-type": "b"},
            {},
            True,
        ),
        ({"sns_topic": "*", "when": "data.a"}, {"sns-topic": "t"}, {"a": 1}, True),
        ({"sns_topic": "*", "when": "data.a"}, {"sns-topic": "t"}, {}, False),
    ],
)
def test_a_match_rule_fits_when_all_of_it_does(
    rule: dict[str, Any],
    headers: dict[str, str],
    data: dict[str, Any],
    fits: bool,  # noqa: FBT001
) -> None:
    """Patterns, case and condition; a pattern for any topic still needs a topic."""
    (match,) = source(match=[rule]).matches
    assert match.fits(arrival(data, headers=headers)) is fits
