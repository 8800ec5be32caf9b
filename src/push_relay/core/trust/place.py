"""The places in a request where a description finds a value: `header:NAME`, `query:NAME`, `form:FIELD`...

`deliver` needs them too, because no event keeps what carries a proof. So this module reads no request.
"""

import re
from typing import NamedTuple

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.kinds import Text

#: The kinds of places in a request.
KINDS = ("header", "query", "form", "json")
#: A part of a signature that is a list: the item of this key.
ITEM = "item"
#: How the headers' names of a preset may begin, if the source can choose it (`header_prefix`).
WILDCARD = "*"
#: The headers of a numbered family, such as `X-Sig-{2-100}`, are at most so many.
MAX_FAMILY = 100

_HEADER = re.compile(r"[A-Za-z0-9_-]{1,100}")
# `re` compiles it, and keeps it, when a source first needs it: few do.
_FAMILY = r"(.*)\{([1-9][0-9]{0,2})-([1-9][0-9]{0,2})\}"
_POINTER = r"(?:/(?:[^~/]|~[01])*)+"


class Place(NamedTuple):
    """A place: its kind, and the name, field or pointer there. A header's name is lower-case."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Write it as a description does."""
        return f"{self.kind}:{self.name}"

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of a JSON pointer (RFC 6901)."""
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in self.name.split("/")[1:])


def read_place(text: str, *, items: bool = False) -> Place:
    """Read a place. `items`: it may also be an item of a list. Raises ConfigurationInvalid."""
    kind, colon, name = text.partition(":")
    kinds = (*KINDS, ITEM) if items else KINDS
    if not colon or kind not in kinds:
        raise ConfigurationInvalid(
            f"`{text}` is not a place, such as {', '.join(f'`{kind}:...`' for kind in kinds)}"
        )
    if kind == "header" and not _HEADER.fullmatch(name.removeprefix(f"{WILDCARD}-")):
        raise ConfigurationInvalid(f"`{name}` is not a header's name")
    if kind == "json" and not re.fullmatch(_POINTER, name):
        raise ConfigurationInvalid(f"`{name}` is not a JSON pointer, such as `/data/id`")
    if kind in ("query", "form") and not name:
        raise ConfigurationInvalid(f"`{text}` has no name after its colon")
    return Place(kind, name.lower() if kind == "header" else name)


def read_places(text: str) -> tuple[Place, ...]:
    """Read a place, or a numbered family of headers: `header:X-Sig-{2-100}`. Raises ConfigurationInvalid."""
    family = re.fullmatch(_FAMILY, text)
    if family is None:
        return (read_place(text),)
    first, last = int(family[2]), int(family[3])
    if not text.startswith("header:") or not 0 < last - first < MAX_FAMILY:
        raise ConfigurationInvalid(
            f"`{text}` is not a numbered family of at most {MAX_FAMILY} headers, such as "
            "`header:X-Sig-{2-9}`"
        )
    return tuple(read_place(f"{family[1]}{number}") for number in range(first, last + 1))


class PlaceKind(Text):
    """The place of one value."""

    def __init__(self, *, items: bool = False) -> None:
        super().__init__("place")
        self.items = items

    def read(self, value: object) -> str:
        """Return the place's text, in which a header's name is lower-case."""
        return str(read_place(super().read(value), items=self.items))


class PointerKind(Text):
    """A JSON pointer (RFC 6901). `example` completes the error of another text."""

    def __init__(self, example: str = "/items/*") -> None:
        super().__init__("JSON pointer", _POINTER, f"is not a JSON pointer, such as `{example}`")


class FamilyKind(Text):
    """A place, or a numbered family of headers."""

    def __init__(self) -> None:
        super().__init__("place, or a numbered family of headers")

    def read(self, value: object) -> str:
        """Return the text."""
        text = super().read(value)
        read_places(text)
        return text
