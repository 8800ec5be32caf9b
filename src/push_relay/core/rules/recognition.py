"""Recognise what AWS delivered: whose event it is, and which reading of it counts.

A message attribute `source` that names a source decides. Otherwise the match rules do, in three turns:

1. the rules of sources that have a route;
2. the fallback rules of sources that have a route;
3. the rules of sources without a route, whose events are filtered then.

So a source that the deployer does not use never takes an event from one that they use, and a fallback rule
never counts without a route. The first turn in which a rule fits decides. If the rules of several sources fit
in it, the most specific one counts (`event_rules.Rank`). If two are equally specific, the relay never
guesses.

An SNS message may hold an EventBridge event that a rule published to the topic. SNS does not vouch for that:
anyone who writes the text of a message can write such an event. So EventBridge's envelope is removed only if

- the topic is listed in `[aws] eventbridge_topics`: the deployer vouches for it, and any match rule may fit;
- or a match rule names both an `sns_topic` and an `eventbridge_source` that begins with `aws.`: the author of
  the source accepts AWS's own events from that topic. No other rule ever sees the message in this reading.

Rules that fit different readings of one message are not compared, except those of fallback sources. The
author of the text would otherwise decide between the sources.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from push_relay.core.errors import AmbiguousSource, MalformedRequest, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.rules.event_rules import Match, Rank
from push_relay.core.rules.source import Source

#: The match rules of a source, with its name.
type _Rules = tuple[str, Sequence[Match]]

#: What to add to an error of a message that no source takes.
_FALLBACK = "a fallback source would need a route in relay.toml"


class Sources(Protocol):
    """The source folders."""

    def named(self, name: str) -> Source:
        """Return a source. Raises UnknownSource."""
        ...

    def match_rules(self, arrival: Arrival, /) -> Iterable[_Rules]:
        """Return the match rules of sources, with the sources' names, in order of names.

        A rule may be missing if it fits neither the arrival nor the event enclosed in it.
        """
        ...


class Recognised(NamedTuple):
    """The source of an arrival, and the reading of it that counts.

    is_fallback  whether only a fallback rule of a source with a route fits
    unrouted     then, the sources without a route whose own rules fit, in order of names
    """

    source: Source
    reading: Arrival
    is_fallback: bool = False
    unrouted: tuple[str, ...] = ()


class _Fit(NamedTuple):
    """The best rule of a source that fits a reading. Only the source of the best fit is read."""

    rank: Rank
    source: str
    reading: Arrival


def recognised(
    arrival: Arrival,
    sources: Sources,
    eventbridge_topics: Collection[str],
    routed: Container[str],
) -> Recognised:
    """Return the source of an arrival, and the reading of it that counts.

    routed  the sources for which there is a route

    Raises UnknownSource, AmbiguousSource, MalformedRequest for a text or a list that no source takes, and
    ConfigurationInvalid for a source folder that is wrong.
    """
    if named := known(arrival.source, sources):
        return Recognised(named, arrival)
    arrival = _vouched_for(arrival, eventbridge_topics)
    used: list[_Rules] = []
    unused: list[_Rules] = []
    for name, rules in sources.match_rules(arrival):
        (used if name in routed else unused).append((name, rules))
    if own := _best_fits(used, arrival, fallback=False):
        return _chosen(own, sources)
    fallbacks = _best_fits(used, arrival, fallback=True)
    # Sources without a route are tried last, so that their conditions are rarely compiled.
    others = _best_fits(unused, arrival, fallback=False)
    if fallbacks:
        names = tuple(fit.source for fit in others)
        return _chosen(fallbacks, sources)._replace(is_fallback=True, unrouted=names)
    if others:
        return _chosen(others, sources)
    raise MalformedRequest(_unread(arrival)) if arrival.malformed else UnknownSource(_nobodys(arrival))


def _chosen(fits: list[_Fit], sources: Sources) -> Recognised:
    best = _most_specific(fits)
    return Recognised(sources.named(best.source), best.reading)


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


def _best_fits(sources: Iterable[_Rules], arrival: Arrival, *, fallback: bool) -> list[_Fit]:
    """Return the best fit of each source, among its fallback rules or among the others.

    Of two rules of a source, one that takes the event in a message goes before one that takes the message.
    """
    fits = []
    for name, rules in sources:
        own = [match for match in rules if match.fallback is fallback]
        best = max(
            _fits(name, own, arrival), key=lambda fit: (fit.reading is not arrival, fit.rank), default=None
        )
        fits += [best] if best else []
    return fits


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
