"""Read docs/vocabulary.toml: the banned terms, and the files that may keep one."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+")


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """A banned word, phrase, sentence opening or name, and what to write instead of it."""

    find: str
    write: str
    why: str = ""
    is_fine: bool = False  # a longer phrase in which the banned one is good English

    @property
    def advice(self) -> str:
        """The line that is printed: the banned words, and what to write."""
        return f'"{self.find}": write "{self.write}"' + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class Allowance:
    """One file that may keep a banned word, with the reason."""

    path: str
    find: str
    why: str


class Phrases:
    """Words and phrases, found in prose across line breaks. The first letter may be a capital."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = tuple(terms)
        self._by_first_word: dict[str, list[tuple[re.Pattern[str], Term]]] = defaultdict(list)
        # The longest phrase comes first, so that a longer phrase that is fine wins over the banned one in it.
        for term in sorted(self.terms, key=lambda term: -len(term.find)):
            first = _WORD.match(term.find)
            if first is None:
                raise ValueError(f"docs/vocabulary.toml: {term.find!r} does not begin with a letter")
            self._by_first_word[first[0].lower()].append((_pattern(term.find), term))

    def search(self, prose: str) -> Iterator[tuple[int, Term]]:
        """Yield the offset and term of each banned phrase."""
        end = 0
        for word in _WORD.finditer(prose):
            if word.start() < end:
                continue
            for pattern, term in self._by_first_word.get(word[0].lower(), ()):
                if found := pattern.match(prose, word.start()):
                    end = found.end()
                    if not term.is_fine:
                        yield word.start(), term
                    break


class Names:
    """Names, found in identifiers: `let_go` also in `_will_let_go` and in `LetGo`."""

    def __init__(self, parts: Iterable[Term], exact: Iterable[Term], fine: Iterable[str]) -> None:
        self._by_first_part: dict[str, list[tuple[list[str], Term]]] = defaultdict(list)
        for term in parts:
            banned = parts_of(term.find)
            self._by_first_part[banned[0]].append((banned, term))
        self._exact = {term.find: term for term in exact}
        self._fine = frozenset(fine)

    def search(self, identifier: str) -> Term | None:
        """Return the term that bans an identifier."""
        name = identifier.strip("_")
        if name in self._fine:
            return None
        if name in self._exact:
            return self._exact[name]
        parts = parts_of(name)
        for index, part in enumerate(parts):
            for banned, term in self._by_first_part.get(part, ()):
                if parts[index : index + len(banned)] == banned:
                    return term
        return None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that docs/vocabulary.toml holds."""

    phrases: Phrases
    openings: Phrases
    names: Names
    allowances: tuple[Allowance, ...]


def parts_of(identifier: str) -> list[str]:
    """Split an identifier at its underscores and capitals, in small letters."""
    return [part.lower() for part in _NAME_PART.findall(identifier)]


def read(path: Path) -> Vocabulary:
    """Read the list."""
    tables = tomllib.loads(path.read_text("utf-8"))
    prose, openings, names = (tables[kind] for kind in ("prose", "opening", "name"))
    return Vocabulary(
        phrases=Phrases(_terms(prose)),
        openings=Phrases(_terms(openings)),
        names=Names(
            parts=_terms(table for table in names if not table.get("exact")),
            exact=_terms(table for table in names if table.get("exact")),
            fine=(name for table in names for name in table.get("unless", ())),
        ),
        allowances=tuple(Allowance(**table) for table in tables.get("allow", ())),
    )


def _terms(tables: Iterable[Mapping[str, Any]]) -> Iterator[Term]:
    for table in tables:
        for find in table["find"]:
            yield Term(find, table["write"], table.get("why", ""))
        for find in table.get("unless", ()):
            yield Term(find, table["write"], is_fine=True)


def _pattern(phrase: str) -> re.Pattern[str]:
    """Compile a phrase, with any white space between its words; its first letter may be a capital."""
    words = (r"[\w'-]+" if word == "*" else re.escape(word) for word in phrase.split())
    pattern = r"\s+".join(words) + r"(?![\w(])"
    return re.compile(f"(?i:{pattern[0]}){pattern[1:]}")


#: A word of prose: part of neither an identifier nor a path.
_WORD = re.compile(r"(?<![\w./])[a-z]+", re.IGNORECASE)
