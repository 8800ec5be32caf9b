"""Recognise what AWS delivered: whose event it is, and which reading of it counts.

A message attribute `source` that names a source decides. Otherwise the match rules do. If the rules of
several sources fit, the most specific one counts (`event_rules.Rank`). If two of them are equally specific,
the relay never guesses. The rules of fallback sources count only if no other rule fits, and only if a route
is for the source.

An SNS message may hold an EventBridge event that a rule published to the topic. SNS does not vouch for that:
anyone who writes the text of a message can write such an event. So EventBridge's envelope is removed only if

- the topic is listed in `[aws] eventbridge_topics`: the deployer vouches for it, and any match rule may fit;
- or a match rule names both an `sns_topic` and an `eventbridge_source` that begins with `aws.`: the author of
  the source accepts AWS's own events from that topic. No other rule ever sees the message in this reading.

Rules that fit different readings of one message are not compared, except with those of fallback sources. The
author of the text would otherwise decide between the sources.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from push_relay.core.errors import AmbiguousSource, MalformedRequest, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.rules.event_rules import Match, Rank
from push_relay.core.rules.source import Source

#: What to add to an error of a message that no source takes.
_FALLBACK = "a fallback source would need a route in relay.toml"


class Sources(Protocol):
    """The source folders."""

    def named(self, name: str) -> Source:
        """Return a source. Raises UnknownSource."""
        ...

    def match_rules(self) -> Iterable[tuple[str, Sequence[Match]]]:
        """Return the match rules of each source that has some, with the source's name, in order of names."""
        ...


class Recognised(NamedTuple):
    """The source of an arrival, and the reading of it that counts.

    is_fallback  whether no other source's rule fits
    """

    source: Source
    reading: Arrival
    is_fallback: bool = False


class _Fit(NamedTuple):
    """The best rule of a source that fits a reading. Only the source of the best fit is read."""

    rank: Rank
    source: str
    reading: Arrival


def recognised(
    arrival: Arrival,
    sources: Sources,
    eventbridge_topics: Collection[str],
    has_route: Callable[[str], bool],
) -> Recognised:
    """Return the source of an arrival, and the reading of it that counts.

    Raises UnknownSource, AmbiguousSource, MalformedRequest for a text or a list that no source takes, and
    ConfigurationInvalid for a source folder that is wrong.
    """
    if named := known(arrival.source, sources):
        return Recognised(named, arrival)
    arrival = _vouched_for(arrival, eventbridge_topics)
    fits = [fit for name, rules in sources.match_rules() if (fit := _best_fit(name, rules, arrival))]
    own = [fit for fit in fits if fit.rank.is_no_fallback]
    fits = own or [fit for fit in fits if has_route(fit.source)]
    if not fits:
        raise MalformedRequest(_unread(arrival)) if arrival.malformed else UnknownSource(_nobodys(arrival))
    best = _most_specific(fits)
    return Recognised(sources.named(best.source), best.reading, is_fallback=not own)


def reading_for(source: Source, arrival: Arrival, eventbridge_topics: Collection[str]) -> Arrival:
    """Return the reading of an SNS message that counts for a source that the sender's URL names."""
    arrival = _vouched_for(arrival, eventbridge_topics)
    if arrival.enclosed and any(_takes(match, arrival.enclosed) for match in source.matches):
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


def _best_fit(source: str, rules: Iterable[Match], arrival: Arrival) -> _Fit | None:
    """Return a source's best rule: one that is not a fallback, then one that takes the event in a message."""
    return max(
        _fits(source, rules, arrival),
        key=lambda fit: (fit.rank.is_no_fallback, fit.reading is not arrival, fit.rank),
        default=None,
    )


def _fits(source: str, rules: Iterable[Match], arrival: Arrival) -> Iterator[_Fit]:
    for match in rules:
        if arrival.enclosed and _takes(match, arrival.enclosed):
            yield _Fit(match.rank, source, arrival.enclosed)
        if match.fits(arrival):
            yield _Fit(match.rank, source, arrival)


def _takes(match: Match, enclosed: Arrival) -> bool:
    return match.takes_aws_events_in_sns and match.fits(enclosed)


def _most_specific(fits: list[_Fit]) -> _Fit:
    """Return the fit with the highest rank.

    Raises AmbiguousSource if there are several, or fits of different readings that are not of fallbacks.
    """
    highest = max(fit.rank for fit in fits)
    are_comparable = not highest.is_no_fallback or all(fit.reading is fits[0].reading for fit in fits)
    best = [fit for fit in fits if fit.rank == highest] if are_comparable else fits
    if len(best) > 1:
        names = ", ".join(fit.source for fit in best)
        raise AmbiguousSource(f"the match rules of several sources fit the message equally well: {names}")
    return best[0]


def _nobodys(arrival: Arrival) -> str:
    named = (
        "the message's attribute `source` names no source"
        if arrival.source
        else "the message names no source"
    )
    return f"{named}, and no source's match rules fit it{hint(arrival)}; {_FALLBACK}"


def _unread(arrival: Arrival) -> str:
    return f"{arrival.malformed}, and no source takes it as a text or a list; {_FALLBACK}"
