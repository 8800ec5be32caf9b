"""The recogniser makes events of messages that AWS delivered and that `receive` did not queue."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from push_relay.core.errors import ConfigurationInvalid, SchemaViolation
from push_relay.core.event import Arrival, Event
from push_relay.core.rules.recognition import Sources, hint, known, recognised
from push_relay.core.rules.route import Routing


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The source folders with their match rules, and the policies for sources and topics in relay.toml.

    now  returns the seconds since the epoch
    """

    sources: Sources
    routing: Routing
    now: Callable[[], float]

    def recognise(self, arrival: Arrival) -> Event:
        """Make the event of a message that AWS delivered; `recognition.py` finds its source.

        An event of unknown age counts from now, so that it is not too old. Raises UnknownSource,
        AmbiguousSource, SchemaViolation.
        """
        source, reading = recognised(arrival, self.sources, self.routing.eventbridge_topics)
        dated = replace(reading, received_at=reading.received_at or self.now())
        try:
            return source.event(dated, self.routing.reads(source.name))
        except SchemaViolation as exc:
            exc.detail += hint(reading)
            raise

    def has_source(self, name: str | None) -> bool:
        """Return whether a source has a name. Never raises: an invalid folder is a source too."""
        try:
            return known(name, self.sources) is not None
        except ConfigurationInvalid:
            return True

    @property
    def urgent_sources(self) -> frozenset[str]:
        """The sources that have a route of high priority."""
        return self.routing.urgent_sources()
