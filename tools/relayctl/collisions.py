"""Find match rules of different sources that can fit the same message, and of which none goes before.

Such a message would be dead-lettered as `ambiguous_source`. The result is a warning, because two conditions
may exclude each other. They are tried on the examples of both sources: if each condition holds on some of
them, and both on none, they are taken to exclude each other. A source without a route takes no event from one
with a route, so two such rules do not collide.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from typing import NamedTuple

from push_relay.core.event import Arrival
from push_relay.core.rules.event_rules import Match
from push_relay.core.rules.findings import COLLIDING_RULES, Finding
from push_relay.core.rules.source import Source

_TOPIC, _QUEUE, _BUS = "sns-topic", "sqs-queue", "eventbridge-"


class _Rule(NamedTuple):
    """A match rule with its place: the number is from 1."""

    source: Source
    number: int
    match: Match

    @property
    def place(self) -> str:
        """The rule as a message names it."""
        return f"match[{self.number}] of {self.source.name}"


#: Returns the arrivals of the examples of a source, by its name.
type Samples = Callable[[str], Sequence[Arrival]]


def collisions(
    sources: Sequence[Source],
    eventbridge_topics: Collection[str],
    routed: Collection[str],
    samples: Samples,
) -> Iterator[Finding]:
    """Yield a warning for each pair of rules that can collide, about the second of the two.

    routed  the sources for which there is a route
    """
    rules = [
        _Rule(source, number, match)
        for source in sources
        for number, match in enumerate(source.matches, start=1)
    ]
    for first, second in combinations(rules, 2):
        one, other = first.source.name, second.source.name
        if one == other or (one in routed) != (other in routed):
            continue
        if _collide(first, second, eventbridge_topics, samples):
            message = _message(first, second)
            yield second.source.match_warning(second.number - 1, message, COLLIDING_RULES)


def _collide(first: _Rule, second: _Rule, eventbridge_topics: Collection[str], samples: Samples) -> bool:
    one, other = first.match, second.match
    if one.fallback != other.fallback:
        return False
    if one.rank == other.rank:
        return _can_fit_the_same(
            dict(one.patterns), dict(other.patterns), eventbridge_topics
        ) and not _exclude_each_other(first, second, samples)
    # An event inside a notification and the notification itself are not compared (`recognition.py`).
    return not one.fallback and any(
        _read_apart(inner.match, outer.match) and not _is_never_outer(outer, inner, samples)
        for inner, outer in ((first, second), (second, first))
    )


def _read_apart(inner: Match, outer: Match) -> bool:
    patterns = dict(outer.patterns)
    is_outer = patterns.keys() == {_TOPIC} and inner.takes_aws_events_in_sns
    return is_outer and _overlap(dict(inner.patterns)[_TOPIC], patterns[_TOPIC])


def _exclude_each_other(first: _Rule, second: _Rule, samples: Samples) -> bool:
    """Return whether the examples of both sources show that two conditions do not hold together."""
    conditions = (first.match.when, second.match.when)
    if not all(conditions):
        return False
    arrivals = [arrival for rule in (first, second) for arrival in samples(rule.source.name)]
    held = [[_holds(rule.match, arrival) for rule in (first, second)] for arrival in arrivals]
    is_tried = any(one for one, _ in held) and any(other for _, other in held)
    return is_tried and not any(one and other for one, other in held)


def _is_never_outer(outer: _Rule, inner: _Rule, samples: Samples) -> bool:
    """Return whether an EventBridge event as a whole does not fit a condition about notifications."""
    published = [arrival for arrival in samples(inner.source.name) if arrival.enclosed]
    return (
        outer.match.when is not None
        and bool(published)
        and not any(_holds(outer.match, arrival) for arrival in published)
    )


def _holds(match: Match, arrival: Arrival) -> bool:
    return match.when is not None and match.when.holds(arrival.scope())


def _message(first: _Rule, second: _Rule) -> str:
    conditions = {rule.match.when.text for rule in (first, second) if rule.match.when}
    both = " if both conditions hold" if len(conditions) > 1 else ""
    return (
        f"can fit the same message as {first.place}, and neither goes before the other: the message is "
        f"ambiguous{both}. Make one of them more exact"
    )


def _can_fit_the_same(
    first: Mapping[str, str], second: Mapping[str, str], eventbridge_topics: Collection[str]
) -> bool:
    """Return whether a message can have the headers that both rules need, with values that fit both."""
    names = first.keys() | second.keys()
    if _QUEUE in names and len(names) > 1:
        return False
    if not all(_overlap(first[name], second[name]) for name in first.keys() & second.keys()):
        return False
    if not (_TOPIC in names and any(name.startswith(_BUS) for name in names)):
        return True
    # Only an event inside a notification has both, and only a listed topic shows it to every rule.
    patterns = [rules[_TOPIC] for rules in (first, second) if _TOPIC in rules]
    takes_both = all(_TOPIC in rules and any(n.startswith(_BUS) for n in rules) for rules in (first, second))
    return takes_both or any(
        all(fnmatchcase(topic, pattern) for pattern in patterns) for topic in eventbridge_topics
    )


def _overlap(first: str, second: str) -> bool:
    """Return whether a text can fit both of two patterns. A set (`[abc]`) counts as any character."""
    if _begin(first, second) != _begin(second, first):
        return False
    one, other = _parts(first), _parts(second)
    # reachable[j]: the parts of `one` so far and the first j of `other` can fit the same text
    reachable = [all(part == "*" for part in other[:j]) for j in range(len(other) + 1)]
    for part in one:
        following = [reachable[0] and part == "*"]
        for j, against in enumerate(other, start=1):
            if "*" in (part, against):
                following.append(reachable[j] or following[j - 1])
            else:
                following.append(reachable[j - 1] and ("?" in (part, against) or part == against))
        reachable = following
    return reachable[-1]


def _begin(pattern: str, other: str) -> str:
    """Return the first characters of a pattern, as many as neither of two patterns has before a wildcard."""
    lengths = [len(re.split(r"[*?\[]", each, maxsplit=1)[0]) for each in (pattern, other)]
    return pattern[: min(lengths)]


def _parts(pattern: str) -> list[str]:
    parts: list[str] = []
    rest = pattern
    while rest:
        end = rest.find("]", 2) if rest[0] == "[" else -1
        parts.append("?" if end > 0 else rest[0])
        rest = rest[end + 1 :] if end > 0 else rest[1:]
    return parts
