"""Text for a phone: nothing in it reorders, hides or breaks what the reader sees.

Strangers write titles and bodies. Characters that no reader sees, or that change how the text round them is
shown, are removed or replaced; letters, emoji and flags of every script stay whole. The characters without a
width are Unicode's Default_Ignorable_Code_Point (https://www.unicode.org/reports/tr44/), the escape sequences
those of ECMA-48.
"""

import re
from functools import cached_property

from push_relay.core.errors import MappingFailed
from push_relay.core.graphemes import cut
from push_relay.core.push import Wording
from push_relay.core.quick_dataclass import replace

#: The replacement of a character that cannot be shown.
REPLACEMENT = "\ufffd"

#: Characters of a text that are looked at one by one: more than any phone shows.
_LONGEST = 200_000
#: Characters of a run without a width that are looked at: more than any script needs.
_LONGEST_RUN = 64
#: Characters that usually tell whether a text is blank.
_GLANCE = 1000

_CONTROLS = "\x00-\x1f\x7f-\x9f"
_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
# Bidirectional embeddings, overrides and isolates; characters of no width that no script needs; annotations.
_NEVER = (
    "\xad\u115f\u1160\u17b4\u17b5\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffc"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
)
# Characters of no width that some text needs: joiners, direction marks, variation selectors, tags.
_SOMETIMES = "\u034f\u061c\u180b-\u180f\u200c-\u200f\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
# Halves of surrogate pairs, and the code points that Unicode promises never to assign.
_NO_CHARACTERS = "\ud800-\udfff\ufdd0-\ufdef" + "".join(
    f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17)
)
#: The characters that count as printable although they are among those above, or have a width and no ink.
_PRINTABLE_ODDITIES = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\U00016fe4\U0001d159"
).union(map(chr, range(0xFE00, 0xFE10)), map(chr, range(0xE0100, 0xE01F0)))
_COMBINING_GRAPHEME_JOINER, _ZERO_WIDTH_NON_JOINER, _ZERO_WIDTH_JOINER = "\u034f", "\u200c", "\u200d"
_JOINERS = _ZERO_WIDTH_NON_JOINER + _ZERO_WIDTH_JOINER
_DIRECTION_MARKS = "\u061c\u200e\u200f"
_BLACK_FLAG, _LAST_TAG = "\U0001f3f4", "\U000e007f"


def fit(wording: Wording, title_limit: int, body_limit: int) -> Wording:
    """Return a wording as a phone can show it: cleaned, then cut to limits in grapheme clusters.

    Raises MappingFailed if nothing visible is left of its title or its body.
    """
    title, body = clean_line(wording.title), clean_text(wording.body)
    if not title or not body:
        raise MappingFailed(f"the wording's {'body' if title else 'title'} is empty")
    return replace(wording, title=cut(title, title_limit), body=cut(body, body_limit))


def clean_line(text: str) -> str:
    """Return a text as one line without what reorders, hides or breaks it; empty if none of it is visible."""
    if _is_plain(text):
        return text.strip()
    lines = (line.strip() for line in _cleaned(text).split("\n"))
    return _visible(" ".join(line for line in lines if line))


def clean_text(text: str) -> str:
    """Return a text as `clean_line` does, but with its line breaks, each written as a line feed."""
    if _is_plain(text.replace("\n", "")):
        return text.strip()
    return _visible(_cleaned(text).strip())


def is_blank(text: str) -> bool:
    """Return whether a phone would show no part of a text."""
    # Most texts have a visible character near the beginning, and some are a megabyte long.
    return not clean_text(text[:_GLANCE]) and (len(text) <= _GLANCE or not clean_text(text))


def _is_plain(text: str) -> bool:
    """Return whether a text needs no pattern, as most do not: a phone shows each of its characters."""
    return text.isprintable() and _PRINTABLE_ODDITIES.isdisjoint(text)


def _visible(text: str) -> str:
    return "" if _patterns.blank.fullmatch(text) else text


