"""Change fields of an example: `data.PATH=VALUE`, `headers.NAME=VALUE` and `query.NAME=VALUE`.

A value of `data` is JSON, or else a text: `data.count=3`, `data.user=null`, `data.title=Too hot`. A path is
written as in an expression: `data.alerts[0].labels."host.name"`.
"""

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, NoReturn

from push_relay.core.inbound.body import BodyFormat
from relayctl.sending import CannotSendError
from relayctl.sending.body import read_document, write_document
from relayctl.webhook import Webhook

DATA, HEADERS, QUERY = "data", "headers", "query"
_STEP: Final = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|([^.\[\]"=\s]+))|\[(\d+)\]')
_SHAPES: Final = "data.PATH=VALUE, headers.NAME=VALUE or query.NAME=VALUE"

type Step = str | int


class Change(NamedTuple):
    """One field to change. `steps` are the members and positions that lead to it; `text` is as written."""

    text: str
    root: str
    steps: tuple[Step, ...]
    value: Any

    @property
    def path(self) -> str:
        """The field, as it was written."""
        return self.text.partition("=")[0]


def change(text: str) -> Change:
    """Read a change. Raises argparse.ArgumentTypeError."""
    path, equals, value = _split(text)
    root, _, rest = path.partition(".")
    if root.startswith(f"{DATA}["):
        root, rest = DATA, path.removeprefix(DATA)
    if not equals or root not in (DATA, HEADERS, QUERY) or (root != DATA and not rest):
        raise argparse.ArgumentTypeError(f"`{text}` is not a change: write {_SHAPES}")
    if root != DATA:
        name = rest.strip('"')
        return Change(text, root, (name.lower() if root == HEADERS else name,), value)
    return Change(text, root, _steps(rest, text), _json_or_text(value))


def _split(text: str) -> tuple[str, str, str]:
    """Split at the first `=` that is not in quotes."""
    quoted = False
    for position, char in enumerate(text):
        quoted = quoted != (char == '"')
        if char == "=" and not quoted:
            return text[:position].strip(), "=", text[position + 1 :]
    return text, "", ""


def _steps(path: str, text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if not found:
            raise argparse.ArgumentTypeError(
                f'`{text}`: the path is not one such as data.alerts[0].labels."host.name"'
            )
        quoted, plain, number = found.groups()
        steps.append(int(number) if number else plain if plain is not None else json.loads(f'"{quoted}"'))
        position = found.end()
    return tuple(steps)


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_refuse)
    except ValueError:
        return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def changed(
    request: Webhook, changes: Iterable[Change], body_format: BodyFormat | None
) -> tuple[Webhook, list[str]]:
    """Return the request with changed fields, and a note about each field that the example does not have.

    body_format  how the source's sender writes; None for an example that AWS delivers

    Raises CannotSendError.
    """
    notes: list[str] = []
    own = [each for each in changes if each.root == DATA]
    for each in changes:
        if each.root == HEADERS:
            notes += _new(each, request.headers)
            request = replace(request, headers={**request.headers, str(each.steps[0]): each.value})
        elif each.root == QUERY:
            notes += _new(each, request.query)
            request = replace(request, query={**request.query, str(each.steps[0]): each.value})
    if own:
        document = read_document(request, body_format)
        for each in own:
            value, found = _put(document.value, each, each.steps)
            notes += found
            document = document._replace(value=value)
        request = write_document(request, document)
    return request, notes


def _new(each: Change, fields: Iterable[str]) -> list[str]:
    """Return a note if a name is not among the fields."""
    name = each.steps[-1]
    known = [str(field) for field in fields]
    if str(name) in known:
        return []
    near = get_close_matches(str(name), known, n=1)
    return [f"`{each.path}` is not in the example{f'; did you mean `{near[0]}`?' if near else ''}"]


def _put(value: Any, each: Change, steps: Sequence[Step]) -> tuple[Any, list[str]]:
    """Return a JSON value with one field changed, and a note if the field is new."""
    if not steps:
        return each.value, []
    step, *rest = steps
    if isinstance(step, int):
        return _put_item(value, each, step, rest)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise CannotSendError(f"`{each.path}`: {_kind(value)} has no member `{step}`")
    notes = [] if step in value else _new(each._replace(steps=(step,)), value)
    inner, more = _put(value.get(step), each, rest)
    return {**value, step: inner}, notes[:1] or more


def _put_item(value: Any, each: Change, position: int, rest: Sequence[Step]) -> tuple[Any, list[str]]:
    if not isinstance(value, list):
        raise CannotSendError(f"`{each.path}`: {_kind(value)} has no item [{position}]")
    if position > len(value):
        raise CannotSendError(
            f"`{each.path}`: the list has {len(value)} items, so [{len(value)}] is the next"
        )
    inner, notes = _put(value[position] if position < len(value) else None, each, rest)
    return [*value[:position], inner, *value[position + 1 :]], notes


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", str: "a text", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object" if isinstance(value, dict) else "null")
