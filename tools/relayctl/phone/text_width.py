"""The width of a text in a picture whose font is not known, and lines that fit.

A picture uses the reader's own system font. The widths are the averages of Roboto and of Liberation Sans,
whose widths are those of Arial, measured in Chromium, with a margin for wider fonts.
"""

from collections.abc import Iterator
from typing import Final

from grapheme import graphemes
from rich.cells import cell_len

from push_relay.core.graphemes import ELLIPSIS

# fmt: off
#: Hundredths of the font size, for the characters from U+0020 to U+007E.
_REGULAR: Final = (
    26, 27, 34, 59, 56, 81, 64, 18, 34, 34, 41, 58, 24, 30, 27, 35, 56, 56, 56, 56, 56, 56, 56, 56, 56,
    56, 26, 24, 55, 57, 55, 51, 96, 66, 65, 69, 69, 62, 58, 73, 72, 27, 53, 65, 55, 85, 72, 73, 65, 73,
    67, 63, 60, 69, 65, 92, 65, 63, 60, 27, 34, 27, 44, 50, 32, 55, 56, 51, 56, 54, 31, 56, 55, 23, 23,
    50, 23, 85, 55, 56, 56, 56, 34, 51, 30, 55, 49, 74, 50, 49, 50, 34, 25, 34, 63,
)
_BOLD: Final = (
    26, 30, 40, 58, 56, 81, 69, 20, 34, 34, 42, 56, 26, 36, 28, 33, 56, 56, 56, 56, 56, 56, 56, 56, 56,
    56, 31, 30, 55, 58, 55, 55, 94, 70, 68, 69, 69, 61, 58, 73, 71, 28, 56, 68, 58, 85, 71, 73, 66, 73,
    68, 64, 61, 69, 66, 91, 65, 64, 61, 31, 35, 31, 51, 50, 33, 55, 59, 54, 59, 55, 35, 59, 59, 27, 27,
    55, 27, 88, 59, 59, 59, 59, 38, 54, 34, 59, 53, 76, 53, 53, 50, 36, 27, 36, 62,
)
# fmt: on
#: The width of other characters, by the columns that they take in a terminal.
_OTHERS: Final = (0, 60, 110)
#: How much wider a reader's font may be.
_MARGIN: Final = 1.03


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in pixels, for a font size in pixels."""
    return sum(_hundredths(cluster, bold=bold) for cluster in graphemes(text)) * size * _MARGIN / 100


def wrapped(text: str, width: float, size: float, lines: int, *, bold: bool = False) -> list[str]:
    """Return a text as lines that fit into a width in pixels. If there are too many, the last one is cut."""
    measured = _Measured(width, size, bold=bold)
    found = [line for paragraph in text.split("\n") for line in measured.lines(paragraph.split()) if line]
    if len(found) <= lines:
        return found
    return [*found[: lines - 1], measured.cut(found[lines - 1])]


class _Measured:
    """Fills lines of a width."""

    def __init__(self, width: float, size: float, *, bold: bool) -> None:
        self._width, self._size, self._bold = width, size, bold

    def fits(self, text: str) -> bool:
        return text_width(text, self._size, bold=self._bold) <= self._width

    def lines(self, words: list[str]) -> Iterator[str]:
        line = ""
        for word in words:
            joined = f"{line} {word}" if line else word
            if self.fits(joined):
                line = joined
                continue
            if line:
                yield line
            *full, line = self.pieces(word)
            yield from full
        yield line

    def pieces(self, word: str) -> Iterator[str]:
        """Yield a word in pieces that fit: an address, or a text of a script without spaces."""
        piece = ""
        for cluster in graphemes(word):
            if piece and not self.fits(piece + cluster):
                yield piece
                piece = ""
            piece += cluster
        yield piece

    def cut(self, line: str) -> str:
        """Return a line with an ellipsis, shortened until both fit."""
        clusters = list(graphemes(line))
        while clusters and not self.fits("".join(clusters) + ELLIPSIS):
            clusters.pop()
        return "".join(clusters).rstrip(" ,.;:") + ELLIPSIS


def _hundredths(cluster: str, *, bold: bool) -> int:
    widths = _BOLD if bold else _REGULAR
    if " " <= cluster <= "~" and len(cluster) == 1:
        return widths[ord(cluster) - ord(" ")]
    return _OTHERS[min(cell_len(cluster), 2)]
