"""How a sender proves itself, as OpenAPI's security schemes: asked of the compiled schemes themselves."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from push_relay.core.errors import RelayError
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.schemes.proof import Evidence
from push_relay.core.trust.schemes.registry import SCHEMES

#: Headers that a scheme may read and that prove nothing: the media type decides which reading was signed.
_NO_PROOF = frozenset({"content-type"})


class _Asked(Mapping[str, str]):
    """Values that are always there, and remember which of them were asked for."""

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
    """A request of which a scheme may ask anything; its signature is right in no scheme."""

    headers: _Asked
    query: _Asked
    url: str = "https://relay.invalid/"
    body: bytes = b""


def places(source: Source) -> list[tuple[str, str]]:
    """Return where a source's proof stands: (`header` or `query`, name), in the order in which it is read."""
    probe = _Probe(_Asked(), _Asked())
    with suppress(RelayError):
        if source.verify:
            source.verify(probe, Evidence((b"0",), 0.0))
    headers = [name for name in probe.headers.names if name not in _NO_PROOF]
    return [("header", name) for name in headers] + [("query", name) for name in probe.query.names]


def security(source: Source, verify: JsonObject) -> JsonObject:
    """Return the security schemes of a source, by component name: all of them together are its proof.

    None where the proof stands in the body, or where none is asked for.
    """
    told = f"{source.title}: {described(source)}"
    found = places(source)
    if source.scheme == "basic":
        return {source.name: {"type": "http", "scheme": "basic", "description": told}}
    if found == [("header", "authorization")] and verify.get("prefix") == "Bearer ":
        return {source.name: {"type": "http", "scheme": "bearer", "description": told}}
    return {
        source.name if len(found) == 1 else f"{source.name}.{name}": {
            "type": "apiKey",
            "in": place,
            "name": name,
            "description": told,
        }
        for place, name in found
    }


def described(source: Source) -> str:
    """Return what the scheme's own documentation says of it: its first paragraph."""
    text = inspect.getdoc(SCHEMES[source.scheme]) if source.scheme else None
    first = (text or "").partition("\n")[0]
    return f"scheme `{source.scheme}`. {first.removeprefix('Make the scheme ').removeprefix('of ')}"
