"""The signed text of a description: a template, compiled once, and filled with the values of each request.

    {timestamp}.{body}    {method}{url|decoded}{body}    [[id:{query:id|lower};]]ts:{item:ts};

A missing value refuses the request. A part in `[[ ]]` is left out if its value is missing, and
`{json:/p?}` is empty then.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.trust.place import ITEM, KINDS, Place, read_place
from push_relay.core.trust.schemes.form import sorted_pairs, sorted_text
from push_relay.core.trust.schemes.proof import no_fit, require
from push_relay.core.trust.schemes.values import Values, encoded, reader

#: Returns a value of a request, or None if it is missing.
type Read = Callable[[Values], bytes | None]
#: Changes a value.
type Filter = Callable[[bytes], bytes]

_PIECE = re.compile(r"\[\[(.*?)\]\]|\{([^{}]*)\}|([{}])", re.DOTALL)
# `re` compiles it, and keeps it, when a text first needs it: few do.
_LOCAL = r"(?is)(?:[a-z][a-z0-9+.-]*://[^/?#]*)?([^?#]*)(?:\?([^#]*))?.*"


class Variable(NamedTuple):
    """A value in a text.

    name     its name, without filters
    place    its place, if it is one
    read     returns it
    filters  the names of the filters that change it
    """

    name: str
    place: Place | None
    read: Read
    filters: tuple[str, ...]

    @property
    def covers_body(self) -> bool:
        """Whether it is the body, or a hash of it that nobody can find another body for."""
        return self.name == "body" and self.filters in ((), ("sha256-hex",), ("sha256-base64",))

    @property
    def covers_form(self) -> bool:
        """Whether it is all that a form contains."""
        return self.name.startswith(("form-sorted", "form-pairs-sorted")) or self.filters == ("plivo",)


class SignedText(NamedTuple):
    """A compiled template.

    pieces   literal bytes, variables, and parts that may be left out
    readers  reads each piece
    """

    pieces: tuple["bytes | Variable | SignedText", ...]
    readers: tuple[Read, ...]

    def fill(self, values: Values) -> bytes:
        """Return the text of a request. Raises SignatureInvalid if a value is missing."""
        written = []
        for read in self.readers:
            content = read(values)
            if content is None:
                raise no_fit()
            written.append(content)
        return b"".join(written)

    @property
    def lasting(self) -> "SignedText":
        """The text without the values that a sender writes again for each attempt."""
        return _text([piece for piece in self.pieces if isinstance(piece, bytes) or _lasts(piece)])

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable, in the order of the text."""
        return tuple(piece for piece in self.flat if isinstance(piece, Variable))

    @property
    def flat(self) -> list[bytes | Variable]:
        """Its pieces, with those of the parts that may be left out."""
        found: list[bytes | Variable] = []
        for piece in self.pieces:
            if isinstance(piece, SignedText):
                found += piece.flat
            else:
                found.append(piece)
        return found

    def names(self, name: str) -> bool:
        """Return whether a variable has this name."""
        return any(variable.name == name for variable in self.variables)

    def reads(self, place: Place) -> bool:
        """Return whether a variable is at this place."""
        return any(variable.place == place for variable in self.variables)


def _lasts(piece: "Variable | SignedText") -> bool:
    return isinstance(piece, Variable) and piece.place is None


def _text(pieces: "Iterable[bytes | Variable | SignedText]") -> SignedText:
    kept = tuple(piece for piece in pieces if piece)
    return SignedText(kept, tuple(_piece_reader(piece) for piece in kept))


def _piece_reader(piece: "bytes | Variable | SignedText") -> Read:
    if isinstance(piece, bytes):
        return lambda _values: piece
    return piece.read if isinstance(piece, Variable) else _optional(piece.readers)


def _optional(readers: Sequence[Read]) -> Read:
    """Return what reads a part that is left out if one of its values is missing."""

    def read(values: Values) -> bytes:
        written = [piece(values) for piece in readers]
        return b"" if None in written else b"".join(filter(None, written))

    return read


def compile_text(template: str, timestamp: Place | None) -> SignedText:
    """Compile a template. `timestamp` is the place of `{timestamp}`. Raises ConfigurationInvalid."""
    pieces: list[bytes | Variable | SignedText] = []
    end = 0
    for found in _PIECE.finditer(template):
        pieces.append(template[end : found.start()].encode())
        end = found.end()
        if found[3]:
            raise ConfigurationInvalid(f"`{template}` has a brace that belongs to no placeholder")
        if found[1] is None:
            pieces.append(_variable(found[2], timestamp))
        elif timestamp or "{timestamp}" not in found[1]:
            pieces.append(compile_text(found[1], timestamp))
    pieces.append(template[end:].encode())
    return _text(pieces)


