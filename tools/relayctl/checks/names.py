"""Names that do not exist: roots, members of `{...}`, members of a text or a list, headers in capitals."""

import re
from collections.abc import Iterator
from typing import Final

from push_relay.core.rules.findings import WARNING
from relayctl.checks.context import Context
from relayctl.checks.functions import names as function_names
from relayctl.checks.interpreter import NoMember, Note, Read, UnknownMember, UnknownRoot
from relayctl.checks.problems import UNKNOWN_NAME, WRONG_TYPE, Problem
from relayctl.checks.spelling import meant_by
from relayctl.checks.values import ARRAY, described, identifier, shown_path, types_of

#: The names of the document in other tools.
_DOCUMENTS: Final = frozenset({
    "body", "content", "context", "document", "github", "input", "item", "json", "message", "msg", "object",
    "payload", "record", "req", "request", "root", "self", "this", "trigger", "webhook",
})  # fmt: skip
_CONSTANTS: Final = {
    "true": "true", "false": "false", "null": "null",
    "True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null",
}  # fmt: skip
#: How people call the named values.
_TABLES: Final = frozenset({"value", "values", "vars", "variables"})
#: The event's own names, which are not yet known when the event is made.
_LATE: Final = frozenset({"type", "id", "source"})


def problems(note: Note, context: Context) -> Iterator[Problem]:
    """Yield the problems of a note."""
    match note:
        case UnknownRoot(name, (), _) if _CONSTANTS.get(name) == "null" and not _is_quoted(
            name, context.text
        ):
            # It works, because the value of a missing field is null.
            yield Problem(UNKNOWN_NAME, _unknown_root(note, context), WARNING)
        case UnknownRoot():
            yield Problem(UNKNOWN_NAME, _unknown_root(note, context))
        case UnknownMember(name, known):
            meant = meant_by(name, known)
            hint = f"did you mean `{meant}`?" if meant else f"there are: {', '.join(known)}"
            yield Problem(
                UNKNOWN_NAME, f"reads `{name}`, which the `{{...}}` before it does not have; {hint}"
            )
        case NoMember():
            yield Problem(WRONG_TYPE, _no_member(note))
        case Read(("headers", str() as name)) if name != name.lower():
            yield Problem(
                UNKNOWN_NAME,
                f"reads `headers.{identifier(name)}`: the names of headers are in lower case here, write "
                f'`headers."{name.lower()}"`',
            )
        case Read(("headers", str() as name)) if "_" in name and "-" not in name:
            yield Problem(
                UNKNOWN_NAME,
                f"reads `headers.{name}`: the names of headers have hyphens, write "
                f'`headers."{name.replace("_", "-")}"`',
            )


def _unknown_root(note: UnknownRoot, context: Context) -> str:
    name = note.name
    if re.search(r'[{,]\s*"[^"]*"\s*:', context.text) and f'"{name}"' in context.text:
        return f'"{name}" is the name of a field here: an object of constants, {{"a": "b"}}, is in backticks'
    if _is_quoted(name, context.text):
        return (
            f'`"{name}"` in double quotes is the name of a field, and there is no such field here; write a '
            f"text in single quotes: '{name}'"
        )
    hint = _constant(note) or _name_of_the_event(note, context) or _field(note, context) or _other_name(note)
    return f"reads `{shown_path((name, *note.rest))}`, but there is no `{identifier(name)}`; {hint}"


def _constant(note: UnknownRoot) -> str:
    constant = _CONSTANTS.get(note.name)
    return f"a constant has backticks around it, `{constant}`" if constant else ""


def _name_of_the_event(note: UnknownRoot, context: Context) -> str:
    """Return the hint for a name that exists elsewhere, or in another place."""
    name, first = note.name, next(iter(note.rest), "")
    if name == "event" and first in note.known:
        return f"write `{'.'.join(map(identifier, note.rest))}`"
    if name in context.values:
        return "a named value can be read only in message rules, and in the values below it"
    if name in _TABLES and first in note.known:
        return f"write `{first}`"
    if name in _LATE:
        return "it is known only in message rules and routes"
    return "did you mean `headers`?" if name == "header" else ""


def _field(note: UnknownRoot, context: Context) -> str:
    """Return the hint for a field of the document."""
    name, rest = note.name, note.rest
    if context.examples and context.examples.has(("data", name)):
        return f"did you mean `{shown_path(('data', name, *rest))}`?"
    if name != "event" and name not in _DOCUMENTS:
        return ""
    if name == "github" and rest[:1] == ("event",):
        rest = rest[1:]
    return f"the event's document is `data`: write `{shown_path(('data', *(rest or (name,))))}`"


def _other_name(note: UnknownRoot) -> str:
    name = note.name
    if meant := meant_by(name, note.known):
        return f"did you mean `{meant}`?"
    if name in function_names():
        return f"to call the function, write `{name}(...)`"
    field = f"a field of the document is `data.{identifier(name)}`"
    if not note.rest:
        return f"a text is in single quotes, '{name}', and {field}"
    return f"there are: {', '.join(note.known)}. And {field}"


def _is_quoted(name: str, text: str) -> bool:
    """Return whether a name is in double quotes that it does not need, or cannot be a name."""
    return f'"{name}"' in text and not re.search(rf"(?<![\w.\"'-]){re.escape(name)}(?![\w\"'-])", text)


def _no_member(note: NoMember) -> str:
    types = types_of(note.of)
    if note.negated:
        return (
            f"reads `{note.name}` of true or false: `!` binds more tightly than the dot, write "
            f"`!(data.{note.name} ...)`, or `!=`"
        )
    if not note.name:
        return f"takes items of {described(types)}, which has none"
    if ARRAY in types:
        return (
            f"reads `{note.name}` of a list, which has no members: write `[].{note.name}` for that of each "
            f"item, or `| [0].{note.name}` for that of the first"
        )
    name = "to_string" if note.name == "toString" else note.name
    if name in function_names():
        hint = f"to call the function, write `{name}(...)`"
        return f"reads `{note.name}` of {described(types)}, which has no members; {hint}"
    return f"reads `{note.name}` of {described(types)}, which has no members"
