"""One table says what every error means, and it is complete."""

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

#: The design's table: outcome, and the status that the HTTP sender gets.
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
    # Found at build time; should one reach an event, it is nobody's fault and waits.
    "configuration_invalid": (Outcome.PARKED, 500),
}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_every_error_means_what_the_design_says(kind: type[RelayError]) -> None:
    """A new error has to be put into the table, and into this one."""
    outcome, status = DESIGNED[kind.code]
    assert (verdict(kind).outcome, verdict(kind).status) == (outcome, status)
    assert verdict_of_code(kind.code) == verdict(kind)


def test_codes_are_unique_and_stable() -> None:
    """Alarms and dashboards are made of them."""
    assert sorted(kind.code for kind in ALL) == sorted(DESIGNED)
    assert len({kind.code for kind in ALL}) == len(ALL)
    assert {kind.code for kind in ALL} == set(CODES)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in CODES)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Names and parents as they are drawn."""
    drawn = re.findall(r"^    ([│ ├└─]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    above: list[str] = []
    parents = {}
    for indent, name in drawn:
        depth = len(indent) // 4
        above[depth:] = [name]
        parents[name] = above[depth - 1] if depth else "Exception"
    assert parents == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


def test_every_outcome_has_a_disposition() -> None:
    """What is not for now is parked, what is wrong is dead-lettered, and the rest is done."""
    assert set(DISPOSITIONS) == set(Outcome)
    assert {o for o, d in DISPOSITIONS.items() if d is Disposition.PARK} == {Outcome.PARKED}
    assert {o for o, d in DISPOSITIONS.items() if d is Disposition.DEAD_LETTER} == {
        Outcome.REJECTED,
        Outcome.FAILED,
    }


def test_no_error_is_acknowledged() -> None:
    """Every verdict parks or dead-letters."""
    assert all(DISPOSITIONS[v.outcome] is not Disposition.ACKNOWLEDGE for v in VERDICTS.values())


@pytest.mark.parametrize(
    "error", [ValueError("planted"), KeyboardInterrupt(), MemoryError("planted"), OSError(5, "planted")]
)
def test_what_is_not_the_relays_own_is_parked_and_told_by_its_type(error: BaseException) -> None:
    """By type and place, never by its text, which may quote the event."""
    assert verdict(error) == VERDICTS[RelayError]
    assert code_of(error) == "internal_error"
    assert safe_detail(error) == f"{type(error).__name__} at unknown"


def test_an_own_error_is_told_in_its_own_words() -> None:
    """Which the relay alone has written."""
    assert safe_detail(VendorRejected("no", vendor_code="X")) == "no"
    assert verdict_of_code("nosuch") == VERDICTS[RelayError]


def test_every_code_is_documented() -> None:
    """In docs/errors.md, where problem details point."""
    documented = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert [code for code in CODES if f"`{code}`" not in documented] == []
