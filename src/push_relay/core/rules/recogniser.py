"""The recogniser makes events of messages that AWS delivered and that `receive` did not queue."""

from collections.abc import Callable, Mapping, Sequence

from push_relay.core.errors import ConfigurationInvalid, SchemaViolation
from push_relay.core.event import Arrival, Event
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.rules.recognition import Sources, hint, known, recognised
from push_relay.core.rules.routing import Routing


def _unrouted(sources: Sequence[str]) -> Mapping[str, str]:
    return {"unrouted": ", ".join(sources)} if sources else {}


def _ignore(_event: Event, _names: Mapping[str, str]) -> None:
    """Note nothing, for previews."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The source folders with their match rules, and the policies for sources and topics in relay.toml.

    now        returns the seconds since the epoch
    fell_back  is called with each event that a fallback source takes, and with names: those under which AWS
               delivered it, and as `unrouted` the sources that would take it if they had a route
    as_routed  sources that take part as if there was a route for them, for previews
    """

    sources: Sources
    routing: Routing
    now: Callable[[], float]
    fell_back: Callable[[Event, Mapping[str, str]], None] = _ignore
    as_routed: frozenset[str] = frozenset()

    def recognise(self, arrival: Arrival) -> Event:
        """Make the event of a message that AWS delivered; `recognition.py` finds its source.

        An event of unknown age counts from now, so that it is not too old. So does one with a time in the
        future, which its publisher may have chosen: it would wait for that time. Raises UnknownSource,
        AmbiguousSource, SchemaViolation, and MalformedRequest for a text or a list that no source takes.
        """
        routing = self.routing
        routed = routing.routed_sources
        if self.as_routed:
            routed |= self.as_routed
        source, reading, is_fallback, unrouted = recognised(
            arrival, self.sources, routing.eventbridge_topics, routed
        )
        now = self.now()
        dated = replace(reading, received_at=min(reading.received_at or now, now))
        try:
            event = source.event(dated, routing.reads(source.name))
        except SchemaViolation as exc:
            exc.detail += hint(reading)
            raise
        if is_fallback:
            # Imported here: most events have a source of their own.
            from push_relay.core.rules.transport import transport_names  # noqa: PLC0415

            self.fell_back(event, {**transport_names(reading), **_unrouted(unrouted)})
        return event

    def has_source(self, name: str | None) -> bool:
        """Return whether a source has a name. Never raises: an invalid folder is a source too."""
        try:
            return known(name, self.sources) is not None
        except ConfigurationInvalid:
            return True

    @property
    def urgent_sources(self) -> frozenset[str]:
        """The sources that have a route of high priority."""
        return self.routing.routes.urgent_sources
