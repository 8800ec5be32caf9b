"""Check a schema.json: against its draft's metaschema, and for what a metaschema allows and nobody means.

jsonschema is the authority here; at run time jsonschema-rs validates the events. A metaschema allows every
keyword that it does not know, so a misspelt one would be ignored.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import jsonschema_rs
from jsonschema.exceptions import ValidationError

from push_relay.core.rules.findings import INVALID_VALUE, WARNING
from relayctl.checks.problems import UNKNOWN_KEYWORD, Problem
from relayctl.checks.spelling import meant_by
from relayctl.checks.values import NUMBER, OBJECT, described, type_of
from relayctl.checks.vocabulary import (
    ABOUT,
    FOREIGN,
    FORMATS,
    IN_PLACE,
    LISTED,
    NAMED,
    ONE,
    Draft,
    draft_named,
)

type Pointer = tuple[str | int, ...]

_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
#: Names of types in other languages.
_FOREIGN_TYPES: Final = {
    "text": "string", "str": "string", "varchar": "string", "char": "string",
    "int": "integer", "int32": "integer", "int64": "integer", "long": "integer",
    "float": "number", "double": "number", "decimal": "number", "numeric": "number",
    "bool": "boolean", "list": "array", "dict": "object", "map": "object", "hash": "object",
    "none": "null", "nil": "null", "undefined": "null",
    "date": "string", "datetime": "string", "date-time": "string", "timestamp": "string", "uuid": "string",
    "url": "string", "uri": "string", "email": "string",
}  # fmt: skip


class Found(NamedTuple):
    """A problem, and the pointer to the place in the schema."""

    pointer: Pointer
    problem: Problem


def problems(schema: Mapping[str, Any]) -> Iterator[Found]:
    """Yield the problems of a schema."""
    name = schema.get("$schema", "")
    draft = draft_named(name) if isinstance(name, str) else None
    if draft is None:
        meant = '`"$schema": "https://json-schema.org/draft/2020-12/schema"`'
        problem = Problem(INVALID_VALUE, f"`{name}` is not a draft of JSON Schema: write {meant}")
        yield Found(("$schema",), problem)
        return
    broken = set()
    for error in draft.metaschema.iter_errors(_without_descriptions(schema)):
        pointer = tuple(error.absolute_path)
        if pointer not in broken:
            broken.add(pointer)
            yield Found(pointer, Problem(INVALID_VALUE, _meaning(error)))
    yield from (found for found in _walk(schema, (), draft, ()) if found.pointer not in broken)


def _without_descriptions(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema without the properties that have a description and nothing else.

    These are right in every draft. Most schemas of the catalogue consist of them, and jsonschema takes longer
    for them than for all the rest.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    kept = {name: inner for name, inner in properties.items() if not _only_describes(inner)}
    return {**schema, "properties": kept}


def _only_describes(schema: object) -> bool:
    return isinstance(schema, dict) and len(schema) == 1 and isinstance(schema.get("description"), str)


def _meaning(error: ValidationError) -> str:
    keyword, value = str(error.absolute_path[-1] if error.absolute_path else ""), error.instance
    if keyword == "type" or (len(error.absolute_path) > 1 and error.absolute_path[-2] == "type"):
        return _wrong_type(value)
    if keyword == "required" and isinstance(value, bool):
        return '`required` is a list of names in the object that has the properties: "required": ["name"]'
    if keyword == "items" and isinstance(value, list):
        return "`items` is one schema for all items; `prefixItems` is a list with one for each"
    if error.validator == "type":
        expected = error.validator_value
        wanted = frozenset(
            _json_type(name) for name in ([expected] if isinstance(expected, str) else expected)
        )
        is_name = isinstance(value, str) and (value in _TYPES or value in _FOREIGN_TYPES)
        hint = (
            f': write {{"type": "{_FOREIGN_TYPES.get(str(value), value)}"}}'
            if is_name and OBJECT in wanted
            else ""
        )
        return f"is {described(frozenset({type_of(value)}))}, and has to be {described(wanted)}{hint}"
    return str(error.message).partition("\n")[0]


def _json_type(name: str) -> str:
    return NUMBER if name == "integer" else name


def _wrong_type(value: object) -> str:
    if isinstance(value, str):
        meant = _FOREIGN_TYPES.get(value.lower()) or meant_by(value, _TYPES)
        more = f', with `"format": "{_format_of(value)}"` if its form matters' if _format_of(value) else ""
        if "," in value or "|" in value:
            return f'`{value}` is not a type: several are a list, `["string", "null"]`'
        hint = f"write `{meant}`{more}" if meant else f"there are: {', '.join(_TYPES)}; leave it out for any"
        return f"`{value}` is not a type; {hint}"
    wrong = next((name for name in value if name not in _TYPES), None) if isinstance(value, list) else None
    return (
        _wrong_type(wrong) if wrong else f"is not a type; there are: {', '.join(_TYPES)}, or a list of them"
    )


def _format_of(name: str) -> str:
    known = {"datetime": "date-time", "timestamp": "date-time", "url": "uri"}
    named = known.get(name.lower(), name.lower())
    return named if named in FORMATS else ""


# --- what a metaschema allows --------------------------------------------------------------------------


def _walk(schema: Any, pointer: Pointer, draft: Draft, around: Sequence[str]) -> Iterator[Found]:
    """Yield the problems of a schema and of those in it.

    around  the properties that schemas around it, about the same value, declare
    """
    if not isinstance(schema, Mapping):
        return
    declared = schema.get("properties")
    properties = (*around, *(declared if isinstance(declared, Mapping) else ()))
    for keyword, value in schema.items():
        place = (*pointer, keyword)
        if problem := _unknown_keyword(keyword, value, draft):
            yield Found(place, problem)
        for check in _CHECKS.get(keyword, ()):
            yield from (Found(place, problem) for problem in check(value, properties))
    yield from _without_effect(schema, pointer)
    for place, inner, is_in_place in _inner(schema):
        yield from _walk(inner, (*pointer, *place), draft, properties if is_in_place else ())


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[Pointer, Any, bool]]:
    for keyword, value in schema.items():
        if keyword in NAMED and isinstance(value, Mapping):
            yield from (((keyword, name), inner, False) for name, inner in value.items())
        elif keyword in LISTED and isinstance(value, list):
            yield from (((keyword, index), inner, keyword in IN_PLACE) for index, inner in enumerate(value))
        elif keyword in ONE:
            yield (keyword,), value, keyword in IN_PLACE


def _unknown_keyword(keyword: str, value: Any, draft: Draft) -> Problem | None:
    known = draft.keywords
    if keyword in known or keyword.startswith("x-") or keyword in ("$schema", "$comment"):
        return None
    if keyword in FOREIGN and FOREIGN[keyword].partition("`")[2].partition("`")[0] != keyword:
        hint = FOREIGN[keyword]
    elif meant := meant_by(keyword, sorted(known)):
        hint = f"did you mean `{meant}`?"
    elif isinstance(value, Mapping):
        hint = "a field of the event is declared in `properties`"
    else:
        hint = "a keyword of your own begins with `x-`"
    return Problem(UNKNOWN_KEYWORD, f"`{keyword}` is not a keyword of JSON Schema, and is ignored; {hint}")


def _format(value: Any, _properties: Sequence[str]) -> Iterator[Problem]:
    if isinstance(value, str) and value not in FORMATS:
        meant = meant_by(value, FORMATS)
        hint = f"did you mean `{meant}`?" if meant else f"there are: {', '.join(FORMATS)}"
        yield Problem(UNKNOWN_KEYWORD, f"`{value}` is not a format that is checked; {hint}", WARNING)


def _pattern(value: Any, _properties: Sequence[str]) -> Iterator[Problem]:
    if isinstance(value, str) and (cause := _regex_error(value)):
        yield Problem(INVALID_VALUE, f"`{value}` is not a pattern: {cause}")


def _pattern_properties(value: Any, _properties: Sequence[str]) -> Iterator[Problem]:
    for pattern in value if isinstance(value, Mapping) else ():
        yield from _pattern(pattern, ())


def _regex_error(pattern: str) -> str:
    """Return why the engine of the run time does not take a pattern, or an empty text."""
    if any(sign in pattern for sign in ("(?=", "(?!", "(?<=", "(?<!")):
        return "look-around does not exist here, because its time has no limit"
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except (jsonschema_rs.ValidationError, ValueError):
        return "it is not a regular expression, or it has a back-reference, which does not exist here"
    return ""


def _required(value: Any, properties: Sequence[str]) -> Iterator[Problem]:
    for name in value if isinstance(value, list) and properties else ():
        if isinstance(name, str) and name not in properties:
            meant = meant_by(name, properties)
            hint = f"did you mean `{meant}`?" if meant else "declare it, or correct the name"
            yield Problem(UNKNOWN_KEYWORD, f"`{name}` is not in `properties`; {hint}", WARNING)


def _enum(value: Any, _properties: Sequence[str]) -> Iterator[Problem]:
    if isinstance(value, list) and not value:
        yield Problem(INVALID_VALUE, "allows no value at all")


type _Check = Callable[[Any, Sequence[str]], Iterator[Problem]]
_CHECKS: Final[Mapping[str, tuple[_Check, ...]]] = {
    "format": (_format,),
    "pattern": (_pattern,),
    "patternProperties": (_pattern_properties,),
    "required": (_required,),
    "enum": (_enum,),
}


def _without_effect(schema: Mapping[str, Any], pointer: Pointer) -> Iterator[Found]:
    """Yield a warning for a keyword about values of another type than the schema allows."""
    given = schema.get("type")
    names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    types = {_json_type(name) for name in names if name in _TYPES}
    if not types:
        return
    for keyword, about in ABOUT.items():
        if keyword in schema and about not in types:
            what = described(frozenset({about}))
            message = f"has no effect, because it is about {what} and `type` is {described(frozenset(types))}"
            yield Found((*pointer, keyword), Problem(UNKNOWN_KEYWORD, message, WARNING))
