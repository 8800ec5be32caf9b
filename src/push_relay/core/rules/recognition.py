"""Recognise what AWS delivered: whose event it is, and which reading of it counts.

A message attribute `source` that names a source decides. Otherwise the match rules do:
exactly one source's must fit, because the relay never guesses.

An SNS message may hold an EventBridge event that a rule published to the topic. SNS does not vouch for that:
anyone who writes the text of a message can write such an event. So EventBridge's envelope is removed only if

- the topic is listed in `[aws] eventbridge_topics`: the deployer vouches for it, and any match rule may fit;
- or a match rule names both an `sns_topic` and an `eventbridge_source` that begins with `aws.`: the author of
  the source accepts AWS's own events from that topic. No other rule ever sees the message in this reading.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from push_relay.core.errors import AmbiguousSource, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.rules.source import Source


class Sources(Protocol):
    """The source folders."""

    def named(self, name: str) -> Source:
        """Return a source. Raises UnknownSource."""
        ...

    def all(self) -> Iterable[Source]:
        """Return every source."""
        ...


def recognised(
    arrival: Arrival, sources: Sources, eventbridge_topics: Collection[str]
) -> tuple[Source, Arrival]:
    """Return the source of an arrival, and the reading of it that counts.

    Raises UnknownSource, AmbiguousSource, and ConfigurationInvalid for a source folder that is wrong.
    """
    if named := known(arrival.source, sources):
        return named, arrival
    arrival = _vouched_for(arrival, eventbridge_topics)
    fitting = [(source, reading) for source in sources.all() if (reading := _fitting(source, arrival))]
    match fitting:
        case [only]:
            return only
        case []:
            raise UnknownSource(_nobodys(arrival))
        case _:
            names = ", ".join(source.name for source, _ in fitting)
            raise AmbiguousSource(f"the match rules of several sources fit the message: {names}")


def reading_for(source: Source, arrival: Arrival, eventbridge_topics: Collection[str]) -> Arrival:
    """Return the reading of an SNS message that counts for a source that the sender's URL names."""
    arrival = _vouched_for(arrival, eventbridge_topics)
    if arrival.enclosed and _takes(source, arrival.enclosed):
        return arrival.enclosed
    return arrival


def hint(reading: Arrival) -> str:
    """Return what to add to the error of a message that was read whole; empty if it could be nothing else."""
    if reading.enclosed is None:
        return ""
    return (
        "; it looks like an EventBridge event inside an SNS message, which counts as one only if relay.toml "
        "lists the topic: `[aws] eventbridge_topics`"
    )


def known(name: str | None, sources: Sources) -> Source | None:
    """Return the source of a name; None if no source has it.

    A publisher's attribute `source` may mean something else to them. Raises ConfigurationInvalid.
    """
    try:
        return sources.named(name) if name else None
    except UnknownSource:
        return None


def _vouched_for(arrival: Arrival, eventbridge_topics: Collection[str]) -> Arrival:
    if arrival.enclosed and arrival.headers["sns-topic"] in eventbridge_topics:
        return arrival.enclosed
    return arrival


def _fitting(source: Source, arrival: Arrival) -> Arrival | None:
    if arrival.enclosed and _takes(source, arrival.enclosed):
        return arrival.enclosed
    return arrival if any(match.fits(arrival) for match in source.matches) else None


def _takes(source: Source, enclosed: Arrival) -> bool:
    return any(match.takes_aws_events_in_sns and match.fits(enclosed) for match in source.matches)


def _nobodys(arrival: Arrival) -> str:
    named = (
        "the message's attribute `source` names no source"
        if arrival.source
        else "the message names no source"
    )
    return f"{named}, and no source's match rules fit it{hint(arrival)}"
