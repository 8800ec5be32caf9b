"""The stand-ins of secret and personal values: the same value always has the same one."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from relayctl.drafting.secrecy import Kind
from relayctl.drafting.texts import is_hex, is_uuid
from relayctl.drafting.word_lists import words as listed

_FIRST: Final = listed("stand_in", "first_name")
_LAST: Final = listed("stand_in", "last_name")
#: A word, in which both apostrophes are.
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
#: Characters from which a value is looked for inside other texts too; of a secret also inside words.
_FOUND_CHARS, _NAME_CHARS, _INSIDE_CHARS = 4, 3, 8
#: Kinds whose values are looked for in other texts.
_LOOKED_FOR: Final = frozenset(
    {
        Kind.SECRET,
        Kind.USER,
        Kind.EMAIL,
        Kind.HOST,
        Kind.ORGANISATION,
        Kind.ADDRESS,
        Kind.PHONE,
        Kind.ID,
        Kind.NUMBER,
    }
)
_IPV4_LAST: Final = 254


class StandIns:
    """Chooses stand-ins. `counts` has the number of different values of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._chosen: dict[tuple[Kind, str], str] = {}
        self._words: dict[str, str] = {}
        self._taken: Counter[bool] = Counter()
        self._known: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def of(self, kind: Kind, value: str) -> str:
        """Return the stand-in of a value."""
        key = (kind, value.strip().casefold())
        if key not in self._chosen:
            self.counts[kind] += 1
            self._chosen[key] = _written(kind, value.strip(), self.counts[kind])
            if kind in _LOOKED_FOR and len(key[1]) >= _FOUND_CHARS:
                self._know(key[1], self._chosen[key])
        return self._chosen[key]

    def person(self, name: str) -> str:
        """Return a name of which each word is replaced, so that parts of it are found in other texts."""
        if name.strip() and (Kind.PERSON, name.strip().casefold()) not in self._chosen:
            self._chosen[Kind.PERSON, name.strip().casefold()] = ""
            self.counts[Kind.PERSON] += 1
        words = iter(range(len(name)))
        return _WORD.sub(lambda word: self._word(word[0], first=next(words) == 0), name)

    def _word(self, word: str, *, first: bool) -> str:
        key = word.casefold()
        if key not in self._words:
            names, taken = _FIRST if first else _LAST, self._taken[first]
            self._words[key] = names[taken] if taken < len(names) else f"{names[0]}{taken}"
            self._taken[first] += 1
            if len(word) >= _NAME_CHARS:
                self._know(key, self._words[key])
        return self._words[key]

    def _know(self, value: str, stand_in: str) -> None:
        self._known[value] = stand_in
        self._pattern = None

    def known(self) -> re.Pattern[str]:
        """Return the pattern that finds the values replaced so far, the longest first."""
        if self._pattern is None:
            longest = sorted(self._known, key=len, reverse=True)
            inside = [
                re.escape(value) for value in longest if len(value) >= _INSIDE_CHARS and _is_no_word(value)
            ]
            everywhere = [re.escape(value) for value in longest]
            parts = [f"(?<![^\\W_])(?:{'|'.join(everywhere)})(?![^\\W_])"] if everywhere else []
            self._pattern = re.compile("|".join([*inside, *parts]) or r"(?!)", re.IGNORECASE)
        return self._pattern

    def of_known(self, value: str) -> str:
        """Return the stand-in of a value that the pattern has found."""
        return self._known.get(value.casefold(), "secret")


def _is_no_word(value: str) -> bool:
    return not value.isalpha()


def _written(kind: Kind, value: str, number: int) -> str:
    write = _WRITERS.get(kind)
    return write(value, number) if write else f"{kind.value}-{number}"


def _ip(value: str, number: int) -> str:
    if ":" in value:
        return f"2001:db8::{number:x}"
    network = ("192.0.2", "198.51.100", "203.0.113")[number // _IPV4_LAST % 3]
    return f"{network}.{number % _IPV4_LAST + 1}"


def _id(value: str, number: int) -> str:
    """Return an id of the same form, so that a rule about the form still works."""
    if is_uuid(value):
        return f"00000000-0000-4000-8000-{number:012x}"
    if is_hex(value):
        return f"{number:0{len(value)}x}"
    return f"id-{number}"


_WRITERS: Final[Mapping[Kind, Callable[[str, int], str]]] = {
    Kind.EMAIL: lambda _, number: f"person-{number}@example.com",
    Kind.USER: lambda _, number: f"user-{number}",
    Kind.PHONE: lambda _, number: f"+1 555 01{number:02}",
    Kind.ORGANISATION: lambda _, number: f"Bakery {number}",
    Kind.ADDRESS: lambda _, number: f"{number} Oven Street",
    Kind.HOST: lambda value, number: f"host-{number}.example.com" if "." in value else f"host-{number}",
    Kind.URL: lambda _, number: f"page-{number}",
    Kind.IP: _ip,
    Kind.MAC: lambda _, number: f"00:00:5e:00:53:{number % 256:02x}",
    Kind.NUMBER: lambda _, number: str(1000 + number),
    Kind.ID: _id,
}
