"""A source makes an event from each arrival, and writes one wording for it."""

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
    """Return an arrival with this data."""
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
def test_an_id_is_the_senders_if_it_looks_like_one(given: object, shown: str) -> None:
    """Otherwise it is the gateway's id or the content's hash."""
    assert source(event={"id": "data.id"}).event(arrival({"id": given})).id == shown


@pytest.mark.parametrize("given", ["ada@example.com", "a\nb", "a b", "x" * 129, "é", "\ud800"])
def test_an_id_that_could_identify_a_person_or_break_a_log_is_hashed(given: str) -> None:
    """Different ids stay different, but none is logged."""
    shown = safe_id(given, "fallback")
    assert shown.startswith("sha256:")
    assert len(shown) == len("sha256:") + 32
    assert shown != safe_id(given + "x", "fallback")


def test_an_event_contains_only_the_headers_that_are_read() -> None:
    """Signatures and cookies are not part of the event, and are never queued."""
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
def test_a_type_that_is_not_text_is_empty(given: object) -> None:
    """No condition is true for it, unless the condition compares with an empty text."""
    assert source(event={"type": "data.type"}).event(arrival({"type": given})).type == ""


def test_an_event_is_checked_against_the_schema_first() -> None:
    """No expression is evaluated on data that violates the schema."""
    strict = source({"required": ["id"]}, event={"id": "data.n[::0]"})
    with pytest.raises(SchemaViolation):
        strict.event(arrival({"n": [1]}))


def test_an_id_that_cannot_be_evaluated_is_the_fallback() -> None:
    """The mistake is in the source and not in the request, so the event gets an id nevertheless."""
    event = source(event={"id": "data.n[::0]"}).event(arrival({"n": [1]}))
    assert event.id == arrival({}).fallback_id


def test_a_type_that_cannot_be_evaluated_is_unknown() -> None:
    """An empty type would be filtered silently, whereas None fails when the event is delivered."""
    assert source(event={"type": "data.n[::0]"}).event(arrival({"n": [1]})).type is None


def test_the_first_matching_rule_writes_the_wording() -> None:
    """Rules apply in the order of the file, and a rule without a condition always matches."""
    ordered = source(
        message=[
            {**RULE, "when": "type == 'x'", "title": "x"},
            {**RULE, "title": "any"},
            {**RULE, "title": "no"},
        ]
    )
    assert ordered.wording(event(type="x")).wording == Wording("x", "b")
    assert ordered.wording(event()).wording == Wording("any", "b")


def test_if_no_rule_matches_there_is_no_wording() -> None:
    """The event is then filtered."""
    assert source(message=[{**RULE, "when": "type == 'x'"}]).wording(event()).wording is None
    assert source().wording(event()) == WordingResult(None, reason="no message rule holds for it")


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
    """If an expression returns null, the vendor's default applies."""
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
def test_a_sound_or_expiry_of_another_type_is_a_mapping_error(key: str, value: object) -> None:
    """True is not a number of seconds, and 1 is not a boolean."""
    with pytest.raises(MappingFailed, match=key):
        source(message=[{**RULE, key: "{{ data.v }}"}]).wording(event({"v": value}))


@pytest.mark.parametrize("key", ["title", "body"])
@pytest.mark.parametrize("value", [None, "", " \n", "\u200b\u00a0"])
def test_a_blank_title_or_body_is_a_mapping_error(key: str, value: object) -> None:
    """The recipient could not see what the push is about."""
    with pytest.raises(MappingFailed, match=rf"^message\[1\] of shop: the {key} is blank$"):
        source(message=[{**RULE, key: "{{ data.v }}"}]).wording(event({"v": value}))


def test_a_rule_whose_condition_raises_an_error_is_skipped_and_reported() -> None:
    """A later rule writes the wording. The error names the rule and quotes no value."""
    failing = {**RULE, "when": "data.tags[::0]", "title": "never"}
    wording = source(message=[failing, RULE]).wording(event({"tags": "planted", "n": 1}))
    assert wording == WordingResult(Wording("t", "b"))
    wording = source(message=[failing, RULE]).wording(event({"tags": ["x"]}))
    assert wording.wording == Wording("t", "b")
    assert [error.detail for error in wording.errors] == [
        "message[1] of shop, when: `data.tags[::0]` cannot be evaluated on this event"
    ]


def test_rules_after_the_matching_one_are_not_evaluated() -> None:
    """Their errors do not concern this event."""
    assert source(message=[RULE, {**RULE, "when": "`[1]`[::0]"}]).wording(event()).errors == ()


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
def test_a_match_rule_fits_if_all_its_parts_fit(
    rule: dict[str, Any],
    headers: dict[str, str],
    data: dict[str, Any],
    fits: bool,  # noqa: FBT001
) -> None:
    """Patterns, case and condition have to fit. A pattern for any topic still requires a topic."""
    (match,) = source(match=[rule]).matches
    assert match.fits(arrival(data, headers=headers)) is fits
