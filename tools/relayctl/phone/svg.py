"""A lock screen as an SVG: light and dark, without fonts or anything else from the network.

frame.svg is the phone, and this module draws the pushes into it.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from push_relay.core.graphemes import cut
from relayctl.phone.lock_screen import APP, CLOCK, DAY, LockScreen, Notification
from relayctl.phone.text_width import text_width, wrapped

_FRAME: Final = Path(__file__).with_name("frame.svg")
#: The width of frame.svg.
_WIDTH: Final = 320
#: The cards' left edge and width, and the space between a card's edge and its text.
_CARD_X, _CARD_WIDTH, _PADDING = 18, 284, 14
_TEXT_X, _TEXT_WIDTH = _CARD_X + _PADDING, _CARD_WIDTH - 2 * _PADDING
#: The font sizes of frame.svg, and the distance of two lines.
_TITLE_SIZE, _BODY_SIZE, _LINE = 14, 13, 17
_TITLE_LINES, _BODY_LINES = 2, 3
#: The y of the first card, the space between two, and the height of a card without its texts.
_FIRST_CARD, _GAP, _EMPTY_CARD = 134, 8, 44
#: The space below the last card, in the last part of which the phone fades.
_BELOW, _FADE = 40, 34
#: Characters of a body in the description, which a screen reader reads aloud.
_DESCRIBED_CHARS: Final = 150
#: The part of a line's width from which its length is fixed, so that it fits in a wider font too.
_NEARLY_FULL: Final = 0.85


class Picture(NamedTuple):
    """An SVG, and its size in pixels."""

    svg: str
    width: int
    height: int


def picture(screen: LockScreen) -> Picture:
    """Draw the picture. Its text ends with a line feed."""
    cards: list[str] = []
    y = _FIRST_CARD
    for notification in screen.notifications:
        card = _Card(notification, y)
        cards += card.elements()
        y += card.height + _GAP
    height = y + _BELOW
    count = len(screen.notifications)
    pushes = " ".join(f"“{each.title}”: {cut(each.body, _DESCRIBED_CHARS)}" for each in screen.notifications)
    text = Template(_FRAME.read_text("utf-8")).substitute(
        height=height,
        fade=f"{1 - _FADE / height:.3f}",
        title=_text(f"{screen.name}: pushes on a phone"),
        description=_text(f"A lock screen with {count} push{'' if count == 1 else 'es'}. {pushes}"),
        day=DAY,
        clock=CLOCK,
        cards="\n".join(cards),
    )
    return Picture(text, _WIDTH, height)


class _Card:
    """The card of one push. `y` is its upper edge."""

    def __init__(self, notification: Notification, y: int) -> None:
        self._notification = notification
        self._y = y
        self._title = wrapped(notification.title, _TEXT_WIDTH, _TITLE_SIZE, _TITLE_LINES, bold=True)
        self._body = wrapped(notification.body, _TEXT_WIDTH, _BODY_SIZE, _BODY_LINES)
        self.height = _EMPTY_CARD + (len(self._title) + len(self._body)) * _LINE

    def elements(self) -> Iterator[str]:
        """Yield the elements: the card, the app's icon and name, the time, the lines of title and body."""
        y, right = self._y, _TEXT_X + _TEXT_WIDTH
        yield (
            f'<rect class="card" x="{_CARD_X}" y="{y}" width="{_CARD_WIDTH}" height="{self.height}" rx="18"/>'
        )
        yield f'<use href="#p" x="{_TEXT_X}" y="{y + 11}"/>'
        yield f'<text class="soft" x="{_TEXT_X + 25}" y="{y + 24}">{APP}</text>'
        yield (
            f'<text class="soft" x="{right}" y="{y + 24}" text-anchor="end">{self._notification.time}</text>'
        )
        y += 46
        for line in self._title:
            yield _line("title", line, y, text_width(line, _TITLE_SIZE, bold=True))
            y += _LINE
        for line in self._body:
            yield _line("body", line, y + 1, text_width(line, _BODY_SIZE))
            y += _LINE


def _line(kind: str, line: str, y: int, width: float) -> str:
    fixed = ""
    if width > _NEARLY_FULL * _TEXT_WIDTH:
        fixed = f' textLength="{width:.0f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text class="{kind}" x="{_TEXT_X}" y="{y}"{fixed}>{_text(line)}</text>'


def _text(text: str) -> str:
    return escape(text, quote=False)
