"""One table gives every error its outcome and HTTP status, and the table is complete."""

import inspect
import re

import pytest

from fakes import ROOT
from push_relay.core import errors
from push_relay.core.errors import CODES, RelayError, VendorRejected
from push_relay.core.outcomes import (
    DISPOSITIONS,
    VERDICTS,
    Disposition,
    Outcome,
    code_of,
    safe_detail,
    verdict,
    verdict_of_code,
)

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, RelayError)]

#: The design's table: the outcome, and the status that an HTTP sender gets.
DESIGNED = {
    "internal_error": (Outcome.PARKED, 500),
    "malformed_request": (Outcome.REJECTED, 400),
    "unsupported_media_type": (Outcome.REJECTED, 415),
    "payload_too_large": (Outcome.REJECTED, 413),
    "unauthenticated": (Outcome.REJECTED, 401),
    "signature_missing": (Outcome.REJECTED, 401),
    "signature_invalid": (Outcome.REJECTED, 401),
    "stale": (Outcome.REJECTED, 401),
    "address_not_allowed": (Outcome.REJECTED, 403),
    "handshake_refused": (Outcome.REJECTED, 403),
    "handshake_not_found": (Outcome.REJECTED, 404),
    "unknown_account": (Outcome.FAILED, 202),
    "unknown_source": (Outcome.REJECTED, 404),
    "ambiguous_source": (Outcome.REJECTED, 404),
    "schema_violation": (Outcome.REJECTED, 422),
    "mapping_failed": (Outcome.FAILED, 202),
    "not_now": (Outcome.PARKED, 503),
    "credentials_unavailable": (Outcome.PARKED, 503),
    "queue_unavailable": (Outcome.PARKED, 503),
    "ledger_unavailable": (Outcome.PARKED, 503),
    "claim_held": (Outcome.PARKED, 503),
    "out_of_time": (Outcome.PARKED, 503),
    "connections_busy": (Outcome.PARKED, 503),
    "quota_exhausted": (Outcome.PARKED, 503),
    "budget_exhausted": (Outcome.PARKED, 503),
    "circuit_open": (Outcome.PARKED, 503),
    "vendor_throttled": (Outcome.PARKED, 503),
    "vendor_unavailable": (Outcome.PARKED, 503),
    "vendor_unauthorized": (Outcome.PARKED, 502),
    "delivery_unknown": (Outcome.PARKED, 504),
    "delivery_held": (Outcome.FAILED, 504),
    "vendor_rejected": (Outcome.FAILED, 502),
    "crashed": (Outcome.FAILED, 500),
    # Such mistakes are found at build time. If one reaches an event, no sender caused it, so the event waits.
    "configuration_invalid": (Outcome.PARKED, 500),
}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_every_error_has_the_designed_outcome_and_status(kind: type[RelayError]) -> None:
    """A new error has to be added to the relay's table and to the one above."""
    outcome, status = DESIGNED[kind.code]
    assert (verdict(kind).outcome, verdict(kind).status) == (outcome, status)
    assert verdict_of_code(kind.code) == verdict(kind)


def test_codes_are_unique_and_stable() -> None:
    """Alarms and dashboards depend on the codes."""
    assert sorted(kind.code for kind in ALL) == sorted(DESIGNED)
    assert len({kind.code for kind in ALL}) == len(ALL)
    assert {kind.code for kind in ALL} == set(CODES)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in CODES)


def test_the_error_tree_in_the_docstring_matches_the_classes() -> None:
    """The drawing shows each class under its base class."""
    drawn = re.findall(r"^    ([│ ├└─]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    above: list[str] = []
    parents = {}
    for indent, name in drawn:
        depth = len(indent) // 4
        above[depth:] = [name]
        parents[name] = above[depth - 1] if depth else "Exception"
    assert parents == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


def test_every_outcome_has_a_disposition() -> None:
    """A parked event is requeued, a rejected or failed one is dead-lettered, and all others are finished."""
    assert set(DISPOSITIONS) == set(Outcome)
    assert {o for o, d in DISPOSITIONS.items() if d is Disposition.PARK} == {Outcome.PARKED}
    assert {o for o, d in DISPOSITIONS.items() if d is Disposition.DEAD_LETTER} == {
        Outcome.REJECTED,
        Outcome.FAILED,
    }


def test_no_error_removes_an_event_from_the_queue() -> None:
    """An event with an error is parked or dead-lettered, so that it is never lost."""
    assert all(DISPOSITIONS[v.outcome] is not Disposition.ACKNOWLEDGE for v in VERDICTS.values())


@pytest.mark.parametrize(
    "error", [ValueError("planted"), KeyboardInterrupt(), MemoryError("planted"), OSError(5, "planted")]
)
def test_a_foreign_exception_is_parked_and_described_by_its_type(error: BaseException) -> None:
    """The text of a foreign exception may quote the event, so only its type and its place are logged."""
    assert verdict(error) == VERDICTS[RelayError]
    assert code_of(error) == "internal_error"
    assert safe_detail(error) == f"{type(error).__name__} at unknown"


def test_an_error_of_the_relay_is_described_by_its_own_text() -> None:
    """Only the relay writes these texts, and they never quote the event."""
    assert safe_detail(VendorRejected("no", vendor_code="X")) == "no"
    assert verdict_of_code("nosuch") == VERDICTS[RelayError]


def test_every_code_is_documented() -> None:
    """Problem details link to docs/errors.md."""
    documented = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert [code for code in CODES if f"`{code}`" not in documented] == []
