"""The list of dead letters and parked pushes: complete, readable at night, and without any content."""

import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from dead_letters import EVENT, FAILED_AT, NOW, dead_letter, failed_invocation, packed
from push_relay.core.queue_format import ORIGIN_ATTRIBUTE
from relayctl.deadletters.dead_letter import (
    CRASHED,
    INVOCATION_FAILED,
    DeadLetter,
    DeadLetterSummary,
    Filter,
)
from relayctl.deadletters.listing import Listing, format_age, short_id_chars
from relayctl.deadletters.queue import Counts

PLANTED = "Unmentionable"


def printed(listing: Listing, rows: int | None = 20) -> str:
    """Return the listing as a person sees it."""
    out = StringIO()
    listing.show(Console(file=out, width=120), rows)
    return out.getvalue()


@pytest.mark.parametrize(
    ("message", "summary"),
    [
        (
            packed(error_code="mapping_failed", event_id="e-1", failed_at=FAILED_AT),
            ("mapping_failed", "bakery", "e-1", NOW),
        ),
        (packed(), (CRASHED, "bakery", "e-1", NOW - 100)),
        (dead_letter("no JSON", source="ovens"), (CRASHED, "ovens", "-", NOW - 100)),
        (
            dead_letter(
                "no JSON",
                source="ovens",
                error_code="malformed_message",
                event_id="-",
                failed_at=FAILED_AT,
                **{ORIGIN_ATTRIBUTE: "0a1b-3"},
            ),
            ("malformed_message", "ovens", "0a1b-3", NOW),
        ),
        (failed_invocation({}), (INVOCATION_FAILED, "-", "-", NOW - 100)),
        (
            dead_letter("{}", error_code="\x1b[31m", source="[red]x", event_id="\n", failed_at="now"),
            ("(invalid)", "(invalid)", "sha256:01ba4719c80b6fe911b091a7c05124b6", NOW - 100),
        ),
        (packed(error_code="vendor_throttled", due="1800000000"), (CRASHED, "bakery", "e-1", NOW - 100)),
        (
            packed(error_code="crashed", event_id="-", failed_at=FAILED_AT),
            (CRASHED, "bakery", "e-1", NOW),
        ),
    ],
    ids=[
        "dead-lettered by the relay",
        "moved by SQS",
        "another sender's, moved by SQS",
        "an invalid item of a request",
        "moved by Lambda",
        "attributes with invalid values",
        "parked, then moved by SQS",
        "crashed, and dead-lettered by the relay",
    ],
)
def test_a_summary_has_the_error_code_source_event_and_time(
    message: DeadLetter, summary: tuple[Any, ...]
) -> None:
    """SQS and Lambda write no error code, and anybody who may send to the queue can write invalid values."""
    found = message.summary()
    assert (found.error_code, found.source, found.event_id, found.since) == summary
    assert found.size_bytes == len(message.body)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(), True),
        (Filter("crashed", "bakery", 60), True),
        (Filter("mapping_failed"), False),
        (Filter(source="ovens"), False),
        (Filter(older_than_secs=101), False),
    ],
)
def test_all_conditions_of_a_filter_must_hold(wanted: Filter, *, matches: bool) -> None:
    """The conditions are the error code, the source and the age."""
    assert wanted.matches(packed().summary(), NOW) is matches


@pytest.mark.parametrize("older_than_secs", [0.0, 1.0])
def test_a_message_from_the_future_is_excluded_only_by_a_minimum_age(older_than_secs: float) -> None:
    """Two clocks differ. A dead letter that is not listed because of that would never be repaired."""
    wanted = Filter(older_than_secs=older_than_secs)
    assert wanted.matches(packed().summary(), NOW - 200) is (not older_than_secs)


def test_neither_the_table_nor_the_json_shows_content() -> None:
    """An event's data and type may be personal data."""
    event = replace(EVENT, data={"words": PLANTED}, type=PLANTED)
    listing = Listing("dead", "s", [packed(event).summary()], NOW)
    assert PLANTED not in printed(listing) + json.dumps(listing.as_json())


def test_the_json_has_the_documented_keys() -> None:
    """Programs of deployers read it, so a key must not change its name."""
    document = Listing("dead", "push-relay", [packed().summary()], NOW, hidden=2).as_json()
    assert document == {
        "kind": "dead",
        "stack": "push-relay",
        "count": 1,
        "hidden": 2,
        "by_error_code": {"crashed": 1},
        "by_source": {"bakery": 1},
        "entries": [
            {
                "id": "m-1",
                "error_code": "crashed",
                "source": "bakery",
                "event_id": "e-1",
                "since": "2027-01-15T07:58:20+00:00",
                "age_secs": 100,
                "size_bytes": len(packed().body),
            }
        ],
    }


def test_the_table_has_the_counts_and_the_oldest_messages() -> None:
    """At three in the morning, the number of each error code matters more than thirty rows."""
    summaries = [
        DeadLetterSummary(f"{n:08d}-x", "mapping_failed", "github", f"e-{n}", NOW - 7200, 10)
        for n in range(30)
    ]
    text = printed(Listing("dead", "push-relay", summaries, NOW))
    assert text.startswith("30 dead messages (push-relay)")
    assert "... and 10 newer ones" in text
    assert "e-29" in printed(Listing("dead", "push-relay", summaries, NOW), None)
    assert "queue" not in text
    assert printed(
        Listing("parked", "s", [DeadLetterSummary("k", "circuit_open", "github", "e", NOW)], NOW)
    ).startswith("1 parked push (s)")


def test_the_list_of_parked_pushes_names_the_ones_that_it_does_not_contain() -> None:
    """The ledger contains only pushes that were claimed. The queue's counts show that there is more."""
    listing = Listing("parked", "s", [], NOW, queue=Counts(1, 2, has_redrive_policy=True, delayed=3))
    text = " ".join(printed(listing).split())
    assert "6 messages are in the queue: 1 visible, 3 delayed, 2 in flight" in text
    assert "Not listed" in text
    assert "batch window" in text
    assert listing.as_json()["queue"] == {"visible": 1, "delayed": 3, "in_hand": 2}


def test_ids_are_cut_to_the_length_at_which_they_differ() -> None:
    """Git cuts its ids in the same way."""
    summaries = [replace(packed().summary(), id=name) for name in ("aaaaaaaaaa", "aaaaaaaaab")]
    assert short_id_chars(summaries[:1]) == 8
    assert short_id_chars(summaries) == 10


@pytest.mark.parametrize(
    ("age_secs", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (2e5, "2d")]
)
def test_an_age_has_one_number_and_one_unit(age_secs: float, text: str) -> None:
    """The unit is the largest one of which at least one has passed."""
    assert format_age(age_secs) == text
