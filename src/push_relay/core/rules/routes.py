"""Routes: the deployer's rules of who receives pushes, by source and condition.

A configuration may have ten thousand routes, and an event is for a few of them. So a route has two forms:

- as a **row** of JSON: its number in relay.toml (from 1), the texts of its condition and its recipients (one
  text, or a list), and, if one differs from its default, its account, priority, maximum age and batch window;
- compiled, when an event first needs it.

The routes of a source are an **entry** of JSON:

| key | content |
|---|---|
| `rows` | the routes, in the order of relay.toml |
| `index` | the index of their conditions (`index.py`) |
| `headers`, `query` | what they read of these |
| `is_urgent` | whether one of them has a high priority |
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.core.rules.expression import Expression, RequestFields, Scope
from push_relay.core.rules.index import candidates
from push_relay.core.rules.template import Template
from push_relay.core.strict_json import JsonObject

type Row = list[Any]


class Route(NamedTuple):
    """The recipients of the pushes of a source's events, if a condition holds.

    account     the account by which they are sent
    high        whether they go first, and may use the quota that is reserved for what is urgent
    max_age     seconds after which they are not worth sending; None: the source's or the account's
    batch_secs  seconds in which its pushes to one recipient become one push; None: each is sent on its own
    """

    source: str
    when: Expression | None
    to: tuple[Template, ...]
    account: str = DEFAULT_ACCOUNT
    high: bool = False
    max_age: float | None = None
    batch_secs: float | None = None

    @property
    def urgency(self) -> tuple[float, bool]:
        """Sorts the more urgent first: without a batch window, then the shorter one, then by priority."""
        return self.batch_secs or 0.0, not self.high

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression in it."""
        when = (self.when,) if self.when else ()
        return (*when, *(expression for template in self.to for expression in template.expressions))

    def row(self, number: int) -> Row:
        """Return it as a row of JSON."""
        to = [each.text for each in self.to]
        row = [number, self.when.text if self.when else None, to[0] if len(to) == 1 else to]
        others = [self.account, self.high, self.max_age, self.batch_secs]
        return row if others == _DEFAULTS else row + others

    @classmethod
    def of_row(cls, source: str, row: Row) -> "Route":
        """Compile a row of a source."""
        _, when, to, *others = row
        condition = Expression.compile(when) if when else None
        texts = [to] if isinstance(to, str) else to
        return cls(source, condition, tuple(map(Template.compile, texts)), *others)


_DEFAULTS = [Route._field_defaults[name] for name in ("account", "high", "max_age", "batch_secs")]


class SourceRoutes:
    """The routes of one source. `compiled` has those that are compiled already, by their positions."""

    __slots__ = ("_compiled", "_entry", "_rows", "_source")

    def __init__(self, source: str, entry: JsonObject, compiled: Mapping[int, Route] = {}) -> None:
        self._source = source
        self._entry = entry
        self._rows: list[Row] = entry["rows"]
        self._compiled = dict(compiled)

    @property
    def reads(self) -> RequestFields:
        """The headers and query parameters that the routes read."""
        return RequestFields(frozenset(self._entry["headers"]), frozenset(self._entry["query"]))

    def candidates(self, scope: Scope) -> Iterator[tuple[int, Route]]:
        """Yield the routes whose conditions may hold, with their numbers, in their order.

        The conditions of the others are false, and evaluating them would raise no error.
        """
        return (
            (self._rows[position][0], self._at(position))
            for position in candidates(self._entry["index"], scope)
        )

    def numbers_without(self, excluded: Collection[int], most: int) -> tuple[list[int], int]:
        """Return the numbers of the first routes except some, and how many others there are."""
        first = list(islice((row[0] for row in self._rows if row[0] not in excluded), most))
        return first, len(self._rows) - len(excluded) - len(first)

    def __iter__(self) -> Iterator[tuple[int, Route]]:
        return ((row[0], self._at(position)) for position, row in enumerate(self._rows))

    def _at(self, position: int) -> Route:
        route = self._compiled.get(position)
        if route is None:
            route = self._compiled[position] = Route.of_row(self._source, self._rows[position])
        return route


_NO_ENTRY: JsonObject = {"rows": [], "index": [], "headers": [], "query": []}


class Routes:
    """The routes of relay.toml: `entries` are those of each source by its name."""

    def __init__(self, entries: Mapping[str, JsonObject]) -> None:
        self.entries = entries
        self._by_source: dict[str, SourceRoutes] = {}

    @classmethod
    def of(cls, routes: Iterable[Route]) -> "Routes":
        """Make the entries of compiled routes, in the order of relay.toml.

        Raises ConfigurationInvalid if an expression takes all headers or all query parameters.
        """
        # Imported here: the functions read entries that the build has made.
        from push_relay.core.rules.index_building import build_index  # noqa: PLC0415
        from push_relay.core.rules.requirements import required_by  # noqa: PLC0415

        by_source: defaultdict[str, list[tuple[int, Route]]] = defaultdict(list)
        for number, route in enumerate(routes, start=1):
            by_source[route.source].append((number, route))
        entries: dict[str, JsonObject] = {}
        for source, numbered in by_source.items():
            reads = RequestFields.of(expression for _, route in numbered for expression in route.expressions)
            entries[source] = {
                "rows": [route.row(number) for number, route in numbered],
                "index": build_index(required_by(route.when) for _, route in numbered),
                "headers": sorted(reads.headers),
                "query": sorted(reads.query),
                "is_urgent": any(route.high for _, route in numbered),
            }
        made = cls(entries)
        for source, numbered in by_source.items():
            compiled = dict(enumerate(route for _, route in numbered))
            made._by_source[source] = SourceRoutes(source, entries[source], compiled)
        return made

    def of_source(self, source: str) -> SourceRoutes:
        """Return the routes of a source, of which there may be none."""
        if source not in self.entries:
            return SourceRoutes(source, _NO_ENTRY)
        if source not in self._by_source:
            self._by_source[source] = SourceRoutes(source, self.entries[source])
        return self._by_source[source]

    @cached_property
    def sources(self) -> frozenset[str]:
        """The sources that have a route."""
        return frozenset(self.entries)

    @cached_property
    def urgent_sources(self) -> frozenset[str]:
        """The sources that have an urgent route."""
        return frozenset(source for source, entry in self.entries.items() if entry["is_urgent"])

    def __len__(self) -> int:
        return sum(len(entry["rows"]) for entry in self.entries.values())

    def __iter__(self) -> Iterator[Route]:
        """Yield all routes in the order of relay.toml."""
        numbered = (each for source in self.entries for each in self.of_source(source))
        return (route for _, route in sorted(numbered, key=lambda each: each[0]))
