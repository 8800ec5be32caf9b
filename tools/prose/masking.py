"""Blank out what is not prose, so that what remains keeps its place: comments, strings, docstrings, Markdown.

A masked text is as long as its file and has the same line breaks. Code becomes `CODE`, and white space stays.
So a phrase is found across the lines of a comment and the parts of a string, and never across code.
"""

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CODE = "\0"
#: Replaces a code span within prose, which separates two words and does not end a sentence.
SPAN = "\1"

_PROSE_TYPES = frozenset(
    {
        tokenize.COMMENT,
        tokenize.STRING,
        tokenize.FSTRING_START,
        tokenize.FSTRING_MIDDLE,
        tokenize.FSTRING_END,
    }
)
_SPAN = re.compile(r"(`+)[^`\0]+?\1")
_FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")
_TOML_COMMENT = re.compile(r"""((?:[^#"']|"(?:\\.|[^"\\])*"|'[^']*')*)#(.*)""")
_IS_PROSE = re.compile(r"[A-Za-z,;:]\s+[A-Za-z]")
_STRING_PARTS = re.compile(r"([A-Za-z]*(?:\"\"\"|'''|\"|'))(.*?)(\"\"\"|'''|\"|')", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Masked:
    """The parts of a file that are checked: its prose in place, and each identifier with its first line."""

    prose: str
    identifiers: dict[str, int]


def mask(path: str, text: str) -> Masked:
    """Mask a file by its kind. A kind that is not known is prose from the first line to the last."""
    identifiers: dict[str, int] = {}
    if path.endswith(".py"):
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        identifiers = _identifiers(tokens)
        text = _python(text, tokens)
    elif path.endswith(".md"):
        text = _LINK_TARGET.sub(_blank_span, _FENCE.sub(_blank_code, text))
    elif path.endswith(".toml"):
        text = "\n".join(map(_toml_line, text.split("\n")))
    return Masked(_SPAN.sub(_blank_span, text), identifiers)


def _identifiers(tokens: Iterable[tokenize.TokenInfo]) -> dict[str, int]:
    lines: dict[str, int] = {}
    for token in tokens:
        if token.type == tokenize.NAME:
            lines.setdefault(token.string, token.start[0])
    return lines


def _python(text: str, tokens: Iterable[tokenize.TokenInfo]) -> str:
    starts = list(_line_starts(text))
    pieces: list[str] = []
    end = 0
    for token in tokens:
        if token.type not in _PROSE_TYPES and not token.string.startswith("test_"):
            continue
        first, last = (starts[row - 1] + column for row, column in (token.start, token.end))
        if shown := _shown(token, text[first:last]):
            pieces += [_blank(text[end:first], CODE), shown]
            end = last
    return "".join([*pieces, _blank(text[end:], CODE)])


def _shown(token: tokenize.TokenInfo, text: str) -> str:
    """Return a token's prose, as long as the token; of code, nothing."""
    if token.type == tokenize.COMMENT:
        return re.sub(r"\A#[:!]?", _blank_space, text)
    if token.type == tokenize.STRING and _IS_PROSE.search(text) and (parts := _STRING_PARTS.fullmatch(text)):
        return " " * len(parts[1]) + parts[2] + " " * len(parts[3])
    if token.type == tokenize.FSTRING_MIDDLE and _IS_PROSE.search(text):
        return text
    if token.type in (tokenize.FSTRING_START, tokenize.FSTRING_END):
        return " " * len(text)
    if token.type == tokenize.NAME and text.startswith("test_") and token.line.lstrip().startswith("def "):
        return CODE * len("test_") + text[len("test_") :].replace("_", " ").capitalize()
    return ""


def _toml_line(line: str) -> str:
    comment = _TOML_COMMENT.fullmatch(line)
    return f"{_blank(comment[1], CODE)} {comment[2]}" if comment else _blank(line, CODE)


def _line_starts(text: str) -> Iterator[int]:
    start = 0
    for line in text.split("\n"):
        yield start
        start += len(line) + 1
    yield start


def _blank(text: str, filler: str) -> str:
    return re.sub(r"\S", filler, text)


def _blank_code(found: re.Match[str]) -> str:
    return _blank(found[0], CODE)


def _blank_span(found: re.Match[str]) -> str:
    return _blank(found[0], SPAN)


def _blank_space(found: re.Match[str]) -> str:
    return " " * len(found[0])
