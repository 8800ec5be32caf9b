"""The verification of sources as OpenAPI security schemes.

The places of a proof are not listed by hand: a compiled scheme verifies a probe request, which records what
it reads.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from push_relay.core.errors import RelayError
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.schemes.proof import Evidence
from push_relay.core.trust.schemes.registry import SCHEMES

#: Headers that a scheme may read although they prove nothing. The media type decides which form of the body
#: was signed.
_NO_PROOF = frozenset({"content-type"})

#: How the documentation of a scheme's function begins, before it describes the scheme itself.
_MAKES = re.compile(r"^(Make|Return) the scheme (of )?")


class _RecordingMap(Mapping[str, str]):
    """A mapping that has a value for every name, and records the names that were read."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getitem__(self, name: str) -> str:
        if name not in self.names:
            self.names.append(name)
        return "0"

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class _Probe:
    """A request that has every header and query parameter. Its signature is not valid in any scheme."""

    headers: _RecordingMap
    query: _RecordingMap
    url: str = "https://relay.invalid/"
    body: bytes = b""
    method: str = "POST"


def proof_places(source: Source) -> list[tuple[str, str]]:
    """Return the places of a source's proof, in reading order: (`header` or `query`, name)."""
    probe = _Probe(_RecordingMap(), _RecordingMap())
    with suppress(RelayError):
        if source.verify:
            source.verify(probe, Evidence((b"0",), 0.0))
    headers = [name for name in probe.headers.names if name not in _NO_PROOF]
    return [("header", name) for name in headers] + [("query", name) for name in probe.query.names]


def security_schemes(source: Source, verify: JsonObject) -> JsonObject:
    """Return the security schemes of a source, by component name. A request needs all of them.

    The result is empty if the proof is in the body, or if the source demands none.
    """
    description = f"{source.title}: {describe_scheme(source)}"
    found = proof_places(source)
    if source.scheme == "basic":
        return {source.name: {"type": "http", "scheme": "basic", "description": description}}
    if found == [("header", "authorization")] and verify.get("prefix") == "Bearer ":
        return {source.name: {"type": "http", "scheme": "bearer", "description": description}}
    return {
        source.name if len(found) == 1 else f"{source.name}.{name}": {
            "type": "apiKey",
            "in": place,
            "name": name,
            "description": description,
        }
        for place, name in found
    }


def describe_scheme(source: Source) -> str:
    """Return the scheme's name, and the first line of its documentation."""
    text = inspect.getdoc(SCHEMES[source.scheme]) if source.scheme else None
    first = _MAKES.sub("", (text or "").partition("\n")[0])
    return f"scheme `{source.scheme}`: {first}"
