"""The content of a message from AWS that is not a JSON object: what people and services send instead of one.

    JSON list                     {"value": [...]}
    JSON string, number, boolean  {"text": ..., "subject": ...}, as plain text
    plain text                    {"text": ..., "subject": ...}, and `fields` if it has keys and values

`subject` is SNS's, and an empty text if there is none. Anything else is malformed: nothing, binary data, and
a text that begins as JSON does, because its sender meant a document.
"""

import re
from itertools import pairwise

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.inbound.envelope import MessageContent
from push_relay.core.phone_text import REPLACEMENT, is_blank
from push_relay.core.strict_json import parse

#: Characters of a text that are looked at for binary data, and for keys and values.
_GLANCE, _FIELDS_CHARS = 2_000, 20_000
#: Of so many characters one may be a control character: a bell or a colour code does not make a text binary.
_TEXT_PER_CONTROL = 10
#: Control characters that a text has: tab, line breaks, page break, and the escape of terminals' colours.
_COMMON_CONTROLS = frozenset("\t\n\r\x0b\x0c\x1b")
_BOM = "\ufeff"
#: Fields of a text, and those below which its lines are not clearly keys and values.
_MOST_FIELDS, _LEAST_FIELDS = 100, 2
_NOT_AN_OBJECT = "the body is JSON, but not an object"


def read_document(content: str, subject: str) -> MessageContent:
    """Return the document of a content that does not begin as a JSON object does.

    Raises MalformedRequest, and PayloadTooLarge for too many parts.
    """
    try:
        value = parse(content.encode("utf-8"), lenient=True)
    except PayloadTooLarge:
        raise
    except MalformedRequest as exc:
        return _of_text(content, subject, exc.detail)
    match value:
        case [_, *_]:
            return MessageContent({"value": value}, _NOT_AN_OBJECT)
        case str():
            return _of_text(value, subject, _NOT_AN_OBJECT)
        case int() | float():  # a boolean too
            return _of_text(content, subject, _NOT_AN_OBJECT)
        case _:
            raise MalformedRequest(_NOT_AN_OBJECT)


def _of_text(text: str, subject: str, malformed: str) -> MessageContent:
    text = text.removeprefix(_BOM).strip()
    if not _is_text(text):
        raise MalformedRequest(malformed)
    fields = fields_of(text)
    return MessageContent(
        {"text": text, "subject": subject, **({"fields": fields} if fields else {})}, malformed
    )


def _is_text(text: str) -> bool:
    # `[ALARM] too hot` is text; `{"text":` and `["too hot",` are documents that were cut.
    if text.startswith("{") or re.match(r"\[\s*[\[{\"]", text) or "\0" in text or is_blank(text):
        return False
    glance = text[:_GLANCE]
    return sum(map(_is_odd, glance)) * _TEXT_PER_CONTROL <= len(glance)


def _is_odd(character: str) -> bool:
    return character == REPLACEMENT or (
        (character < " " or "\x7f" <= character <= "\x9f") and character not in _COMMON_CONTROLS
    )


def fields_of(text: str) -> dict[str, str]:
    """Return the keys and values of a text that clearly has some; of a key given twice, the first value.

    They are lines `Key='value'` (CloudFormation), if the text consists of them; or lines `Key: value`
    (Budgets), if there are two in a row; or sentences `Key : value` (Backup), if a line has two.
    """
    lines = [line.strip() for line in text[:_FIELDS_CHARS].splitlines() if not line.isspace() and line]
    for pairs in (_quoted(lines), _lines(lines), _sentences(lines)):
        fields: dict[str, str] = {}
        for key, value in pairs:
            if len(fields) < _MOST_FIELDS:
                fields.setdefault(key, value)
        if len(fields) >= _LEAST_FIELDS:
            return fields
    return {}


def _quoted(lines: list[str]) -> list[tuple[str, str]]:
    """Return the fields of lines `Key='value'`; none if the text has others. A value may be several lines."""
    pairs: list[tuple[str, str]] = []
    is_open = False
    for line in lines:
        if is_open:
            key, value = pairs.pop()
            value = f"{value}\n{line}"
        elif found := re.match(r"([A-Za-z][\w.:-]{0,63})='(.*)", line):
            key, value = found.groups()
        else:
            return []
        is_open = not value.endswith("'")
        pairs.append((key, value if is_open else value[:-1]))
    return [] if is_open else pairs


#: A key of one to four words. Its value is on the same line, so an address (`https://...`) is not one.
_KEY = r"([A-Za-z][\w./()-]{0,39}(?: [\w./()-]{1,40}){0,3}) ?:"


def _lines(lines: list[str]) -> list[tuple[str, str]]:
    """Return the fields of lines `Key: value`; none unless two such lines follow each other."""
    found = [re.match(rf"{_KEY}[ \t]+(\S.*)", line) for line in lines]
    if not any(first and second for first, second in pairwise(found)):
        return []
    return [(each[1], each[2]) for each in found if each]


def _sentences(lines: list[str]) -> list[tuple[str, str]]:
    """Return the fields of a line's sentences `Key : value`, each value one word."""
    for line in lines:
        pairs = re.findall(rf"(?:^|(?<=\. )){_KEY} (\S+)", line)
        if len(pairs) >= _LEAST_FIELDS:
            return [(key, value.rstrip(".")) for key, value in pairs]
    return []
