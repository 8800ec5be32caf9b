"""Read JSON from strangers: one reading, bounded, and no surprises.

Every limit on JSON stands here and nowhere else. What two readers could understand differently
(duplicate keys, NaN, lone surrogates) is refused, because a signature would cover both readings.
"""

import json
import math
from typing import Any

from push_relay.core.errors import MalformedRequest

type Json = dict[str, Any] | list[Any] | str | int | float | bool | None
type JsonObject = dict[str, Any]

#: Containers inside containers. GitHub's deepest webhook has 8.
MAX_DEPTH = 100
#: Digits of one number; CPython itself refuses more than 4,300 for a whole number.
MAX_DIGITS = 400
#: Characters of one text or key: more than a queue message holds, and half of what a body may hold.
MAX_TEXT = 2 * 2**20
_BOM = b"\xef\xbb\xbf"


def parse(raw: bytes) -> Json:
    """Return the JSON value that UTF-8 bytes hold; a byte order mark is passed over (RFC 8259, 8.1).

    Raises MalformedRequest, whose text says what and where, and quotes nothing of the content.
    """
    text = _decode(raw.removeprefix(_BOM))
    deep = text.count("[") + text.count("{") > MAX_DEPTH
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except json.JSONDecodeError as exc:
        # The exception holds the whole document: break the chain.
        raise MalformedRequest(f"the body is not JSON: line {exc.lineno}, column {exc.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    if deep:
        _check_depth(value)
    if len(text) > MAX_TEXT:
        _check_texts(value)
    if "\\ud" in text or "\\uD" in text:
        _check_surrogates(value)
    return value


def parse_object(raw: bytes) -> JsonObject:
    """Return the JSON object that UTF-8 bytes hold. Raises MalformedRequest for any other value."""
    value = parse(raw)
    if not isinstance(value, dict):
        raise MalformedRequest("the body is JSON, but not an object")
    return value


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise MalformedRequest(f"the body is not UTF-8: byte {exc.start}") from None


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedRequest("the body has an object with the same key twice")
    return value


def _no_constant(_: str) -> None:
    raise MalformedRequest("the body holds NaN or Infinity, which JSON does not have")


def _finite(digits: str) -> float:
    number = float(digits) if len(digits) <= MAX_DIGITS else math.inf
    if math.isinf(number):
        raise MalformedRequest("the body holds a number that is too large")
    return number


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise MalformedRequest("the body holds a number that is too large")
    return int(digits)


def _too_deep() -> MalformedRequest:
    return MalformedRequest(f"the body is nested more than {MAX_DEPTH} levels deep")


def _check_depth(value: Json) -> None:
    depth, level = 0, [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        children = (child for item in level for child in (item.values() if isinstance(item, dict) else item))
        level = [child for child in children if isinstance(child, dict | list)]


def _check_texts(value: Json) -> None:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str) and len(item) > MAX_TEXT:
            raise MalformedRequest(f"the body holds a text of more than {MAX_TEXT} characters")


def _check_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequest("the body holds half of a surrogate pair") from None
