"""The values of the stores."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Seconds for which a wish is valid without being renewed. So long a dead worker counts as waiting.
WISH_SECS = 5


class Counted(NamedTuple):
    """The answer to a request to count one more call of a day.

    calls       all calls of the account on that day
    is_granted  whether the call is one of them; if not, it must not be made
    """

    calls: int
    is_granted: bool = True


class View(NamedTuple):
    """The account's connections as one worker saw them.

    free     connections without a valid lease, by number
    mine     connections leased by this worker, and the end of each lease (seconds since the epoch)
    waiting  workers that have no connection and wait for one; the first gets the next
    """

    free: Sequence[int] = ()
    mine: Mapping[int, int] = {}
    waiting: Sequence[str] = ()


class Refused(Exception):
    """A connection or a wish was not as a write expected it; `view` shows how it was."""

    def __init__(self, view: View) -> None:
        super().__init__("the connections have changed")
        self.view = view


class Cooldown(NamedTuple):
    """The state of an account's cool-down. Moments are whole seconds since the epoch.

    failures     failed calls in a row, while calls are allowed
    until        when the next probe may be sent; 0 while calls are allowed
    level        failed probes of this cool-down
    probe        the name of the probe in progress; empty if there is none
    probe_until  when another probe may be sent, because the worker of that one was killed
    day          the account's day that `spent` is about
    spent        calls that failures have cost on that day
    refused      a mark of the credentials, if the vendor refused them; other credentials may be used
    reason       the error code of the last failure
    stamp        differs with each write
    """

    failures: int = 0
    until: int = 0
    level: int = 0
    probe: str = ""
    probe_until: int = 0
    day: str = ""
    spent: int = 0
    refused: str = ""
    reason: str = ""
    stamp: str = ""
