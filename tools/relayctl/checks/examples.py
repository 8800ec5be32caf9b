"""The examples of a source folder: their fields, with types and values, and the types of their events."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from push_relay.core.errors import ConfigurationInvalid, RelayError, SchemaViolation
from push_relay.core.event import Arrival, Event
from push_relay.core.rules.findings import choices
from push_relay.core.rules.routing_file import read_routing
from push_relay.core.rules.source import Source
from relayctl.checks.values import Path, Step, Types, type_of
from relayctl.examples import Example, arrivals_of
from relayctl.preview.inputs import InputError, parse_json, read_bytes
from relayctl.webhook import Webhook, read_webhook

#: The members of an example (docs/preview.md).
_MEMBERS = ("headers", "query", "body", "isBase64Encoded", "method", "url", "path", "documented_at")
#: Values of a field that are looked at.
_MOST = 500
#: Texts longer than this are not words that a condition compares.
_LONGEST_WORD = 60


class Failure(NamedTuple):
    """An example that does not become a push as it should.

    line        the line of the file; 0 for the file as a whole
    is_refused  whether it is not an event at all
    """

    example: Example
    message: str
    line: int = 0
    is_refused: bool = False


class Examples:
    """The examples of one source, as the expressions of its rules would see them.

    scopes    what expressions read, for each event of each example
    failures  the examples that the source refuses, or whose wording fails
    """

    def __init__(self, source: Source, examples: Sequence[Example], *, with_wording: bool) -> None:
        """Read the examples. `with_wording`: also write the wording of their events."""
        self._with_wording = with_wording
        self.scopes: list[Mapping[str, Any]] = []
        self.failures: list[Failure] = []
        self._known: dict[Path, Sequence[Any]] = {}
        self._types: dict[Path, Types] = {}
        self._members: dict[Path, frozenset[str]] = {}
        for example in examples:
            self._add(source, example)

    def _add(self, source: Source, example: Example) -> None:
        try:
            for arrival in arrivals_of(source, self._request(example)):
                self._add_arrival(source, example, arrival)
        except ConfigurationInvalid:
            # A mistake in the source, which is reported elsewhere.
            return
        except SchemaViolation as exc:
            places = ", ".join(
                f"{found.pointer or '/'} breaks `{found.rule}`" for found in exc.violations[:3]
            )
            hint = "correct the schema if the sender sends this, and the example if not"
            if not _is_a_handshake(source, example):
                self._refused(example, f"is refused by schema.json: {places}; {hint}")
        except RelayError as exc:
            if not _is_a_handshake(source, example):
                self._refused(example, f"is refused: {exc.detail}")
        except InputError as exc:
            found = re.fullmatch(r"(?:.*\.json:)?(?:(\d+):)? ?(.*)", str(exc), re.DOTALL)
            line, message = found.groups() if found else (None, str(exc))
            self._refused(example, message, int(line or 0))
        except ValueError as exc:
            self._refused(example, str(exc))

    def _request(self, example: Example) -> Webhook:
        """Read an example. Raises InputError and ValueError."""
        document = parse_json(str(example.file), read_bytes(str(example.file)))
        if not isinstance(document, dict):
            raise InputError('is not an object: {"headers": {...}, "query": {...}, "body": ...}')
        for name in document:
            if name not in _MEMBERS:
                self._refused(example, f"has a member `{name}`, which is ignored; {choices(name, _MEMBERS)}")
        return read_webhook(document)

    def _refused(self, example: Example, message: str, line: int = 0) -> None:
        self.failures.append(Failure(example, message, line, is_refused=True))

    def _add_arrival(self, source: Source, example: Example, arrival: Arrival) -> None:
        headers = {name.lower(): value for name, value in arrival.headers.items()}
        scope = {"data": arrival.data, "headers": headers, "query": arrival.query}
        try:
            event = source.event(arrival)
        except ConfigurationInvalid:
            self.scopes.append(scope)
            raise
        self.scopes.append({**event.scope(), **scope})
        if self._with_wording:
            self._write(source, example, event)

    def _write(self, source: Source, example: Example, event: Event) -> None:
        try:
            errors = source.wording(event).errors
        except ConfigurationInvalid:
            return
        except RelayError as exc:
            self.failures.append(Failure(example, f"becomes no push: {exc.detail}"))
        else:
            self.failures += [Failure(example, error.detail) for error in errors]

    def __bool__(self) -> bool:
        """Return whether there is an event to compare with."""
        return bool(self.scopes)

    @cached_property
    def event_types(self) -> frozenset[str]:
        """The types of the events."""
        return frozenset(scope["type"] for scope in self.scopes if scope.get("type"))

    def has(self, path: Path) -> bool:
        """Return whether an example has a field, be it null or not."""
        return bool(self._at(path))

    def types(self, path: Path) -> Types:
        """Return the types that a field has in the examples. None if no example has it."""
        if path not in self._types:
            self._types[path] = frozenset(map(type_of, self._at(path)))
        return self._types[path]

    def words(self, path: Path) -> frozenset[str]:
        """Return the short texts that a field has in the examples."""
        return frozenset(
            value for value in self._at(path) if isinstance(value, str) and len(value) <= _LONGEST_WORD
        )

    def members(self, path: Path) -> frozenset[str]:
        """Return the names of the members that an object has in the examples."""
        if path not in self._members:
            values = self._at(path)
            self._members[path] = frozenset(
                name for each in values if isinstance(each, dict) for name in each
            )
        return self._members[path]

    def _at(self, path: Path) -> Sequence[Any]:
        """Return the values of a field. Many expressions read the same ones, so they are kept."""
        if path not in self._known:
            around = self._at(path[:-1]) if len(path) > 1 else self.scopes
            found = [inner for value in around for inner in _step(value, path[-1])]
            self._known[path] = found[:_MOST]
        return self._known[path]


def _is_a_handshake(source: Source, example: Example) -> bool:
    """Return whether an example is the sender's question, which is not an event."""
    if source.handshake is None:
        return False
    # Imported here, because a preview needs most of the relay, and few examples are questions.
    from relayctl.preview.inputs import read_input
    from relayctl.preview.layered_sources import LayeredSources
    from relayctl.preview.previewer import Previewer
    from relayctl.preview.stand_ins import PreviewClock, door_maker

    clock = PreviewClock()
    sources = LayeredSources(example.file.parents[1])
    previewer = Previewer(sources, read_routing({}), door_maker(None, None, clock), clock)
    return previewer.preview(read_input(str(example.file))).is_handshake


def _step(value: Any, step: str | Step) -> Iterable[Any]:
    if isinstance(step, str):
        return (value[step],) if isinstance(value, Mapping) and step in value else ()
    match step:
        case Step.ITEM:
            return value if isinstance(value, list) else ()
        case Step.FLAT:
            return value if isinstance(value, list) else (value,)
        case Step.ANY:
            return value.values() if isinstance(value, dict) else ()
