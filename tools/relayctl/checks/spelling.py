"""Find the word that was meant by another."""

from collections.abc import Collection
from difflib import get_close_matches
from functools import cache
from typing import Final

#: Words shorter than this are not compared: `id` and `ip` are different words.
_SHORTEST: Final = 4
#: How alike a word has to be, from 0 to 1, to be the one that was meant.
_ALIKE: Final = 0.7


def meant_by(given: str, known: Collection[str]) -> str | None:
    """Return the most similar word, or None. For a word that is certainly wrong."""
    folded = {_fold(word): word for word in known}
    if _fold(given) in folded:
        return folded[_fold(given)]
    return next(iter(get_close_matches(given, known, n=1, cutoff=_ALIKE)), None)


@cache
def similar(given: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return the names of which the given one may be a misspelling.

    Stricter than `meant_by`, for a name that may be right: `reopened` is not a misspelling of `opened`.
    """
    return tuple(word for word in sorted(known) if word != given and _is_misspelling(given, word))


def similar_values(given: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return the values of which the given one may be a misspelling.

    A sender has several styles of values as often as not: `buildStarted` may be as right as `BUILD_STARTED`.
    """
    return tuple(
        word for word in similar(given, known) if _fold(word) != _fold(given) or word.lower() == given.lower()
    )


def is_plural(one: str, other: str) -> bool:
    """Return whether one of two words is the other with an `s` at its end."""
    return one == other + "s" or other == one + "s"


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def _is_misspelling(given: str, word: str) -> bool:
    """Return whether words differ by one letter, by two that are swapped, or by capitals and hyphens."""
    lengths = len(given), len(word)
    # People rarely mistake the first letter: `locked` is not a misspelling of `blocked`.
    if abs(lengths[0] - lengths[1]) > 1 or min(lengths) < _SHORTEST or given[0] != word[0]:
        return _fold(given) == _fold(word)
    if lengths[0] != lengths[1]:
        shorter, longer = sorted((given, word), key=len)
        is_one_more = any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
        return is_one_more or _fold(given) == _fold(word)
    match [(one, other) for one, other in zip(given, word, strict=True) if one != other]:
        case [(one, other)]:
            return not (one.isdigit() and other.isdigit())
        case [(one, other), (third, fourth)] if (one, other) == (fourth, third):
            return True
        case _:
            return _fold(given) == _fold(word)
