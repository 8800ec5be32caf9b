"""The examples of the shipped sources, as the production code reads them."""

from pathlib import Path

from fakes import SHIPPED
from push_relay.adapters.catalog import Catalog
from push_relay.core.event import Arrival, Event
from push_relay.core.rules.source import Source
from relayctl.examples import Example, arrivals, examples_of

CATALOG = Catalog(SHIPPED)
EXAMPLES = [example for name in CATALOG.names() for example in examples_of(SHIPPED, name)]


def source_of(example: Example) -> Source:
    """Return the source of an example."""
    return CATALOG.named(example.source)


def arrivals_of(example: Example) -> list[Arrival]:
    """Return the arrivals of an example's events."""
    return arrivals(source_of(example), example)


def events_of(example: Example) -> list[Event]:
    """Return an example's events. Raises SchemaViolation."""
    return [source_of(example).event(arrival) for arrival in arrivals_of(example)]


def folder_of(example: Example) -> Path:
    """Return the folder of an example's source."""
    return SHIPPED / example.source
