"""Text without its markup: HTML, Markdown, and the links of chat messages become what a person reads.

The functions of expressions use it (docs/writing-a-source.md, "Functions").
"""

import html
import re
from html.parser import HTMLParser

#: Characters of a text that are read: more than any phone shows. It bounds the time for a stranger's text.
_LONGEST = 8_000

#: Tags whose content is not text for people, and tags that end a line.
_HIDDEN_TAGS = frozenset({"script", "style", "head", "title", "template"})
_LINE_TAGS = frozenset({"br", "p", "div", "li", "tr", "ul", "ol", "table", "pre", "blockquote", "hr"}) | {
    f"h{level}" for level in range(1, 7)
}
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>]*)?/?>|<!--")

# Each pattern is linear: what repeats cannot match the character after it.
#: `<https://shop.example/1|Order 1>`, `<@U024BE7LH>` and `<!here>` of chat messages.
_CHAT_LINK = re.compile(r"<((?:https?|mailto):[^<>|\s]*)(?:\|([^<>|]*))?>|<[@#!][^<>|\s]*(?:\|([^<>|]*))?>")
#: `![alt](address)` and `[text](address)`
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s\"[^\"]*\")?\)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
#: The beginning of a heading, a quotation or a rule. A list keeps its bullets.
_LINE_START = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|(?:[-*_][ \t]*){3,}$)", re.MULTILINE)
_EMPHASIS = (
    re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]+)(?<=[^\s*])\1(?![\w*])"),
    re.compile(r"(?<![\w_])(_{1,3})(?=[^\s_])([^_\n]+)(?<=[^\s_])\1(?![\w_])"),
    re.compile(r"(~~)([^~\n]+)~~"),
    re.compile(r"(`{1,2})([^`\n]+)\1"),
)
_SPACES = re.compile(r"[ \t\xa0]+")
_BLANK_LINES = re.compile(r"\s*\n\s*")


def without_markup(text: str) -> str:
    """Return a text as a person reads it, without blank lines. It is empty if the markup contains no text."""
    plain = _CHAT_LINK.sub(_chat_name, text[:_LONGEST])
    if _TAG.search(plain):
        plain = _text_of_html(plain)
    plain = _LINK.sub(r"\1", html.unescape(plain))
    plain = _LINE_START.sub("", _FENCE.sub("", plain))
    for emphasis in _EMPHASIS:
        plain = emphasis.sub(r"\2", plain)
    return _BLANK_LINES.sub("\n", _SPACES.sub(" ", plain)).strip()


def _chat_name(link: re.Match[str]) -> str:
    return link[2] or link[3] or (link[1] or "").removeprefix("mailto:")


def _text_of_html(text: str) -> str:
    reader = _HtmlText()
    reader.feed(text)
    reader.close()
    return "".join(reader.written)


class _HtmlText(HTMLParser):
    """Collects the text of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, or a part that is not shown."""
        del attrs
        self._hidden += tag in _HIDDEN_TAGS
        if tag in _LINE_TAGS:
            self.written.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """End a line, or a part that is not shown."""
        self._hidden = max(0, self._hidden - (tag in _HIDDEN_TAGS))
        if tag in _LINE_TAGS:
            self.written.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep text that is shown."""
        if not self._hidden:
            self.written.append(data)
