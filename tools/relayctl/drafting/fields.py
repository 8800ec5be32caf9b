"""The fields of documents: each with its place, its values, and the documents that have it."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from push_relay.core.strict_json import JsonObject
from relayctl.drafting import texts
from relayctl.drafting.names import as_label, words_of
from relayctl.drafting.questions import question_and_answer
from relayctl.drafting.secrecy import Kind, has_personal_fields, is_person, kind_of, kind_of_label

#: The step into the first item of a list.
FIRST_ITEM: Final = "[0]"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names that an expression cannot well contain, such as an empty one, and the name of XML's root.
_UNUSABLE: Final = re.compile(r"^$|^#root$|[\x00-\x1f\x7f\"\\]")
_MOST_LEVELS, _MOST_FIELDS = 6, 800
#: Values that are stand-ins of secrets and ids, or nothing that a person reads.
_UNREADABLE: Final = re.compile(r"(?:id|secret)-\d+|0{6}[0-9a-f]+")
_WORD: Final = re.compile(r"[A-Za-z][\w .:/-]{0,58}")

type Steps = tuple[str, ...]


def label_of(name: str) -> str:
    """Return a name as a label. One that was written for people stays as it is."""
    is_written_for_people = " " in name.strip() or ("-" in name and name[:1].isupper())
    return name.strip().rstrip("?:. ") if is_written_for_people else as_label(words_of(name))


class Field(NamedTuple):
    """A place that holds texts, numbers or booleans in some documents.

    values          by the number of the document
    with_a_person   whether it is beside a person's data, such as an email address
    """

    steps: Steps
    values: dict[int, Any]
    with_a_person: bool = False

    @property
    def path(self) -> str:
        """The expression that reads it."""
        return path_of(self.steps)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name."""
        return words_of(self.steps[-1])

    @property
    def label(self) -> str:
        """Its name before its value on a phone."""
        return label_of(self.steps[-1])

    @property
    def parent(self) -> tuple[str, ...]:
        """The words of the object's name that has it; empty at the top."""
        named = [step for step in self.steps[:-1] if step != FIRST_ITEM]
        return words_of(named[-1]) if named else ()

    @property
    def depth(self) -> int:
        """The number of objects and lists around it."""
        return len(self.steps) - 1

    @property
    def texts(self) -> list[str]:
        """Its texts that are not blank."""
        return [value.strip() for value in self.values.values() if isinstance(value, str) and value.strip()]

    @property
    def is_scalar(self) -> bool:
        """Whether it has a text or a number."""
        return any(_is_scalar(value) for value in self.values.values())

    @property
    def is_words(self) -> bool:
        """Whether its values are words out of few, such as a state or the name of an event."""
        return bool(self.texts) and all(_WORD.fullmatch(text) and not _is_opaque(text) for text in self.texts)

    @property
    def is_readable(self) -> bool:
        """Whether a person can read its values: no ids, addresses, moments or secrets."""
        if any(kind_of(words_of(step)) is Kind.SECRET for step in self.steps):
            return False
        numbers = [value for value in self.values.values() if isinstance(value, int | float)]
        return self.is_scalar and (bool(numbers) or any(not _is_opaque(text) for text in self.texts))

    @property
    def is_personal(self) -> bool:
        """Whether it is about a person."""
        asked = kind_of_label(self.words) if " " in self.steps[-1].strip() else None
        kinds = {Kind.PERSON, Kind.USER, Kind.EMAIL, Kind.PHONE}
        return (
            self.with_a_person
            or bool(kinds & {asked, kind_of(self.words)})
            or any(is_person(words_of(step)) for step in self.steps[:-1])
        )


class ListField(NamedTuple):
    """A place that holds a list in some documents. `items` has those of all of them."""

    steps: Steps
    items: list[Any]
    documents: frozenset[int]

    @property
    def path(self) -> str:
        """The expression that reads it."""
        return path_of(self.steps)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name."""
        return words_of(self.steps[-1])


def path_of(steps: Steps) -> str:
    """Return the expression that reads a place of `data`."""
    parts = [
        step if step == FIRST_ITEM else f".{step if _NAME.fullmatch(step) else json.dumps(step)}"
        for step in steps
    ]
    return f"data{''.join(parts)}"


def fields_of(documents: Sequence[JsonObject]) -> list[Field]:
    """Return the fields of documents, in their order. Of a list only the first item is read."""
    found: dict[Steps, dict[int, Any]] = {}
    personal = set()
    for number, document in enumerate(documents):
        for steps, value in _leaves(document, ()):
            found.setdefault(steps, {})[number] = value
            # Those at the top may be a form's.
            if len(steps) > 1 and has_personal_fields([steps[-1]]):
                personal.add(steps[:-1])
    fields = (Field(steps, values, steps[:-1] in personal) for steps, values in found.items())
    return [field for field in fields if field.is_scalar][:_MOST_FIELDS]


def lists_of(documents: Sequence[JsonObject]) -> list[ListField]:
    """Return the lists with items, without those inside lists."""
    items: dict[Steps, list[Any]] = {}
    having: dict[Steps, set[int]] = {}
    for number, document in enumerate(documents):
        for steps, value in _lists(document, ()):
            items.setdefault(steps, []).extend(value)
            having.setdefault(steps, set()).add(number)
    return [ListField(steps, values, frozenset(having[steps])) for steps, values in items.items()]


def _leaves(value: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    if len(steps) > _MOST_LEVELS:
        return
    if isinstance(value, dict):
        if question_and_answer(value) and steps[-1:] == (FIRST_ITEM,):
            return
        for name, inner in value.items():
            if not _UNUSABLE.search(name):
                yield from _leaves(inner, (*steps, name))
    elif isinstance(value, list):
        if value and isinstance(value[0], dict):
            yield from _leaves(value[0], (*steps, FIRST_ITEM))
    elif steps:
        yield steps, value


def _lists(value: Any, steps: Steps) -> Iterator[tuple[Steps, list[Any]]]:
    if isinstance(value, dict) and len(steps) < _MOST_LEVELS:
        for name, inner in value.items():
            if not _UNUSABLE.search(name):
                yield from _lists(inner, (*steps, name))
    elif isinstance(value, list) and value and steps:
        yield steps, value


def _is_scalar(value: Any) -> bool:
    return (isinstance(value, str) and bool(value.strip())) or (
        isinstance(value, int | float) and not isinstance(value, bool)
    )


def _is_opaque(text: str) -> bool:
    return bool(
        _UNREADABLE.fullmatch(text)
        or texts.URL.fullmatch(text)
        or texts.MOMENT.fullmatch(text)
        or texts.is_uuid(text)
        or texts.is_hex(text)
        or text[:1] in {"{", "["}
    )
