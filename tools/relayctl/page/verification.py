"""The steps by which a request proved its origin, or failed to, for people.

The core verifies in one call, and its error code is the step that failed: the steps before it have passed.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from push_relay.core.rules.findings import Report
from push_relay.core.rules.source_file import SourceFile
from push_relay.core.trust.place import Place, read_place
from push_relay.core.trust.policy import Policy
from push_relay.core.trust.verify_base import OPEN, Verify

#: The states of a step.
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
#: The error codes of the steps, in the order in which the core checks them. A request that is refused with
#: another code has proven its origin.
_CODES: Final = (
    "unknown_source",
    "address_not_allowed",
    "signature_missing",
    "signature_invalid",
    "stale",
)
#: Refusals before the source is looked at.
_EARLY: Final = frozenset({"not_found", "method_not_allowed", "internal_error", ""})
#: The codes of a step that have the same place as another one.
_ALIASES: Final = {
    "credentials_unavailable": "signature_invalid",
    "handshake_refused": "signature_missing",
    "handshake_not_found": "signature_missing",
    "unauthenticated": "signature_invalid",
}


class Step(NamedTuple):
    """One step: what is checked, the state, and how."""

    title: str
    state: str
    detail: str = ""


class Proof(NamedTuple):
    """The `[verify]` table of a source; None if it takes no webhooks."""

    table: Verify | None

    @classmethod
    def read(cls, folder: Path) -> "Proof":
        """Read a source's folder. A file with a mistake has no proof."""
        try:
            document = tomllib.loads((folder / "source.toml").read_text("utf-8"))
            return cls(SourceFile(document, Report()).verify)
        except (OSError, ValueError, AttributeError):
            return cls(None)

    @property
    def places(self) -> tuple[Place, ...]:
        """The places of the proof, in the words of the description."""
        return tuple(place for _, place in self.table.proof_places) if self.table else ()

    @property
    def masked_places(self) -> tuple[Place, ...]:
        """The places of the proof, in which a pointer begins at the document."""
        each = self._value("each")
        if not each:
            return self.places
        before = read_place(f"json:{each}").name
        return tuple(
            Place(place.kind, before + place.name) if place.kind == "json" else place for place in self.places
        )

    @property
    def tolerance_secs(self) -> int | None:
        """How far a signed timestamp may be from the clock; None if there is none."""
        has_timestamp = self._value("timestamp") or self._value("timestamp_header")
        if not has_timestamp and self._value("scheme") != "sns-http":
            return None
        secs = self._value("tolerance_secs")
        return secs if isinstance(secs, int) else None

    @property
    def method(self) -> str:
        """How the proof is compared, in half a sentence."""
        if self.table is None:
            return ""
        text = self._value("text") or self._value("content")
        algorithm = self._value("algorithm") or (self._value("digest") and f"hmac-{self._value('digest')}")
        match self.table.scheme:
            case "token" | "basic":
                return "the value is compared with the stored secret"
            case "any-of":
                return "one of the alternatives has to fit"
            case "sns-http":
                return "the signature of SNS, by the certificate of AWS"
        if algorithm and text:
            return f"{_listed(algorithm)} of {text}"
        return f"{_listed(algorithm)}" if algorithm else self.table.scheme

    def _value(self, name: str) -> Any:
        return self.table.values.get(name) if self.table else None


def _listed(algorithm: object) -> str:
    several = isinstance(algorithm, tuple | list)
    return ", ".join(map(str, algorithm)) if several else str(algorithm)  # type: ignore[call-overload] # as checked


def steps(proof: Proof, policy: Policy, error_code: str, *, is_answered: bool) -> list[Step]:
    """Return the steps for a request.

    error_code   of its refusal; empty if it was not refused
    is_answered  False if nothing is known about the answer
    """
    code = _ALIASES.get(error_code, error_code)
    if error_code in _EARLY and error_code:
        failed_at = -1
    else:
        failed_at = _CODES.index(code) if code in _CODES else len(_CODES)
    return [
        Step(title, _state(_CODES.index(step), failed_at, is_answered=is_answered), detail)
        for step, title, detail in _described(proof, policy)
    ]


def _state(position: int, failed_at: int, *, is_answered: bool) -> str:
    if not is_answered or position > failed_at:
        return SKIPPED
    return FAILED if position == failed_at else PASSED


def _described(proof: Proof, policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Yield the error code, the title and the detail of each step that the source has."""
    table = proof.table
    yield (
        _CODES[0],
        "The source takes webhooks",
        f"scheme `{table.name}`" if table else "it has no `[verify]`",
    )
    if policy.addresses:
        yield _CODES[1], "The caller's address is allowed", ", ".join(map(str, policy.addresses))
    if table is None:
        return
    if table.scheme == OPEN:
        yield _CODES[2], "No proof is needed", "`unverified = true` in relay.toml"
        return
    places = ", ".join(f"`{place}`" for place in proof.places[:4])
    yield _CODES[2], "The proof is there", places or "in the body"
    yield _CODES[3], "The proof fits", proof.method
    if proof.tolerance_secs is not None:
        yield _CODES[4], "The proof is fresh", f"signed at most {proof.tolerance_secs} s ago"
