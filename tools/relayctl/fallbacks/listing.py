"""The events that fell back, counted by kind, as a table for people and as JSON for programs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relayctl.deadletters.listing import format_age, iso_time
from relayctl.fallbacks.log_reader import FallbackLine

#: Names that a match rule can use, by the keys of the log line.
_MATCH_KEYS: Final = {
    "eventbridge_source": "eventbridge_source",
    "eventbridge_detail_type": "eventbridge_detail_type",
    "topic": "sns_topic",
    "queue": "sqs_queue",
}
#: Not an expression, so that `relayctl check` refuses it until somebody has replaced it.
_DESCRIPTION: Final = '"..." # describe the document: data.Records[0].s3'
#: The beginning of a name that was not safe to log.
_HASH: Final = "sha256:"


@dataclass(slots=True)
class Kind:
    """Events of one fallback source that AWS delivered under the same names.

    names        also has `unrouted`: the sources that would take them if they had a route
    first, last  when the first and the last of them came, in seconds since the epoch
    """

    source: str
    names: dict[str, str]
    count: int
    first: float
    last: float

    @property
    def unrouted(self) -> list[str]:
        """The sources that would take them if they had a route."""
        return [name for name in self.names.get("unrouted", "").split(", ") if name]

    @property
    def folder(self) -> str:
        """The folder of a source for them, by the most exact name that is known."""
        name = self.names.get("eventbridge_source", "").removeprefix("aws.")
        name = name or self.names.get("topic") or self.names.get("queue") or self.source
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")
        return f"src/sources/{slug or 'new'}/"

    @property
    def match(self) -> dict[str, str]:
        """The keys of a match rule for them. An ARN ends with the name of its topic or queue."""
        names = {
            key: name for key, name in self.names.items() if key in _MATCH_KEYS and not name.startswith(_HASH)
        }
        if "eventbridge_source" in names:
            names.pop("topic", None)
        return {
            _MATCH_KEYS[key]: f"arn:*:{name}" if key in ("topic", "queue") else name
            for key, name in names.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that docs/operations.md describes."""
        return {
            "source": self.source,
            **{key: name for key, name in self.names.items() if key in _MATCH_KEYS},
            "count": self.count,
            "first": iso_time(self.first),
            "last": iso_time(self.last),
            "next_step": {"routes": self.unrouted}
            if self.unrouted
            else {"folder": self.folder, "match": self.match},
        }


def kinds_of(lines: Iterable[FallbackLine]) -> list[Kind]:
    """Count lines by kind, the most frequent kind first."""
    kinds: dict[tuple[Any, ...], Kind] = {}
    for line in lines:
        kind = kinds.setdefault(
            (line.source, line.names), Kind(line.source, dict(line.names), 0, line.at, line.at)
        )
        kind.count += 1
        kind.first, kind.last = min(kind.first, line.at), max(kind.last, line.at)
    return sorted(kinds.values(), key=lambda kind: (-kind.count, kind.source, sorted(kind.names.items())))


@dataclass(frozen=True, slots=True)
class FallbackListing:
    """The kinds of events that fell back in a stack since a time."""

    stack: str
    since: float
    now: float
    kinds: list[Kind]
    is_complete: bool

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that docs/operations.md describes."""
        return {
            "stack": self.stack,
            "since": iso_time(self.since),
            "complete": self.is_complete,
            "count": sum(kind.count for kind in self.kinds),
            "kinds": [kind.as_json() for kind in self.kinds],
        }

    def show(self, console: Console) -> None:
        """Print the kinds and, for each, the route to add or the source folder that is worth writing."""
        number = sum(kind.count for kind in self.kinds)
        # Both times are readings of a clock, so that seven days may be a moment less.
        age = format_age(round(self.now - self.since))
        noun = "event" if number == 1 else "events"
        console.print(Text(f"{number} {noun} fell back in the last {age} ({self.stack})", style="bold"))
        if not self.kinds:
            return
        table = Table("fallback source", "from", "count", "first", "last", box=None, pad_edge=False)
        for kind in self.kinds:
            first, last = format_age(self.now - kind.first), format_age(self.now - kind.last)
            table.add_row(*map(Text, (kind.source, _origin(kind), str(kind.count), first, last)))
        console.print(table)
        console.print("Next step, for those that deserve their own words (docs/writing-a-source.md):")
        for step in dict.fromkeys(map(_step, self.kinds)):
            console.print(Text(step), soft_wrap=True)


def _step(kind: Kind) -> str:
    """Return the route to add or the folder to write.

    Two kinds may need the same one: JSON and text of one queue.
    """
    if kind.unrouted:
        routes = " or ".join(f'source = "{name}"' for name in kind.unrouted)
        return f"  config/relay.toml\n    [[route]]\n    {routes}"
    rule = [f'{key} = "{name}"' for key, name in kind.match.items()]
    if "sqs_queue" in kind.match or not rule:
        # A rule for the queue alone would take all other messages in it too.
        rule.append(f"when = {_DESCRIPTION}")
    return "\n    ".join([f"  {kind.folder}source.toml", "[[match]]", *rule])


def _origin(kind: Kind) -> str:
    bus = ": ".join(
        kind.names[key] for key in ("eventbridge_source", "eventbridge_detail_type") if key in kind.names
    )
    places = [f"{key} {kind.names[key]}" for key in ("topic", "queue") if key in kind.names]
    return ", ".join(part for part in (bus, *places) if part) or "-"
