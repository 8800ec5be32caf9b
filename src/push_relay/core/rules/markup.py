"""Text without its markup: HTML, Markdown, and the links of chat messages become what a person reads.

The functions of expressions use it (docs/writing-a-source.md, "Functions").
"""

import re

#: Characters of a text that are read: more than any phone shows. It bounds the time for a stranger's text.
_LONGEST = 8_000

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
    if "&" in plain or _TAG.search(plain):
        # Imported where it is needed: few texts are HTML.
        from push_relay.core.rules.html_text import text_of, unescape  # noqa: PLC0415

        plain = unescape(text_of(plain) if _TAG.search(plain) else plain)
    plain = _LINK.sub(r"\1", plain)
    plain = _LINE_START.sub("", _FENCE.sub("", plain))
    for emphasis in _EMPHASIS:
        plain = emphasis.sub(r"\2", plain)
    return _BLANK_LINES.sub("\n", _SPACES.sub(" ", plain)).strip()


def _chat_name(link: re.Match[str]) -> str:
    return link[2] or link[3] or (link[1] or "").removeprefix("mailto:")
