"""Draft the wording: named values, and a message rule for each kind of event.

Every text falls back to another one, so that a field which is missing leaves no gap.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from push_relay.core.strict_json import JsonObject
from relayctl.drafting.fields import (
    FIRST_ITEM,
    Field,
    ListField,
    Steps,
    fields_of,
    label_of,
    lists_of,
    path_of,
)
from relayctl.drafting.names import as_label, singular, words_of
from relayctl.drafting.questions import question_and_answer
from relayctl.drafting.roles import ChosenList, Roles, choose, choose_lists
from relayctl.drafting.word_lists import words as listed

#: Words of states and types that are good news, and those that are bad news.
_GOOD: Final = frozenset(listed("news", "good"))
_BAD: Final = frozenset(listed("news", "bad"))
_MILD: Final = listed("news", "mild")
_MOST_KINDS: Final = 12
#: Names that mean nothing without the name of their object.
_NEEDS_PARENT: Final = frozenset(listed("show", "needs_parent"))
_LONG_TEXT: Final = 60
#: In an expression the other one ends a text.
APOSTROPHE: Final = "\u2019"
_MOST_ANSWERS: Final = 8


class Rule(NamedTuple):
    """A message rule. `sound` is a constant or a template."""

    when: str
    title: str
    body: str
    sound: bool | str
    comment: str = ""


class Lines(NamedTuple):
    """A value of several lines, each of which is left out if it is blank."""

    lines: tuple[str, ...]

    @property
    def expression(self) -> str:
        """The expression of the value."""
        return self.lines[0] if len(self.lines) == 1 else f"join_text('\n', {', '.join(self.lines)})"


class Draft(NamedTuple):
    """The wording of a source.

    types   the fields that hold the type of an event, and `ids` those that hold its id
    values  the expressions of `[value]`, by name
    read    the places that the wording reads
    each    the list whose items may be events of their own, if there is one
    labels  words for the name of each document's example: its type and state
    """

    types: Sequence[Field]
    ids: Sequence[Field]
    values: dict[str, str | Lines]
    rules: list[Rule]
    read: set[Steps]
    each: ListField | None
    labels: list[tuple[str, ...]]


def draft(product: str, documents: Sequence[JsonObject], types_of_headers: Sequence[str | None]) -> Draft:
    """Draft the wording of documents.

    product           the sender's name
    types_of_headers  the type of each document's event, if a header names it
    """
    fields, lists = fields_of(documents), lists_of(documents)
    by_header = any(types_of_headers)
    roles = choose(fields, range(len(documents)), type_is_known=by_header)
    types = [
        given or next((str(field.values[number]) for field in roles.types if field.values.get(number)), "")
        for number, given in enumerate(types_of_headers)
    ]
    return _Drafter(product, fields, lists, roles, types).draft()


class _Drafter:
    def __init__(
        self,
        product: str,
        fields: Sequence[Field],
        lists: Sequence[ListField],
        roles: Roles,
        types: Sequence[str],
    ) -> None:
        self.product = product.replace("'", APOSTROPHE)
        self.fields, self.lists, self.roles, self.types = fields, lists, roles, types
        self.values: dict[str, str | Lines] = {}
        self.read: set[Steps] = set()
        self.states = [
            next(
                (str(field.values[number]).strip() for field in roles.states if field.values.get(number)), ""
            )
            for number in range(len(types))
        ]

    def draft(self) -> Draft:
        """Return the draft."""
        roles = self.roles
        self._value("state", roles.states)
        self._value("severity", roles.severities)
        self._value("name", roles.names, "first_line({})")
        self._value("text", roles.texts, "truncate(plain_text({}), `300`)")
        kinds = list(dict.fromkeys(filter(None, self.types)))
        several = 1 < len(kinds) <= _MOST_KINDS
        everything = range(len(self.types))
        if several:
            rules = list(self._rules_of(kinds))
        else:
            self._keep("details", self._details(roles, everything))
            rules = list(self._resolved(everything, ""))
        rules.append(self._last("Every other event." if rules else "", several=several))
        each = next((field for field in self.lists if _holds_events(field)), None)
        labels = [
            _label(kind if several else "", state)
            for kind, state in zip(self.types, self.states, strict=True)
        ]
        self.read |= {field.steps for field in (*roles.types, *roles.ids)}
        return Draft(roles.types, roles.ids, self.values, rules, self.read, each, labels)

    # --- values ---------------------------------------------------------------------------------------------

    def _value(self, name: str, fields: Sequence[Field], around: str = "{}") -> None:
        if fields:
            self.read |= {field.steps for field in fields}
            self.values[name] = around.format(f"first_text({', '.join(field.path for field in fields)})")

    def _details(self, roles: Roles, documents: Iterable[int]) -> Lines:
        """Return the lines with the details of some documents."""
        lines = [*self._severity_line(documents), *map(self._line, roles.details)]
        lines += [self._list_line(chosen) for chosen in choose_lists(self.lists, documents)]
        return Lines(tuple(lines))

    def _severity_line(self, documents: Iterable[int]) -> Iterator[str]:
        if any(field.values.get(number) for field in self.roles.severities for number in documents):
            yield f"enclose('{self.roles.severities[0].label}: ', severity, '')"

    def _line(self, field: Field) -> str:
        self.read.add(field.steps)
        words, label = field.words, field.label
        if len(words) == 1 and words[0] in _NEEDS_PARENT and field.parent:
            label = as_label(field.parent if words[0] in {"name", "title"} else (*field.parent, *words))
        value = field.path
        if any(len(text) > _LONG_TEXT or "\n" in text for text in field.texts):
            value = f"truncate(first_line(first_text({value})), `80`)"
        unit = next((each for each in self.fields if _is_unit_of(each, field)), None)
        if unit:
            self.read.add(unit.steps)
            value = f"join_text(' ', {value}, {value} && {unit.path})"
        return f"enclose({_literal(f'{label}: ')}, {value}, '')"

    def _list_line(self, chosen: ChosenList) -> str:
        field, path = chosen.field, chosen.field.path
        places = [(*field.steps, FIRST_ITEM, member) for member in chosen.members] or [
            (*field.steps, FIRST_ITEM)
        ]
        self.read.update(places)
        members = [path_of(place).removeprefix(f"{path}{FIRST_ITEM}.") for place in places]
        if len(chosen.members) > 1:
            return (
                f"{path} && join_text('\n', {path}[:{_MOST_ANSWERS}].join_text(': ', {', '.join(members)}))"
            )
        if isinstance(field.items[0], str):
            return f"enclose({_literal(f'{label_of(field.steps[-1])}: ')}, list_texts({path}, `4`), '')"
        one = (*field.words[:-1], singular(field.words[-1]))
        counted = f"plural({path}, {_literal(' '.join(one))}, {_literal(' '.join(field.words))})"
        if not chosen.members:
            return f"{path} && {counted}"
        return f"{path} && join_text(': ', {counted}, list_texts({path}[].{members[0]}, `3`))"

    # --- rules ----------------------------------------------------------------------------------------------

    def _rules_of(self, kinds: Sequence[str]) -> Iterator[Rule]:
        """Yield the rules of the types of events."""
        by_kind = {kind: [number for number, each in enumerate(self.types) if each == kind] for kind in kinds}
        details = {
            kind: self._details(self._own_roles(numbers), numbers) for kind, numbers in by_kind.items()
        }
        are_alike = len(set(details.values())) == 1
        for kind, numbers in by_kind.items():
            words = words_of(kind)
            own = "_".join(word for word in words if word.isidentifier())
            name = self._keep("details" if are_alike else f"{own}_details".strip("_"), details[kind])
            when = f"type == {_literal(kind)}"
            yield from self._resolved(numbers, f"{when} && ", as_label(words), name)
            yield Rule(when, self._kind_title(words), self._body(name), self._kind_sound(words, numbers))

    def _own_roles(self, documents: Sequence[int]) -> Roles:
        """Return the roles of some documents, without the details that all rules write."""
        roles, all_roles = choose(self.fields, documents, type_is_known=True), self.roles
        shared = {
            field.steps
            for field in (
                *all_roles.names,
                *all_roles.texts,
                *all_roles.states,
                *all_roles.severities,
                *all_roles.types,
            )
        }
        return roles._replace(details=[field for field in roles.details if field.steps not in shared])

    def _keep(self, name: str, lines: Lines) -> str:
        """Name a value of several lines, and return its name; an empty text if there are no lines."""
        if not lines.lines:
            return ""
        self.values[name] = lines
        return name

    def _kind_sound(self, words: Sequence[str], documents: Sequence[int]) -> bool | str:
        if _GOOD & set(words):
            return False
        if _BAD & set(words) or any(_news(self.states[number]) == "bad" for number in documents):
            return True
        has_severity = any(
            field.values.get(number) for field in self.roles.severities for number in documents
        )
        return self._sound_of_severity() if has_severity else False

    def _kind_title(self, words: tuple[str, ...]) -> str:
        label = as_label(words)
        if "name" in self.values:
            return f"{label}[[: {{{{ name }}}}]]"
        return f"{self.product}: {' '.join(words)}"

    def _resolved(
        self, documents: Iterable[int], before: str, otherwise: str = "", details: str = "details"
    ) -> Iterator[Rule]:
        """Yield the rule of the good states, if the documents show good ones and others."""
        states = list(dict.fromkeys(self.states[number] for number in documents if self.states[number]))
        good = [state for state in states if _news(state) == "good"]
        if not good or len(good) == len(states):
            return
        listed = ", ".join(map(_literal, good))
        when = f"state == {listed}" if len(good) == 1 else f"contains([{listed}], state)"
        title = f"{{{{ capitalize(words(state)) }}}}: {{{{ {self._name_or(otherwise or self.product)} }}}}"
        yield Rule(
            f"{before}{when}", title, self._body(details if details in self.values else ""), sound=False
        )

    def _name_or(self, fallback: str) -> str:
        return f"first_text(name, '{fallback}')" if "name" in self.values else f"'{fallback}'"

    def _last(self, comment: str, *, several: bool) -> Rule:
        """Return the rule for all other events."""
        readable = ["state"] if "state" in self.values else []
        readable += ["type"] if any(self.types) else []
        if not readable and "severity" in self.values:
            readable = ["severity"]
        first = (
            readable[0] if len(readable) == 1 else f"first_text({', '.join(readable)})" if readable else ""
        )
        if not first:
            title = f"{{{{ {self._name_or(self.product)} }}}}" if "name" in self.values else self.product
        elif "name" in self.values:
            title = (
                f"{{{{ first_text(join_text(': ', capitalize(words({first})), name), '{self.product}') }}}}"
            )
        else:
            title = f"{{{{ join_text(': ', '{self.product}', words({first})) }}}}"
        return Rule("", title, self._body("details"), self._sound(several=several), comment)

    def _sound(self, *, several: bool) -> bool | str:
        if several:
            return False
        if any(field.texts for field in self.roles.severities):
            return self._sound_of_severity()
        return any(_news(text) == "bad" for text in (*self.states, *self.types)) or not any(self.states)

    @staticmethod
    def _sound_of_severity() -> str:
        listed = ", ".join(map(_literal, _MILD))
        return f"{{{{ !contains([{listed}], lower(severity)) }}}}"

    def _body(self, details: str) -> str:
        parts = [part for part in ("text", details) if part in self.values]
        if not parts:
            return "No details" if "name" not in self.values else "{{ first_text(name, 'No details') }}"
        inner = parts[0] if len(parts) == 1 else f"join_text('\n', {', '.join(parts)})"
        return f"{{{{ first_text({inner}, 'No details') }}}}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _news(text: str) -> str:
    """Return whether a state or a type is `good` or `bad` news, or an empty text."""
    words = set(words_of(text))
    return "bad" if words & _BAD else "good" if words & _GOOD else ""


def _is_unit_of(unit: Field, field: Field) -> bool:
    """Return whether a field is the unit of another one beside it: the currency of an amount."""
    if unit.steps[:-1] != field.steps[:-1] or unit.words not in {("currency",), ("unit",), ("units",)}:
        return False
    has_number = any(
        isinstance(value, int | float) or str(value).replace(".", "").isdigit()
        for value in field.values.values()
    )
    amounts = {"amount", "total", "price", "sum", "cost"}
    return has_number and (unit.words != ("currency",) or bool(amounts & set(field.words)))


def _holds_events(field: ListField) -> bool:
    """Return whether the items of a list are objects with the same members, and so may be events."""
    shapes = [frozenset(item) for item in field.items if isinstance(item, dict)]
    if len(shapes) != len(field.items) or not shapes or question_and_answer(field.items[0]):
        return False
    common = frozenset.intersection(*shapes)
    return len(common) >= len(("id", "state")) and len(common) * 2 >= max(map(len, shapes))


def _label(kind: str, state: str) -> tuple[str, ...]:
    words = words_of(kind)
    return (*words, *(word for word in words_of(state) if word not in words))
