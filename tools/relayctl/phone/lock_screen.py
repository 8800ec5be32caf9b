"""A lock screen: the pushes on it, as each picture shows them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from push_relay.core.phone_text import clean_line, clean_text
from push_relay.core.push import Wording

#: The app's name, as the sandbox's phone shows it. The real name is that of the deployer's brand.
APP: Final = "Push"
CLOCK, DAY = "9:41", "Friday, 20 November"
#: When the pushes arrived, the newest first. More pushes have the last one.
_TIMES: Final = ("now", "5 min ago", "18 min ago", "1 h ago")


class Notification(NamedTuple):
    """One push on the lock screen. `sound` is None if it is left to the vendor."""

    title: str
    body: str
    time: str
    sound: bool | None


class LockScreen(NamedTuple):
    """The pushes of a source, the newest first."""

    name: str
    notifications: Sequence[Notification]


def lock_screen(name: str, wordings: Iterable[Wording]) -> LockScreen:
    """Return the lock screen with these pushes.

    name  the sender's name, for the picture's description
    """
    return LockScreen(
        name,
        [
            Notification(
                clean_line(wording.title),
                clean_text(wording.body),
                _TIMES[min(number, len(_TIMES) - 1)],
                wording.sound,
            )
            for number, wording in enumerate(wordings)
        ],
    )
