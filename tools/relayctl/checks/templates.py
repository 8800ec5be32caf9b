"""Mistakes in a template: other languages' signs, which would be shown, and values that are not a text."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from push_relay.core.rules.expression import Expression
from push_relay.core.rules.template import OptionalPart, Part
from relayctl.checks.context import Context
from relayctl.checks.functions import names as function_names
from relayctl.checks.interpreter import Analysis
from relayctl.checks.problems import NOT_A_TEMPLATE, WRONG_TYPE, Problem
from relayctl.checks.values import (
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Field,
    described,
    shown,
    types_of,
)

#: Signs of other template languages, and what to write instead.
_FOREIGN: Final = (
    (r"\{%-?\s*for\b.*?%\}", "write `join_text(', ', data.list[].name)` for a list"),
    (
        r"\{%(?!-?\s*(?:end|el)).*?%\}",
        "write `[[ ]]` around an optional part, and `data.x && 'a' || 'b'` for a choice",
    ),
    (r"\{#.*?#\}", "a comment begins with `#`, outside of the text"),
    (r"\$\{[^{}]*\}", "write `{{ }}`"),
    (r"#\{[^{}]*\}", "write `{{ }}`"),
    (r"@\{[^{}]*\}", "write `{{ }}`"),
    (r"<%.*?%>", "write `{{ }}`"),
    (r"%\([A-Za-z_]\w*\)s", "write `{{ }}`"),
)
_SINGLE: Final = re.compile(r"""(?<![{$#@])\{\s*([A-Za-z_][\w.\[\]"'-]*)\s*\}(?!\})""")
_PATH: Final = r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\."[^"]+"|\[-?\d*\])*"""
_BARE_PATH: Final = re.compile(rf"\b(data\.{_PATH}|headers\.\"[^\"]+\")")
_BARE_CALL: Final = re.compile(r"([a-z_]+)\(.*\)", re.DOTALL)


def foreign_signs(parts: Sequence[Part], names: Sequence[str], context: Context) -> Iterator[Problem]:
    """Yield the problems of a template's text outside of `{{ }}`.

    names  what expressions can read here
    """
    for text in _texts(parts):
        rest = text
        for pattern, hint in _FOREIGN:
            if found := re.search(pattern, rest, re.DOTALL):
                yield Problem(NOT_A_TEMPLATE, f"leaves `{found[0]}` as it is: {hint}")
                rest = re.sub(pattern, "", rest, flags=re.DOTALL)
        for found in _SINGLE.finditer(rest):
            if meant := _meant(found[1], names, context):
                yield Problem(NOT_A_TEMPLATE, f"leaves `{found[0]}` as it is: write `{{{{ {meant} }}}}`")
                rest = rest.replace(found[0], "")
        for sign, opening in (("}}", "{{"), ("]]", "[[")):
            if sign in text:
                yield Problem(NOT_A_TEMPLATE, f"has `{sign}` without `{opening}` before it")
        yield from _bare(rest.strip(), names, context)


def _texts(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case str():
                yield part
            case OptionalPart(parts=inner):
                yield from (text for text in inner if isinstance(text, str))


def _meant(path: str, names: Sequence[str], context: Context) -> str:
    """Return the expression that was meant by a path in single braces; empty if there was no expression."""
    root = re.split(r"[.\[]", path, maxsplit=1)[0]
    if root in names:
        return path
    return f"data.{path}" if context.examples and context.examples.has(("data", root)) else ""


def _bare(text: str, names: Sequence[str], context: Context) -> Iterator[Problem]:
    """Yield a problem for an expression that is not in `{{ }}`."""
    root = re.split(r"[.\[]", text, maxsplit=1)[0]
    call = _BARE_CALL.fullmatch(text)
    is_path = re.fullmatch(_PATH, text) and text != root and root in names
    if is_path or (call and call[1] in function_names()):
        yield Problem(NOT_A_TEMPLATE, f"leaves `{text}` as it is: write `{{{{ {text} }}}}`")
        return
    for found in _BARE_PATH.finditer(text):
        path = tuple(re.findall(r"[A-Za-z_]\w*", found[1]))
        if context.examples and context.examples.has(path):
            yield Problem(NOT_A_TEMPLATE, f"leaves `{found[0]}` as it is: write `{{{{ {found[0]} }}}}`")


def recipient_texts(parts: Sequence[Part]) -> Iterator[Problem]:
    """Yield the problems of the text of a recipient."""
    for text in _texts(parts):
        if found := re.search(r"[,;\s]\s*((?:user|email|external|person):\S*)", text):
            yield Problem(WRONG_TYPE, f'is one recipient: write a list, to = ["...", "{found[1]}"]')
        if found := re.search(rf":((?:data|headers|query)\.{_PATH})", text):
            yield Problem(NOT_A_TEMPLATE, f"leaves `{found[1]}` as it is: write `{{{{ {found[1]} }}}}`")


def value_in_text(analysis: Analysis, context: Context, *, in_recipient: bool) -> Iterator[Problem]:
    """Yield a problem if an expression of a text comes to a list or an object, which fails the event."""
    value, types = analysis.value, types_of(analysis.value)
    if isinstance(value, Field) and context.examples:
        types = context.examples.types(value.path) or types
    if not types & {ARRAY, OBJECT} or types - {ARRAY, OBJECT, NULL}:
        return
    if in_recipient:
        hint = (
            "each item of `to` is one recipient, so write one for each item: `data.list[0]`, `data.list[1]`"
        )
    elif ARRAY in types:
        hint = "write `join_text(', ', ...)` or `list_texts(..., `3`)`, or take one item with `| [0]`"
    else:
        hint = "name one of its members, or write `list_fields(...)`"
    yield Problem(WRONG_TYPE, f"puts {described(types - {NULL})} into a text: {hint}")


def constant_or_expression(text: str, parts: Sequence[Part], wanted: str) -> Iterator[Problem]:
    """Yield the problems of `sound` and `expiry_secs`: a constant, or one expression and nothing else.

    wanted  the type that the value has to have
    """
    match parts:
        case [Expression()]:
            return
        case [str()] if _is_constant(text, wanted):
            yield Problem(
                WRONG_TYPE, f'is a text, "{text}": write the constant without quotes, {text.strip().lower()}'
            )
        case [str()]:
            example = "true" if wanted == BOOLEAN else "3600"
            yield Problem(
                WRONG_TYPE,
                f'is a text, "{text}": write a constant ({example}), or one expression in `{{{{ }}}}`',
            )
        case _:
            yield Problem(
                WRONG_TYPE,
                "has something beside the expression, so it comes out as a text: write one `{{ }}` and "
                f"nothing else, which has to come to {described(frozenset({wanted}))}",
            )


def wrong_constant_type(analysis: Analysis, context: Context, wanted: str) -> Iterator[Problem]:
    """Yield a problem if the expression of `sound` or `expiry_secs` never comes to the wanted type."""
    value, types = analysis.value, types_of(analysis.value)
    if isinstance(value, Field) and context.examples:
        types = context.examples.types(value.path) or types
    if wanted in types or types == {NULL}:
        return
    hint = f": write `to_number({shown(value)})`" if wanted == NUMBER and types == {STRING} else ""
    yield Problem(
        WRONG_TYPE, f"comes to {described(types)}, and has to come to {described(frozenset({wanted}))}{hint}"
    )


def _is_constant(text: str, wanted: str) -> bool:
    word = text.strip().lower()
    return word in ("true", "false") if wanted == BOOLEAN else word.isdigit()
