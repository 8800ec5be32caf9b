"""The schedule that invokes `deliver` each minute of the run's clock, and what waits in the backlog.

The real schedule invokes the function 1,440 times a day, and almost all of these ticks find nothing. So the
run leaves out ticks at which nothing is due: the clock jumps to the minute at which the next event is due or
expected. If a tick changes nothing, the next ones come at growing intervals, up to half an hour, because the
events wait for the account.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chaos.services import Services
from relayctl.project import ROOT

#: The invocation of the schedule, from template.yaml.
TICK: Final[Any] = json.loads(
    next(line for line in (ROOT / "template.yaml").read_text().splitlines() if '"messageId":"tick"' in line)
)
_MINUTE_SECS: Final = 60.0
_LONGEST_MINUTES: Final = 30
_REGISTRY: Final = "#shelves"


@dataclass(slots=True)
class Ticks:
    """The ticks of a run.

    given     how many ticks were given to a worker
    _next     the time of the next tick, in seconds since the epoch
    _minutes  the interval between the last tick and the next one
    _calls    the calls of the vendors at the last tick
    _known    when each event is due, or expected if it waits for the account; None if that may have changed
    """

    services: Services
    given: int = 0
    _next: float = 0.0
    _minutes: int = 1
    _calls: int = -1
    _known: list[float] | None = None

    def change(self) -> None:
        """Note that a worker may have changed the backlog."""
        self._known = None

    def is_due(self) -> bool:
        """Return whether a tick is due that may have something to do. Reads the backlog once a minute."""
        now = self.services.run_clock.now()
        if now < self._next:
            return False
        due = self.next_due()
        if due is not None and due <= now:
            return True
        self._next = _minute_after(now)
        return False

    def give(self) -> None:
        """Note that a tick was given to a worker."""
        self.given += 1
        calls = self.services.calls
        self._minutes = 1 if calls != self._calls else min(2 * self._minutes, _LONGEST_MINUTES)
        self._calls = calls
        self._next = _minute_after(self.services.run_clock.now() + (self._minutes - 1) * _MINUTE_SECS)

    def next_due(self) -> float | None:
        """Return the time of the next tick that may have something to do; None if the backlog is empty.

        An event that waits for the account is expected at a time. If that has passed, or if another event is
        due already, the next tick may send it. Reads the backlog.
        """
        if self._known is None:
            self._known = [time for shelf in self._shelves() for time in self._times(shelf)]
        if not self._known:
            return None
        return max(_minute_after(min(self._known)), self._next)

    def count(self) -> int:
        """Return the number of events in the backlog."""
        return sum(int(self._query(shelf, Select="COUNT")["Count"]) for shelf in self._shelves())

    def lines(self) -> list[str]:
        """Describe what is in the backlog, for a run that does not end."""
        return [
            f"{shelf}: { {name: value for name, value in item.items() if name != 'packed'} }"
            for shelf in self._shelves()
            for item in self._query(shelf, Limit=20)["Items"]
        ]

    def _times(self, shelf: str) -> Iterator[float]:
        """Yield the times of a shelf's events.

        It looks at each event: one that waits for the account is expected at any time, so the first one on
        the shelf need not be the first to be tried.
        """
        start: dict[str, Any] = {}
        while True:
            answer = self._query(shelf, AttributesToGet=["due", "expected"], **start)
            for item in answer["Items"]:
                yield float(item["due"]["N"]) or float(item["expected"]["N"])
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _shelves(self) -> list[str]:
        return [name for item in self._query(_REGISTRY)["Items"] for name in item["names"]["SS"]]

    def _query(self, shelf: str, **arguments: Any) -> Any:
        return self.services.dynamodb.query(
            TableName=self.services.settings.backlog_table,
            KeyConditionExpression="shelf = :shelf",
            ExpressionAttributeValues={":shelf": {"S": shelf}},
            **arguments,
        )


def _minute_after(time: float) -> float:
    """Return the beginning of the next minute."""
    return (math.floor(time / _MINUTE_SECS) + 1) * _MINUTE_SECS
