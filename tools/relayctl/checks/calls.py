"""Calls of functions: arity, the kinds of arguments, and what people write instead of a call."""

from collections.abc import Iterator

from relayctl.checks.context import Context
from relayctl.checks.functions import FOREIGN, signature_of, usage
from relayctl.checks.functions import names as function_names
from relayctl.checks.interpreter import Call, Note, Piped, StrayReference
from relayctl.checks.problems import INVALID_CALL, Problem
from relayctl.checks.values import NULL, STRING, Constant, Field, ListOf, described, shown, types_of


def problems(note: Note, context: Context) -> Iterator[Problem]:
    """Yield the problems of a note."""
    match note:
        case StrayReference():
            message = (
                "has a `&` before an expression, which is only for functions such as sort_by: `and` is `&&`"
            )
            yield Problem(INVALID_CALL, message)
        case Piped(value, name):
            if not (
                isinstance(value, Field) and context.examples and context.examples.has((*value.path, name))
            ):
                yield Problem(INVALID_CALL, _piped(note))
        case Call(name, arguments) if not signature_of(name).accepts(len(arguments)):
            yield Problem(INVALID_CALL, _arity(note))
        case Call():
            yield from _kinds(note)


def _piped(note: Piped) -> str:
    """Describe a pipe in Jinja's sense. In JMESPath its right side is a member of the left one."""
    if not note.name:
        return "has a `|` behind true or false, which passes that on: `or` is `||`"
    value = "data.x" if shown(note.value) == "(...)" else shown(note.value)
    example = f"{note.name}(data.x)" if note.name in function_names() else FOREIGN[note.name]
    hint = example.replace("data.x", value)
    return f"`| {note.name}` reads a member `{note.name}` and calls no function: write `{hint}`"


def _arity(note: Call) -> str:
    count = len(note.arguments)
    given = f"{count} argument{'s' if count != 1 else ''}"
    hint = ", or `data.x | f(@)` after a pipe".replace("f(@)", usage(note.name).replace("text", "@", 1))
    piped = hint if count + 1 == len(signature_of(note.name).takes) and "text" in usage(note.name) else ""
    return f"calls {note.name}() with {given}: it is `{usage(note.name)}`{piped}"


def _kinds(note: Call) -> Iterator[Problem]:
    signature = signature_of(note.name)
    for number, argument in enumerate(note.arguments, start=1):
        takes, given = signature.types_of(number - 1), types_of(argument)
        if not takes or given & takes or given == {NULL} or "expref" in takes:
            continue
        hint = ""
        match argument:
            case Constant(str() as text) if "number" in takes and _is_number(text):
                hint = f": write `{text}` with the backticks"
            case Constant(int() | float() as number_) if STRING in takes:
                hint = f": write '{number_}' in single quotes"
            case ListOf() if STRING in takes:
                hint = ": join_text(', ', ...) makes a text of a list, and `| [0]` takes its first item"
        yield Problem(
            INVALID_CALL,
            f"gives {note.name}() {described(given)} as argument {number}, which has to be "
            f"{described(takes)}{hint}. It is `{usage(note.name)}`",
        )
    yield from _patterns(note)


def _patterns(note: Call) -> Iterator[Problem]:
    match note:
        case Call("date", (_, Constant(str() as pattern))) if "%" not in pattern:
            yield Problem(
                INVALID_CALL,
                f"calls date() with the pattern '{pattern}', which has none of strftime's codes: write "
                "`'%Y-%m-%d'` or `'%d %b %H:%M'`",
            )
        case Call("contains", (Field(path) as subject, Constant(list()) as listed)) if path[0] != "data":
            yield Problem(
                INVALID_CALL,
                f"looks for a list in the text `{shown(subject)}`: the list comes first, "
                f"contains({shown(listed)}, {shown(subject)})",
            )
        case Call("contains", (Field(path) as subject, ListOf())) if path[0] != "data":
            yield Problem(
                INVALID_CALL,
                f"looks for a list in the text `{shown(subject)}`: the list comes first, "
                f"contains(['a', 'b'], {shown(subject)})",
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
