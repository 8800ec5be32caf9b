"""The text of HTML, as a person reads it."""

from html import unescape as unescape  # noqa: PLC0414 (exported)
from html.parser import HTMLParser

#: Tags whose content is not text for people, and tags that end a line.
_HIDDEN = frozenset({"script", "style", "head", "title", "template"})
_LINES = frozenset({"br", "p", "div", "li", "tr", "ul", "ol", "table", "pre", "blockquote", "hr"}) | {
    f"h{level}" for level in range(1, 7)
}


def text_of(html: str) -> str:
    """Return the text of HTML, with the line breaks that its tags cause."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    return "".join(reader.written)


class _Text(HTMLParser):
    """Collects the text of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, or a part that is not shown."""
        del attrs
        self._hidden += tag in _HIDDEN
        if tag in _LINES:
            self.written.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """End a line, or a part that is not shown."""
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        if tag in _LINES:
            self.written.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep text that is shown."""
        if not self._hidden:
            self.written.append(data)
