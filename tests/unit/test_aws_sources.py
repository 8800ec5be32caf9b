"""Events of AWS's services reach the folders of the catalogue, or a fallback as long as there is no route."""

from typing import Final

import pytest

from catalogue import CATALOG
from fakes import SHIPPED
from push_relay.core.event import Arrival
from push_relay.core.rules.recognition import recognised
from push_relay.core.rules.wording import WordingResult
from relayctl.sample_arrivals import sample_arrivals

#: The routes of a deployer who has added none since the fallback sources took the events of most services.
FALLBACKS: Final = ("aws-event", "text")
#: The sources with match rules. EventBridge events among their examples are also tried inside SNS messages.
MATCHING: Final = [source.name for source in CATALOG.all() if source.matches]
SERVICES: Final = [name for name in MATCHING if name not in {*FALLBACKS, "push"}]


def words(arrival: Arrival, *routed: str) -> tuple[str, WordingResult, tuple[str, ...]]:
    """Return the source of an arrival, its words, and the sources that would take it if they had a route."""
    source, reading, _, unrouted = recognised(arrival, CATALOG, (), routed)
    return source.name, source.wording(source.event(reading)), unrouted


@pytest.mark.parametrize("name", SERVICES)
def test_an_event_of_a_service_reaches_its_folder_through_each_transport(name: str) -> None:
    """An EventBridge rule may publish to a topic, which need not be listed for AWS's own events."""
    arrivals = sample_arrivals(SHIPPED, name)
    assert arrivals
    for arrival in arrivals:
        assert words(arrival, *MATCHING)[0] == name


@pytest.mark.parametrize("name", SERVICES)
def test_an_event_of_a_service_without_a_route_is_a_push_of_a_fallback(name: str) -> None:
    """An update that adds a folder to the catalogue takes no push from anybody."""
    for arrival in sample_arrivals(SHIPPED, name):
        source, written, unrouted = words(arrival, *FALLBACKS)
        assert source in FALLBACKS
        assert unrouted == (name,)
        assert written.wording is not None
        assert not written.errors


@pytest.mark.parametrize("name", SERVICES)
def test_an_event_of_a_service_is_filtered_if_nobody_uses_its_source_or_a_fallback(name: str) -> None:
    """It does not become a dead letter: the relay knows the event, and nobody wants it."""
    for arrival in sample_arrivals(SHIPPED, name):
        assert words(arrival)[0] == name
