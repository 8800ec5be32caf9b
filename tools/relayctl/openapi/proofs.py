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
from push_relay.core.trust.place import Place
from push_relay.core.trust.presets import PRESETS
from push_relay.core.trust.schemes.description import Description
from push_relay.core.trust.schemes.proof import Evidence, Scheme
from push_relay.core.trust.schemes.registry import SCHEMES
from push_relay.core.trust.schemes.signed import Signed

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


type Places = list[tuple[str, str]]


def proof_places(scheme: Scheme | None) -> Places:
    """Return the places of a scheme's proof, in reading order: (`header` or `query`, name)."""
    if scheme and isinstance(scheme.verify, Signed):
        return _described(scheme.verify.description)
    probe = _Probe(_RecordingMap(), _RecordingMap())
    with suppress(RelayError):
        if scheme:
            scheme(probe, Evidence((b"0",), 0.0))
    headers = [name for name in probe.headers.names if name not in _NO_PROOF]
    return [("header", name) for name in headers] + [("query", name) for name in probe.query.names]


def _described(description: Description, first: Place | None = None) -> Places:
    """Return the places of what a description signs: signature, timestamp, id, and others in its text."""
    timestamp = [description.timestamp.place] if description.timestamp else []
    others = [variable.place for variable in description.text.variables if variable.place]
    places = dict.fromkeys((first or description.places[0], *timestamp, *others))
    return [(place.kind, place.name) for place in places if place.kind in ("header", "query")]


def _alternative_places(scheme: Scheme) -> list[Places]:
    """Return the places of each alternative. A signature at one of several places is as many of them."""
    found: list[Places] = []
    for alternative in scheme.alternatives:
        if isinstance(alternative.verify, Signed):
            description = alternative.verify.description
            found += [_described(description, place) for place in description.places]
        else:
            found.append(proof_places(alternative))
    return [places for number, places in enumerate(found) if places not in found[:number]]


def security_schemes(source: Source, verify: JsonObject) -> list[JsonObject]:
    """Return the security schemes of a source, by component name, for each of its alternatives.

    A request needs all of one alternative. The result is empty if the proof is in the body, or if the source
    demands none.
    """
    description = f"{source.title}: {describe_scheme(source)}"
    if source.scheme == "basic":
        return [{source.name: {"type": "http", "scheme": "basic", "description": description}}]
    if source.verify and source.verify.alternatives:
        return [_keys(source, places, description) for places in _alternative_places(source.verify)]
    found = proof_places(source.verify)
    if found == [("header", "authorization")] and verify.get("prefix") == "Bearer ":
        return [{source.name: {"type": "http", "scheme": "bearer", "description": description}}]
    return [_keys(source, found, description)] if found else []


def _keys(source: Source, places: Places, description: str) -> JsonObject:
    several = len(places) > 1 or bool(source.verify and source.verify.alternatives)
    return {
        f"{source.name}.{name}" if several else source.name: {
            "type": "apiKey",
            "in": place,
            "name": name,
            "description": description,
        }
        for place, name in places
    }


def describe_scheme(source: Source) -> str:
    """Return the scheme's name with the first line of its documentation, or the preset with its page."""
    if source.preset:
        return f"scheme `{source.preset}`: {PRESETS[source.preset].docs}"
    text = inspect.getdoc(SCHEMES[source.scheme]) if source.scheme else None
    first = _MAKES.sub("", (text or "").partition("\n")[0])
    return f"scheme `{source.scheme}`: {first}"
