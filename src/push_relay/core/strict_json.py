"""Read JSON from strangers, strictly or leniently, and within limits that no reading may exceed.

A *strict* reading refuses what two readers could understand differently: a key twice, NaN, half of a
surrogate pair, bytes that are not UTF-8. A *lenient* one reads these as most JSON libraries do, because a
genuine sender's library may have written them. It is for bytes that a proof covers (docs/security.md, "How
JSON is read"). Every limit on JSON is in this module and nowhere else.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from push_relay.core.errors import MalformedRequest, PayloadTooLarge

type Json = dict[str, Any] | list[Any] | str | int | float | bool | None
type JsonObject = dict[str, Any]


class Limits(NamedTuple):
    """The limits of a JSON value.

    depth  containers inside containers
    parts  lists, objects and members: brackets that open and commas that separate
    text   characters of one text or key
    """

    depth: int
    parts: int
    text: int


#: Containers inside containers. GitHub's deepest webhook has 8.
MAX_DEPTH = 100
#: Lists, objects and members, which are what parsing costs in time and memory. 1,000 alerts of Grafana have
#: some 40,000, a push of 2,000 commits to GitHub 70,000, a megabyte of Kubernetes' managedFields 140,000.
MAX_PARTS = 250_000
#: Characters of one text or key: more than a queue message holds, and half of what a body may hold.
MAX_TEXT = 2 * 2**20
#: Of what a sender sends.
RECEIVED = Limits(MAX_DEPTH, MAX_PARTS, MAX_TEXT)
#: Of what the relay has queued: a document at its limits, with the event's other fields round it.
QUEUED = Limits(MAX_DEPTH + 10, MAX_PARTS + 10_000, MAX_TEXT)
#: Digits of one number; CPython itself refuses more than 4,300 for a whole number.
MAX_DIGITS = 400
# Compiled when they are first used.
_HALVES = "[\ud800-\udfff]+"
_PAIR = "[\ud800-\udbff][\udc00-\udfff]"
_ESCAPED_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPED_SURROGATE = r"\\u[dD]"
_ESCAPED_HALF = r"\\u[dD][89a-fA-F]"
_BOM = b"\xef\xbb\xbf"
#: Quotes that a part can bring: a member has a key and a value.
_QUOTES_PER_PART = 4
#: Charsets of one byte a character that a sender may name, and what WHATWG reads each as.
_ONE_BYTE_CHARSETS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "iso-8859-15": "iso-8859-15",
}


def parse(raw: bytes, *, lenient: bool = False, charset: str = "", limits: Limits = RECEIVED) -> Json:
    """Return the JSON value that bytes hold; a byte order mark is skipped (RFC 8259, 8.1).

    lenient  of a key given twice the last value counts; NaN, Infinity and numbers that are too large are
             null; half of a surrogate pair, and what is not UTF-8, is U+FFFD. UTF-16 and UTF-32 are read
    charset  what the sender named, lower-case; counts if the reading is lenient and the bytes are not UTF-8

    Raises MalformedRequest, whose text has the cause and the place and never quotes the content;
    PayloadTooLarge for too many parts, before they are parsed.
    """
    text = decode_leniently(raw, charset) if lenient else decode(raw)
    _check_parts(text, limits)
    value = _loads_leniently(text, limits) if lenient else _loads(text, limits)
    if _may_be_deep(text, limits):
        _check_depth(value, limits)
    if len(text) > limits.text:
        _check_texts(value, limits)
    return value


def parse_queued(text: str) -> Json:
    """Return the JSON value that the relay has written into a queue.

    Anyone who may send to the queue may have written it instead, so the limits hold here too. Half of a
    surrogate pair becomes U+FFFD, text by text: the whole may be 24 MiB, and a copy of it 96 MiB.
    Raises MalformedRequest, PayloadTooLarge.
    """
    _check_parts(text, QUEUED)
    value: Json = _reading(text, QUEUED, _LENIENT)
    if _may_be_deep(text, QUEUED):
        _check_depth(value, QUEUED)
    if len(text) > QUEUED.text:
        _check_texts(value, QUEUED)
    return _without_halves(value) if _holds_half_pairs(text) else value


def parse_object(
    raw: bytes, *, lenient: bool = False, charset: str = "", limits: Limits = RECEIVED
) -> JsonObject:
    """Return the JSON object that bytes hold. Raises as `parse`, and MalformedRequest for another value."""
    value = parse(raw, lenient=lenient, charset=charset, limits=limits)
    if not isinstance(value, dict):
        raise MalformedRequest("the body is JSON, but not an object")
    return value


def check_lines(text: str, lines: Sequence[str]) -> None:
    """Raise PayloadTooLarge if lines of JSON have more parts together than one value may have.

    text  all lines in one, by which most bodies are found to be small
    """
    if punctuation(text) <= MAX_PARTS:
        return
    parts = 0
    for line in lines:
        # A line alone has more than the limit only if it has more quotes or parts than it may have.
        parts += _parts(line, 0)
        if parts > MAX_PARTS:
            raise _too_many(RECEIVED)


def replace_half_pairs(text: str) -> str:
    """Return a text with U+FFFD for each half of a surrogate pair: such a text has no UTF-8."""
    try:
        text.encode("utf-8")  # a search for halves takes twenty times as long
    except UnicodeEncodeError:
        return _with_replacements(re.sub(_PAIR, _joined, text))
    return text


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _with_replacements(text: str) -> str:
    # A run of halves is one match, because a body can hold 700,000 of them.
    return re.sub(_HALVES, lambda run: "\ufffd" * len(run[0]), text)


def decode(raw: bytes) -> str:
    """Return the text that bytes hold in UTF-8. Raises MalformedRequest."""
    try:
        return raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise MalformedRequest(f"the body is not UTF-8: byte {exc.start}") from None


def decode_leniently(raw: bytes, charset: str) -> str:
    """Return the text that a sender has encoded. Valid UTF-8 is read as UTF-8, whatever charset is given."""
    # By the byte order mark, or the zero bytes that ASCII has in UTF-16 and UTF-32 and JSON in UTF-8 never
    # has.
    encoding = json.detect_encoding(raw)
    if not encoding.startswith("utf-8"):
        return raw.decode(encoding, "replace")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode(_ONE_BYTE_CHARSETS.get(charset, encoding), "replace")


def _check_parts(text: str, limits: Limits) -> None:
    if _parts(text, limits.parts) > limits.parts:
        raise _too_many(limits)


def _too_many(limits: Limits) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body holds more than {limits.parts} lists, objects and members")


def _may_be_deep(text: str, limits: Limits) -> bool:
    return text.count("[") + text.count("{") > limits.depth


def _parts(text: str, most: int) -> int:
    """Count brackets and commas: those of the whole text, and if there are too many those outside of strings.

    Each step is one pass in C, so that refusing a text costs milliseconds whatever it holds. Up to the first
    mistake in its grammar, where a parser stops, the count is right also for what is not JSON.
    """
    # Each is a character, so most texts are too short to have too many.
    if len(text) <= most or punctuation(text) <= most:
        return 0
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    if unescaped.count('"') > _QUOTES_PER_PART * (most + 1):
        return most + 1
    return punctuation("".join(unescaped.split('"')[::2]))


def punctuation(text: str) -> int:
    """Count brackets that open and commas. A JSON text has at most so many lists, objects and members."""
    return text.count("[") + text.count("{") + text.count(",")


def _loads(text: str, limits: Limits) -> Json:
    value: Json = _reading(text, limits, _STRICT)
    if _holds_half_pairs(text):
        _check_surrogates(value)
    return value


def _loads_leniently(text: str, limits: Limits) -> Json:
    value: Json = _reading(text, limits, _LENIENT)
    if _holds_half_pairs(text):
        written = json.dumps(value, ensure_ascii=False)
        replaced = replace_half_pairs(written)
        # Read again, rather than walked through: keys that have become the same are one, as above.
        value = value if replaced == written else _reading(replaced, limits, _LENIENT)
    return value


def _reading(text: str, limits: Limits, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as exc:
        # The exception holds the whole document: break the chain.
        raise MalformedRequest(f"the body is not JSON: line {exc.lineno}, column {exc.colno}") from None
    except RecursionError:
        raise _too_deep(limits) from None


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedRequest("the body has an object with the same key twice")
    return value


def _no_constant(_: str) -> None:
    raise MalformedRequest("the body holds NaN or Infinity, which JSON does not have")


def _null(_: str) -> None:
    return None


def _finite(digits: str) -> float:
    number = float(digits) if len(digits) <= MAX_DIGITS else math.inf
    if math.isinf(number):
        raise MalformedRequest("the body holds a number that is too large")
    return number


def _finite_or_null(digits: str) -> float | None:
    number = float(digits)
    return None if math.isinf(number) else number


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise MalformedRequest("the body holds a number that is too large")
    return int(digits)


def _integer_or_null(digits: str) -> int | None:
    # Beyond these, most libraries read infinity, which JSON cannot write.
    return int(digits) if len(digits) <= MAX_DIGITS else None


# Made once, because `json.loads` makes a decoder for each call.
_LENIENT = json.JSONDecoder(parse_constant=_null, parse_float=_finite_or_null, parse_int=_integer_or_null)
_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
)


def _too_deep(limits: Limits) -> MalformedRequest:
    return MalformedRequest(f"the body is nested more than {limits.depth} levels deep")


def _check_depth(value: Json, limits: Limits) -> None:
    depth, level = 0, [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        if depth > limits.depth:
            raise _too_deep(limits)
        children = (child for item in level for child in (item.values() if isinstance(item, dict) else item))
        level = [child for child in children if isinstance(child, dict | list)]


def _check_texts(value: Json, limits: Limits) -> None:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str) and len(item) > limits.text:
            raise MalformedRequest(f"the body holds a text of more than {limits.text} characters")


def _without_halves(value: Json) -> Json:
    """Replace halves in place. Whole pairs are one character each: the parser has joined them."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _without_halves(item)
    elif isinstance(value, dict):
        for key in [key for key in value if re.search(_HALVES, key)]:
            value[_with_replacements(key)] = value.pop(key)
        for key, item in value.items():
            value[key] = _without_halves(item)
    elif isinstance(value, str) and re.search(_HALVES, value):
        return _with_replacements(value)
    return value


def _holds_half_pairs(text: str) -> bool:
    """Return whether a JSON text escapes half of a surrogate pair. Emoji are often escaped as whole ones."""
    # A pattern finds this in a third of the time that two searches for a text take.
    if re.search(_ESCAPED_SURROGATE, text) is None:
        return False
    # The letters after an escaped backslash are not an escape.
    halves = re.sub(_ESCAPED_PAIR, "", text.replace("\\\\", "__"))
    return re.search(_ESCAPED_HALF, halves) is not None


def _check_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequest("the body holds half of a surrogate pair") from None