class _Patterns:
    """The regular expressions, each made when a text first needs it: their classes are long."""

    @cached_property
    def odd(self) -> "re.Pattern[str]":
        return re.compile(f"[{_CONTROLS}{_LINE_BREAKS}{_NEVER}{_SOMETIMES}{_NO_CHARACTERS}]")

    @cached_property
    def line_break(self) -> "re.Pattern[str]":
        return re.compile(f"\r\n|[{_LINE_BREAKS}]")

    @cached_property
    def invisible(self) -> "re.Pattern[str]":
        # Except the characters of escape sequences, and the line feed.
        return re.compile(f"(?:(?![\n\x07\x1b\x90\x98\x9b-\x9f])[{_CONTROLS}{_NEVER}])+")

    @cached_property
    def escape_sequence(self) -> "re.Pattern[str]":
        # A control sequence (ESC [ or its single byte), which a cut text may end in; a control string (a
        # link, say) to its terminator; a sequence with intermediate bytes (ESC ( B). No string holds the
        # beginning of another one, so that many beginnings without an end take no longer than one.
        return re.compile(
            "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
            "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]{0,2048}(?:\x07|\x1b\\\\|\x9c)"
            "|\x1b[ -/]+[0-~]"
        )

    @cached_property
    def control(self) -> "re.Pattern[str]":
        return re.compile(f"(?:(?!\n)[{_CONTROLS}])+")

    @cached_property
    def no_character(self) -> "re.Pattern[str]":
        return re.compile(f"[{_NO_CHARACTERS}]")

    @cached_property
    def sometimes(self) -> "re.Pattern[str]":
        return re.compile(f"[{_SOMETIMES}]+")

    @cached_property
    def emoji(self) -> "re.Pattern[str]":
        return re.compile("[\xa9\xae\u203c-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")

    @cached_property
    def joining(self) -> "re.Pattern[str]":
        # Scripts whose letters are joined or shaped by their neighbours, from Hebrew to Adlam.
        return re.compile(
            "[\u0590-\u109f\u1700-\u1cff\ua800-\uabff\ufb1d-\ufdff\ufe70-\ufefc"
            "\U00010840-\U00011fff\U0001e800-\U0001efff]"
        )

    @cached_property
    def right_to_left(self) -> "re.Pattern[str]":
        return re.compile(
            "[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
        )

    @cached_property
    def flag_tags(self) -> "re.Pattern[str]":
        return re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")

    @cached_property
    def ideograph(self) -> "re.Pattern[str]":
        return re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

    @cached_property
    def blank(self) -> "re.Pattern[str]":
        # Spaces, and characters that have a width and no ink.
        return re.compile("[\\s\u2800\U00016fe4\U0001d159]*")


_patterns = _Patterns()


def _cleaned(text: str) -> str:
    """Return a text without what is odd, its lines ended by line feeds."""
    if not _patterns.odd.search(text):
        return text
    text = _patterns.line_break.sub("\n", text).replace("\t", " ")
    # Before the escape sequences, which invisible characters must not take apart.
    text = _patterns.invisible.sub("", text)
    text = _patterns.escape_sequence.sub("", text)
    text = _patterns.control.sub("", text)
    text = _patterns.no_character.sub(REPLACEMENT, text)
    # The steps below take a microsecond for each character, and strangers write the text.
    text = text[:_LONGEST]
    right_to_left = _patterns.right_to_left.search(text) is not None
    return _patterns.sometimes.sub(lambda run: _needed(run, right_to_left=right_to_left), text)


def _needed(run: "re.Match[str]", *, right_to_left: bool) -> str:
    """Return what is needed of a run of characters without a width, by the characters round it."""
    text, kept = run.string, ""
    base = text[run.start() - 1] if run.start() else ""
    following = text[run.end() : run.end() + 1]
    for at in range(run.start(), min(run.end(), run.start() + _LONGEST_RUN)):
        tags = _patterns.flag_tags.match(text, at) if base == _BLACK_FLAG and not kept else None
        if tags:
            kept = tags[0]
        elif kept.endswith(_LAST_TAG) and at < run.start() + len(kept):
            pass  # a tag that was kept with its flag
        elif _is_needed(text[at], base, kept, following, right_to_left=right_to_left):
            kept += text[at]
    return kept


def _is_needed(character: str, base: str, kept: str, following: str, *, right_to_left: bool) -> bool:
    """Return whether a character without a width is needed at its place; elsewhere it may hide text.

    `base` is the visible character before its run and `following` the one after it; `kept` is the run's part
    that is kept so far.
    """
    last = kept[-1:]
    if character in _JOINERS:
        return last not in tuple(_JOINERS) and _joins(character, base, following)
    if character in _DIRECTION_MARKS:
        # In a text without letters from right to left they can only hide.
        return right_to_left and last not in tuple(_DIRECTION_MARKS)
    return not kept and base != "" and _varies(character, base, following)


def _joins(joiner: str, base: str, following: str) -> bool:
    if joiner == _ZERO_WIDTH_JOINER and _patterns.emoji.match(following):
        return _patterns.emoji.match(base) is not None
    return bool(_patterns.joining.match(base) or _patterns.joining.match(following))


def _varies(selector: str, base: str, following: str) -> bool:
    """Tell whether a selector chooses one of the base's forms."""
    if "\u180b" <= selector <= "\u180f":
        return "\u1820" <= base <= "\u18aa"
    if "\ufe00" <= selector <= "\ufe0f":
        return base in "0123456789#*" or not (base.isascii() or base.isspace())
    if selector == _COMBINING_GRAPHEME_JOINER:
        import unicodedata  # noqa: PLC0415 (hardly ever needed)

        return all(mark and unicodedata.combining(mark) for mark in (base, following))
    return selector >= "\U000e0100" and _patterns.ideograph.match(base) is not None
