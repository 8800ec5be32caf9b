"""Replace the secret and personal values of captured documents by stand-ins.

A document is replaced twice: the first reading learns the values that fields name, and the second finds them
in the other texts too, such as a person's name in a comment. Free texts are kept otherwise.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from relayctl.drafting import texts
from relayctl.drafting.names import words_of
from relayctl.drafting.questions import question_and_answer
from relayctl.drafting.secrecy import (
    SECRET_CONTAINERS,
    Kind,
    has_personal_fields,
    is_person,
    kind_of,
    kind_of_label,
)
from relayctl.drafting.stand_in_values import StandIns
from relayctl.drafting.word_lists import words as listed

#: A character of private use for each stand-in of a text, so that no pattern finds a stand-in again.
_FIRST_MARK: Final = 0xF000
_MARKS: Final = re.compile("[\uf000-\uf8ff]")
_WORD_CHARS: Final = 60
#: Digits from which a number is replaced: of an id, and of a number that is neither a moment nor a quantity.
_ID_DIGITS, _LONG_DIGITS = 5, 9
_ID_NAMES: Final = frozenset(listed("numbers", "id"))
_QUANTITIES: Final = frozenset(listed("numbers", "quantity"))
_MOMENTS: Final = frozenset(listed("numbers", "moment"))
_EARLIEST_SECS, _LATEST_SECS = 1e9, 4e9
#: The factors from seconds to milliseconds, microseconds and nanoseconds.
_PARTS_OF_SECS: Final = (1, 1e3, 1e6, 1e9)


class Replacement:
    """Replaces values in all documents of a run, so that a value has one stand-in in all of them."""

    def __init__(self) -> None:
        self.stand_ins = StandIns()

    def learn(self, tree: Any) -> None:
        """Read a document for the values that its fields name."""
        self.tree(tree)

    def tree(
        self, value: Any, words: tuple[str, ...] = (), *, person: bool = False, secret: bool = False
    ) -> Any:
        """Return a JSON value with stand-ins.

        words   of the field's name
        person  whether it belongs to an object about a person
        secret  whether each value in it is secret
        """
        if isinstance(value, dict):
            return self._object(value, words, person=person, secret=secret)
        if isinstance(value, list):
            return [self.tree(each, words, person=person, secret=secret) for each in value]
        kind = Kind.SECRET if secret else kind_of(words, in_person=person)
        return self._leaf(value, words, kind)

    def _object(
        self, value: Mapping[str, Any], words: tuple[str, ...], *, person: bool, secret: bool
    ) -> dict[str, Any]:
        names = {name: words_of(name) for name in value}
        about_person = person or is_person(words) or has_personal_fields(value)
        all_secret = secret or bool(words and words[-1] in SECRET_CONTAINERS)
        made = {}
        asked = question_and_answer(value, perhaps=True)
        kind = kind_of_label(words_of(value[asked[0]])) if asked else None
        for name, inner in value.items():
            if asked and kind and name == asked[1] and isinstance(inner, str | int | float):
                made[self.key(name)] = self._leaf(inner, names[name], kind)
            else:
                of_question = _of_question(name, names[name])
                made[self.key(name)] = self.tree(inner, of_question, person=about_person, secret=all_secret)
        return made

    def key(self, name: str) -> str:
        """Return a member's name, which may hold what looks secret. `@` and `#` are those of XML."""
        begin = name[:1] if name[:1] in {"@", "#"} else ""
        return begin + self.text(name.removeprefix(begin))

    def _leaf(self, value: Any, words: tuple[str, ...], kind: Kind | None) -> Any:
        match value:
            case bool() | None:
                return value
            case int():
                return self._whole_number(value, words, kind)
            case float():
                return 0.0 if kind in {Kind.ADDRESS, Kind.SECRET} else value
            case str() if value.strip():
                return self._named_text(value, kind)
            case _:
                return value

    def _whole_number(self, value: int, words: tuple[str, ...], kind: Kind | None) -> int:
        if kind is Kind.ADDRESS:
            return 0
        is_named = kind in {Kind.SECRET, Kind.PHONE, Kind.PERSON, Kind.USER}
        if is_named or _is_long(value, words):
            return int(self.stand_ins.of(Kind.NUMBER, str(abs(value))))
        return value

    def _named_text(self, value: str, kind: Kind | None) -> str:
        """Return the stand-in of a text whose field's name has a meaning."""
        stripped = value.strip()
        if (inner := _json_in(stripped)) is not None:
            made = self.tree(inner, person=kind is Kind.PERSON, secret=kind is Kind.SECRET)
            return json.dumps(made, ensure_ascii=False)
        match kind:
            case Kind.SECRET | Kind.PHONE | Kind.ADDRESS | Kind.ORGANISATION | Kind.EMAIL:
                is_other = texts.EMAIL.fullmatch(stripped) or texts.URL.fullmatch(stripped)
                return (
                    self.text(value)
                    if is_other and kind is not Kind.SECRET
                    else self.stand_ins.of(kind, value)
                )
            case Kind.PERSON | Kind.USER:
                return self._person(value, kind)
            case Kind.HOST | Kind.IP if "://" not in value and " " not in stripped:
                return ",".join("/".join(map(self._host, part.split("/"))) for part in stripped.split(","))
            case Kind.WORD if len(value) <= _WORD_CHARS and re.fullmatch(r"[\w .:/-]+", value):
                return self.text(value, is_word=True)
            case _:
                return self.text(value)

    def _person(self, value: str, kind: Kind) -> str:
        is_one_word = " " not in value.strip() and "@" not in value and "://" not in value
        if is_one_word and (kind is Kind.USER or any(char.isdigit() or char == "_" for char in value)):
            return self.stand_ins.of(Kind.USER, value)
        return self.text(value, is_name=True)

    def _host(self, value: str) -> str:
        host, colon, port = value.partition(":")
        if texts.is_ip(value) or texts.is_ip(host) or ":" in port or not re.search(r"\w", host):
            return self.text(value)
        return self.stand_ins.of(Kind.HOST, host) + colon + port

    def text(self, text: str, *, is_word: bool = False, is_name: bool = False) -> str:
        """Return a text in which whatever looks secret or personal is replaced.

        is_word  whether it is a word out of few, in which the names of persons are not looked for
        is_name  whether all other words in it are names of persons
        """
        marked = _Marked(_MARKS.sub("", text))
        of = self.stand_ins.of
        marked.replace(texts.PEM, lambda found: of(Kind.SECRET, found[0]))
        marked.replace(texts.URL, lambda found: self._url(found[0]))
        marked.replace(texts.EMAIL, lambda found: of(Kind.EMAIL, found[0]))
        marked.replace(texts.MOMENT, lambda found: found[0])
        if is_name:
            marked.replace(texts.WORDS, lambda found: self.stand_ins.person(found[0]))
        elif not is_word:
            marked.replace(self.stand_ins.known(), lambda found: self.stand_ins.of_known(found[0]))
            marked.replace_last(texts.NAMED_PERSON, self.stand_ins.person)
        marked.replace(texts.MENTION, lambda found: "@" + of(Kind.USER, found[0][1:]))
        marked.replace(texts.MAC, lambda found: of(Kind.MAC, found[0]))
        marked.replace(texts.IP, lambda found: of(Kind.IP, found[0]) if texts.is_ip(found[0]) else None)
        marked.replace(texts.LONG_HOST if is_word else texts.HOST, lambda found: of(Kind.HOST, found[0]))
        marked.replace_last(texts.NAMED, lambda secret: of(Kind.SECRET, secret))
        marked.replace(texts.NUMBER, lambda found: of(Kind.NUMBER, found[0]))
        marked.replace(texts.PHONE, lambda found: of(Kind.PHONE, found[0]))
        marked.replace(
            texts.RUN, lambda found: of(Kind.ID, found[0]) if texts.looks_secret(found[0]) else None
        )
        return marked.written()

    def _url(self, url: str) -> str:
        """Return a URL of a stand-in's host. Its path and its parameters may be secret, and are not kept."""
        parts = urlsplit(url)
        host = self.stand_ins.of(Kind.HOST, (parts.netloc.rpartition("@")[2] or "host") + ".")
        rest = (
            self.stand_ins.of(Kind.URL, url) if parts.path.strip("/") or parts.query or parts.fragment else ""
        )
        return f"{parts.scheme}://{host}{f'/{rest}' if rest else ''}"


