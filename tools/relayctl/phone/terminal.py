"""A lock screen in the terminal, drawn with boxes."""

from typing import Final

from rich.align import Align
from rich.box import HEAVY, ROUNDED
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from push_relay.core.graphemes import ELLIPSIS
from relayctl.phone.lock_screen import APP, CLOCK, DAY, LockScreen, Notification

#: Columns of the phone, if the terminal has as many.
_WIDTH: Final = 46
#: Columns that the phone's frame, a card's frame and their paddings take.
_FRAMES: Final = 8
_TITLE_LINES, _BODY_LINES = 2, 4


def draw(screen: LockScreen, console: Console | None = None) -> None:
    """Draw the phone. Without colours if the output is not a terminal."""
    console = console or Console(highlight=False)
    width = min(_WIDTH, console.width)
    head = Group(Text(DAY, justify="center"), Text(CLOCK, "bold", justify="center"), "")
    cards = [_card(each, width - _FRAMES, console) for each in screen.notifications]
    empty = [Text("no push", "dim", justify="center")]
    foot = Align.center(Text("▁" * 12))
    console.print(Panel(Group(head, *(cards or empty), foot), box=HEAVY, width=width))


def _card(notification: Notification, width: int, console: Console) -> RenderableType:
    top = Table.grid(expand=True)
    top.add_column()
    top.add_column(justify="right")
    app = Text.assemble(("■ ", "magenta"), (APP, "dim"))
    top.add_row(app, Text(notification.time, "dim"))
    title = _lines(Text(notification.title, "bold"), width, _TITLE_LINES, console)
    body = _lines(Text(notification.body), width, _BODY_LINES, console)
    return Panel(Group(top, title, body), box=ROUNDED)


def _lines(text: Text, width: int, most: int, console: Console) -> Text:
    """Return a text as at most so many lines. Wide characters count twice, as in the terminal."""
    lines = list(text.wrap(console, width))
    if len(lines) > most:
        del lines[most:]
        lines[-1].rstrip()
        lines[-1].truncate(width - 1)
        # Half of a wide character that was cut is a space.
        lines[-1].rstrip()
        lines[-1].append(ELLIPSIS)
    return Text("\n").join(lines)
