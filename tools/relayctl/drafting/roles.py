"""Choose what the fields of documents are good for: the state, the name, the text, the details."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from relayctl.drafting.fields import FIRST_ITEM, Field, ListField
from relayctl.drafting.names import words_of
from relayctl.drafting.questions import question_and_answer
from relayctl.drafting.secrecy import Kind, kind_of
from relayctl.drafting.word_lists import words as listed

#: Names in the order of their use for a role, the best first.
_TYPES: Final = listed("role", "type")
_STATES: Final = listed("role", "state")
_SEVERITIES: Final = listed("role", "severity")
_NAMES: Final = listed("role", "name")
#: Members that name the items of a list.
_OF_ITEMS: Final = (*_NAMES, *listed("role", "item"))
_TEXTS: Final = listed("role", "text")
_IDS: Final = listed("role", "id")
_DETAILS: Final = listed("role", "detail")
#: Words of names whose values a push does not show: moments, ids, addresses, and notes for programs.
_NOT_SHOWN: Final = frozenset(listed("show", "never"))
_SUBJECTS: Final = frozenset(listed("show", "subject"))
_PLACES: Final = frozenset(listed("show", "place"))
_LONGEST_NAME: Final = 120
#: Levels above a type and a state: those that are deeper are about a part of the event.
_DEEPEST_WORD: Final = 2
#: Costs: a level, the first item of a list, a name of which only the last word is listed, an unlisted name.
_LEVEL, _IN_LIST, _LAST_WORD, _UNLISTED = 4, 12, 30, 60


class Roles(NamedTuple):
    """The fields of each role, the best first. The last two are one or none."""

    types: Sequence[Field]
    states: Sequence[Field]
    severities: Sequence[Field]
    names: Sequence[Field]
    texts: Sequence[Field]
    details: Sequence[Field]
    ids: Sequence[Field]


def choose(fields: Sequence[Field], documents: Iterable[int], *, type_is_known: bool) -> Roles:
    """Choose the fields of some documents.

    type_is_known  whether a header names the type
    """
    numbers = sorted(documents)
    pool = [field for field in fields if field.values.keys() & set(numbers)]
    words = [
        field for field in pool if field.is_words and field.depth <= _DEEPEST_WORD and not field.is_personal
    ]
    types = [] if type_is_known else _best(words, numbers, _rank(_TYPES), 1)
    states = _best(_without(words, types), numbers, _rank(_STATES), 1)
    severities = _best(_without(pool, types, states), numbers, _rank(_SEVERITIES, exact=True), 1)
    readable = [
        field for field in _without(pool, types, states, severities) if field.is_readable and field.texts
    ]
    names = _best([field for field in readable if _may_be_name(field)], numbers, _name_cost, 2)
    spoken = _best(_without(readable, names), numbers, _rank(_TEXTS), 2)
    rest = [field for field in _without(pool, types, states, severities, names, spoken) if field.is_readable]
    details = _best([field for field in rest if _may_be_detail(field)], numbers, _detail_cost, 4)
    ids = _best([field for field in pool if not field.is_personal], numbers, _rank(_IDS, exact=True), 1)
    return Roles(types, states, severities, names, spoken, details, ids)


def _without(fields: Sequence[Field], *taken: Sequence[Field]) -> list[Field]:
    used = {field.steps for chosen in taken for field in chosen}
    return [field for field in fields if field.steps not in used]


def _best(
    fields: Sequence[Field], documents: Sequence[int], cost: Callable[[Field], float | None], most: int
) -> list[Field]:
    """Return the best fields of each document, at most so many of each, in the order of their costs."""
    costs: Mapping[int, float | None] = {number: cost(field) for number, field in enumerate(fields)}
    usable = sorted(((found, number) for number, found in costs.items() if found is not None))
    chosen = set()
    for document in documents:
        having = [number for _, number in usable if _has(fields[number], document)]
        chosen |= set(having[:most])
    return [fields[number] for _, number in usable if number in chosen]


def _has(field: Field, document: int) -> bool:
    value = field.values.get(document)
    return value is not None and not isinstance(value, bool) and str(value).strip() != ""


def _place_cost(field: Field) -> int:
    return _LEVEL * field.depth + _IN_LIST * field.steps.count(FIRST_ITEM)


def _rank(names: Sequence[str], *, exact: bool = False) -> Callable[[Field], float | None]:
    """Return the cost of a field by its name; None for a field that is not listed."""

    def cost(field: Field) -> float | None:
        words = field.words
        joined = "_".join(words)
        # `alert.status` is as good as `alert_status`.
        with_parent = "_".join((*field.parent, *words))
        if with_parent in names or joined in names:
            return min(names.index(name) for name in (with_parent, joined) if name in names) + _place_cost(
                field
            )
        if words and not exact and words[-1] in names:
            return _LAST_WORD + names.index(words[-1]) + _place_cost(field)
        return None

    return cost


def _may_be_name(field: Field) -> bool:
    return not field.is_personal and all(
        len(text) <= _LONGEST_NAME and "\n" not in text for text in field.texts
    )


def _name_cost(field: Field) -> float | None:
    cost = _rank(_NAMES)(field)
    if cost is None:
        return None
    parent = set(field.parent)
    return cost - (8 if parent & _SUBJECTS else 0) + (25 if parent & _PLACES else 0)


def _may_be_detail(field: Field) -> bool:
    words = field.words
    return (
        bool(words)
        and (not _NOT_SHOWN & {words[-1], words[0]} or "due" in words)
        and field.steps.count(FIRST_ITEM) == 0
    )


def _detail_cost(field: Field) -> float:
    listed = _rank(_DETAILS)(field)
    return _UNLISTED + _place_cost(field) if listed is None else listed


class ChosenList(NamedTuple):
    """A list that a push mentions.

    members  the members by which it names the items: none if the items are texts or have no name, two if they
             are questions with their answers
    """

    field: ListField
    members: Sequence[str]


def choose_lists(lists: Sequence[ListField], documents: Iterable[int], most: int = 2) -> list[ChosenList]:
    """Choose the lists that a push counts and names: those near the top whose items have a name."""
    numbers = set(documents)
    chosen = []
    for each in sorted(lists, key=lambda field: len(field.steps)):
        if not each.documents & numbers or kind_of(each.words) is Kind.SECRET:
            continue
        if all(isinstance(item, str) for item in each.items):
            chosen.append(ChosenList(each, ()))
        elif all(isinstance(item, dict) for item in each.items):
            chosen.append(ChosenList(each, question_and_answer(each.items[0]) or _naming_member(each.items)))
    named = [each for each in chosen if each.members or isinstance(each.field.items[0], str)]
    return named[:most] or chosen[:1]


def _naming_member(items: Sequence[Mapping[str, object]]) -> Sequence[str]:
    """Return the member that names the items of a list best: one that tells them apart, if there is one."""
    values: dict[str, set[str]] = {}
    for item in items:
        for name, value in item.items():
            if isinstance(value, str) and value.strip() and "_".join(words_of(name)) in _OF_ITEMS:
                values.setdefault(name, set()).add(value)
    ranked = sorted(
        values, key=lambda name: (len(values[name]) == 1, _OF_ITEMS.index("_".join(words_of(name))))
    )
    return ranked[:1]