def _variable(written: str, timestamp: Place | None) -> Variable:
    name, *filters = written.split("|")
    optional = name.endswith("?")
    place = timestamp if name == "timestamp" else _place(name.removesuffix("?"))
    read = _reader(name.removesuffix("?"), place)
    if read is None or (name == "timestamp" and place is None):
        reason = "needs the key `timestamp`" if name == "timestamp" else _unknown(name)
        raise ConfigurationInvalid(f"`{{{written}}}` {reason}")
    for each in filters:
        read = _filtered(read, each, written)
    if optional:
        read = _or_empty(read)
    return Variable(name.removesuffix("?"), place, read, tuple(filters))


def _unknown(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (only a mistake needs it)

    known = ("timestamp", *_PLAIN)
    meant = get_close_matches(name.lower(), known, n=1)
    if meant:
        return f"is not a placeholder; did you mean `{{{meant[0]}}}`?"
    names = ", ".join(f"{{{each}}}" for each in known)
    return f"is not a placeholder; there are: {names}, a place such as {{header:NAME}}, {{setting:NAME}}"


def _place(name: str) -> Place | None:
    return read_place(name, items=True) if name.partition(":")[0] in (*KINDS, ITEM) and ":" in name else None


def _reader(name: str, place: Place | None) -> Read | None:
    if place:
        at = reader(place)
        return lambda values: _encoded(at(values))
    return _PLAIN[name] if name in _PLAIN else _with_argument(*name.partition(":")[::2])


def _with_argument(kind: str, argument: str) -> Read | None:
    if kind == "setting" and argument:
        return lambda values: _encoded(values.settings.get(argument) or None)
    if kind == "form-pairs-sorted":
        without = [field.removeprefix("-") for field in argument.split(",") if field]
        return lambda values: encoded(sorted_pairs(values.fields, without))
    if kind in ("signed-headers", "http-signature-lines"):
        # Imported here: only two providers sign what the request itself lists.
        from push_relay.core.trust.schemes.listed_text import http_lines, signed_headers  # noqa: PLC0415

        if kind == "http-signature-lines":
            return http_lines
        return lambda values: signed_headers(values, argument.lower())
    return None


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else encoded(text)


def _or_empty(read: Read) -> Read:
    return lambda values: read(values) or b""


def _filtered(read: Read, name: str, written: str) -> Read:
    if name in _REQUEST_FILTERS:
        # Imported here: each is the rule of one provider.
        from push_relay.core.trust.schemes import canonical_address  # noqa: PLC0415

        if written == "url|plivo":
            return canonical_address.plivo
        if written in ("path|contentful", "path-and-query|contentful"):
            return canonical_address.contentful
        if written in ("path|atlassian", "query|atlassian"):
            of_path = written.startswith("path")
            return canonical_address.atlassian_path if of_path else canonical_address.atlassian_query
        raise ConfigurationInvalid(f"the filter `{name}` cannot be used in `{{{written}}}`")
    if name not in FILTERS:
        raise ConfigurationInvalid(
            f"`{name}` in `{{{written}}}` is not a filter; there are: {', '.join(FILTERS)}"
        )
    change = FILTERS[name]

    def changed(values: Values) -> bytes | None:
        value = read(values)
        return None if value is None else change(value)

    return changed


def local_part(url: str) -> tuple[str, str | None]:
    """Return a URL's path and its query string, which is None without a question mark."""
    found = re.fullmatch(_LOCAL, url)
    require(found is not None)
    return (found[1] or "/", found[2]) if found else ("", None)


def path_and_query(url: str) -> str:
    """Return a URL's path, with its query string."""
    path, query = local_part(url)
    return path if query is None else f"{path}?{query}"


_PLAIN: dict[str, Read] = {
    "body": lambda values: values.request.body,
    "method": lambda values: encoded(values.request.method),
    "url": lambda values: encoded(values.request.url),
    "path": lambda values: encoded(local_part(values.request.url)[0]),
    "query": lambda values: encoded(local_part(values.request.url)[1] or ""),
    "path-and-query": lambda values: encoded(path_and_query(values.request.url)),
    "form-sorted": lambda values: encoded(sorted_text(values.fields)),
}

#: The escapes that HubSpot's page lists. It asks to decode these and no others.
_DECODED = rb"(?i)%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)"


def _decoded(value: bytes) -> bytes:
    return re.sub(_DECODED, lambda found: bytes.fromhex(found[1].decode()), value)


FILTERS: dict[str, Filter] = {
    "lower": bytes.lower,
    "sha256-hex": lambda value: hashlib.sha256(value).hexdigest().encode(),
    "sha256-base64": lambda value: base64.b64encode(hashlib.sha256(value).digest()),
    "crc32": lambda value: str(zlib.crc32(value)).encode(),
    "decoded": _decoded,
}
_REQUEST_FILTERS = ("contentful", "plivo", "atlassian")