class _Marked:
    """A text in which the replaced parts are single characters of private use until it is written."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._stand_ins: list[str] = []

    def replace(self, pattern: re.Pattern[str], stand_in: Callable[[re.Match[str]], str | None]) -> None:
        """Replace what a pattern finds, unless the stand-in is None."""

        def mark(found: re.Match[str]) -> str:
            chosen = stand_in(found)
            return found[0] if chosen is None else self._mark(chosen)

        self._text = pattern.sub(mark, self._text)

    def replace_last(self, pattern: re.Pattern[str], stand_in: Callable[[str], str]) -> None:
        """Replace the last group that took part, and keep the text before it."""

        def mark(found: re.Match[str]) -> str:
            before, secret = [group for group in found.groups() if group is not None]
            return found[0] if _MARKS.search(secret) else before + self._mark(stand_in(secret))

        self._text = pattern.sub(mark, self._text)

    def _mark(self, stand_in: str) -> str:
        self._stand_ins.append(stand_in)
        return chr(_FIRST_MARK + len(self._stand_ins) - 1)

    def written(self) -> str:
        """Return the text with the stand-ins."""
        while _MARKS.search(self._text):
            self._text = _MARKS.sub(lambda mark: self._stand_ins[ord(mark[0]) - _FIRST_MARK], self._text)
        return self._text


def _of_question(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that decide about a field: of a question, those of what it asks for."""
    if " " not in name.strip():
        return words
    asked = kind_of_label(words)
    return (asked.value.split()[0],) if asked else words


def _json_in(text: str) -> Any:
    """Return the object or list that a text holds as JSON, or None."""
    if text[:1] not in {"{", "["}:
        return None
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return inner if isinstance(inner, dict | list) and inner else None


def _is_long(value: int, words: tuple[str, ...]) -> bool:
    """Return whether a number identifies something, and is neither a moment nor a quantity."""
    digits, last = len(str(abs(value))), words[-1] if words else ""
    if last in _ID_NAMES:
        return digits >= _ID_DIGITS
    if digits < _LONG_DIGITS or set(words) & _QUANTITIES:
        return False
    is_moment = any(_EARLIEST_SECS < value / part < _LATEST_SECS for part in _PARTS_OF_SECS)
    return not (is_moment and set(words) & _MOMENTS)
