"""Find fields that expressions read and no example of the source has.

These are warnings, because examples show a part of what a sender can send.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from push_relay.core.rules.findings import WARNING
from relayctl.checks.declared import Declared
from relayctl.checks.examples import Examples
from relayctl.checks.functions import FOREIGN
from relayctl.checks.functions import names as function_names
from relayctl.checks.interpreter import Note, Read
from relayctl.checks.problems import UNKNOWN_FIELD, Problem
from relayctl.checks.spelling import is_plural, meant_by, similar
from relayctl.checks.values import (
    ARRAY,
    NULL,
    OBJECT,
    STRING,
    Path,
    Step,
    Types,
    described,
    identifier,
    shown_path,
)

#: Names of the event that cannot be read where the current value is an item.
_EVENT_NAMES: Final = frozenset({"data", "headers", "query", "type", "id", "source"})
_LENGTHS: Final = frozenset({"length", "size", "count", "len"})


class FieldCheck(NamedTuple):
    """Compares what one expression reads with examples and a schema.

    values  the names of the source's named values
    """

    text: str
    examples: Examples
    declared: Declared
    values: tuple[str, ...] = ()

    def problems(self, notes: Sequence[Note]) -> Iterator[Problem]:
        """Yield the problems of the expression, once each."""
        reads = [note for note in notes if isinstance(note, Read)]
        together = {read.path for read in reads}
        seen: set[Path] = set()
        for read in reads:
            if read.path not in seen and read.path[0] == "data":
                seen.add(read.path)
                yield from self._field(read, together)

    def _field(self, read: Read, together: set[Path]) -> Iterator[Problem]:
        if self.examples.has(read.path):
            return
        parent, step = read.path[:-1], read.path[-1]
        types = self.examples.types(parent) - {NULL}
        # If the parent is missing too, it is the one to report.
        if not types:
            return
        wanted = OBJECT if isinstance(step, str) or step is Step.ANY else ARRAY
        if wanted in types:
            if isinstance(step, str) and not self.declared.has(read.path):
                yield from self._member(read, together)
        # Beside other fields, one of another type is for other events of the sender.
        elif not read.optional:
            yield Problem(UNKNOWN_FIELD, _of_another_type(parent, step, types), WARNING)

    def _member(self, read: Read, together: set[Path]) -> Iterator[Problem]:
        parent, name = read.path[:-1], str(read.path[-1])
        known = self.examples.members(parent)
        if read.optional:
            # Beside other fields, which are used if this one is missing, only an obvious misspelling counts.
            words = (
                word
                for word in similar(name, known)
                if (*parent, word) not in together and not is_plural(word, name)
            )
            meant = next(words, None)
            if meant is None:
                return
        else:
            meant = meant_by(name, sorted(known))
        members = sorted(known)
        inner = next((member for member in members if self.examples.has((*parent, member, name))), None)
        if f'"{name}"' in self.text and f".{identifier(name)}" not in self.text:
            hint = f"a text is in single quotes, '{name}'"
        elif meant:
            hint = f"did you mean `{shown_path((*parent, meant))}`? If both exist, declare it in schema.json"
        elif name in (*_EVENT_NAMES, *self.values) and Step.ITEM in parent:
            hint = f"in `[ ]` names are members of the item, so the event's `{name}` cannot be read"
        elif inner:
            hint = f"did you mean `{shown_path((*parent, inner, name))}`?"
        else:
            hint = "correct it, add an example that has it, or declare it in schema.json"
        yield Problem(
            UNKNOWN_FIELD, f"reads `{shown_path(read.path)}`, which no example has; {hint}", WARNING
        )


def _of_another_type(parent: Path, step: str | Step, types: Types) -> str:
    place, is_what = shown_path(parent), f"is {described(types)} in the examples"
    if not isinstance(step, str):
        hint = f": truncate({place}, `80`) cuts a text" if STRING in types and step is Step.ITEM else ""
        return f"takes items of `{place}`, which {is_what} and has none{hint}"
    name, hint = identifier(step), ""
    if step in _LENGTHS:
        hint = f": write `length({place})`"
    elif step in FOREIGN or step in function_names():
        hint = f": write `{FOREIGN.get(step, f'{step}(data.x)').replace('data.x', place)}`"
    elif ARRAY in types:
        hint = (
            f": write `{place}[].{name}` for that of each item, or `{place}[0].{name}` for that of the first"
        )
    return f"reads `{name}` of `{place}`, which {is_what} and has no members{hint}"
