"""The format `ndjson`: one JSON value in each line. A line that is not JSON does not affect the others.

https://github.com/ndjson/ndjson-spec
"""

from collections.abc import Iterator, Mapping

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.inbound.items import MAX_ITEMS, Item, Items, Unreadable
from push_relay.core.strict_json import check_lines, decode, decode_leniently, parse

_MEDIA_TYPES = frozenset(
    f"application/{name}"
    for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonlines", "json-lines", "jsonlines")
)
#: Lines of a body, with the blank ones, which are skipped.
_MAX_LINES = 10 * MAX_ITEMS


class Ndjson(Format):
    """Lines of JSON."""

    def read_strictly(self, content: Content) -> Items:
        """Return the items of a body that no proof covers: in UTF-8, under a media type of this format."""
        if content.media_type.name not in _MEDIA_TYPES:
            raise UnsupportedMediaType("the Content-Type is not application/x-ndjson (or jsonl)")
        return _items(decode(content.body), lenient=False)

    def read_leniently(self, content: Content) -> Items:
        """Return the items of a body that a proof covers."""
        return _items(decode_leniently(content.body, content.media_type.charset), lenient=True)

    def in_field(self, content: Content, *, lenient: bool) -> Items:
        """Return the items of the lines in a form's field."""
        return _items(
            decode_leniently(content.body, "") if lenient else decode(content.body), lenient=lenient
        )


def _items(text: str, *, lenient: bool) -> Items:
    if text.count("\n") > _MAX_LINES:
        raise PayloadTooLarge(f"the body has more than {_MAX_LINES} lines")
    # By line feeds alone: other characters that end a line may be part of a text of JSON.
    numbered = {number: line for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    lines = list(numbered.values())
    Items.of(lines)
    check_lines(text, lines)
    return Items(list(_values(numbered, lenient=lenient)))


def _values(numbered: Mapping[int, str], *, lenient: bool) -> Iterator[Item]:
    for number, line in numbered.items():
        try:
            yield parse(line.encode("utf-8"), lenient=lenient)
        except MalformedRequest as exc:
            yield Unreadable(line, _in_line(number, exc))


def _in_line(number: int, error: MalformedRequest) -> MalformedRequest:
    """Return the error of one line, which was read as if it was a body, with its place in the whole body."""
    return MalformedRequest(f"line {number} of {error.detail.replace('line 1, ', '')}")
