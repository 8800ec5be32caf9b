"""Build the index of conditions (`index.py`) of what they require (`requirements.py`)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from push_relay.core.rules.index import Node
from push_relay.core.rules.requirements import Aspect, Requirement

#: Aspects that are looked at one after the other on the way to a condition.
_MOST_LEVELS = 4
#: How often a condition may be among those of an aspect, on average. One that requires one of several keys is
#: there for each.
_MOST_COPIES = 4


class _Item(NamedTuple):
    """A condition's position, and by aspect the sets of keys that it requires one of."""

    position: int
    keys: Mapping[Aspect, Sequence[frozenset[str]]]


class _Parted(NamedTuple):
    """Conditions by the keys of one aspect, and those without a requirement about it."""

    by_key: Mapping[str, list[_Item]]
    rest: list[_Item]

    @property
    def cost(self) -> float:
        """How many conditions an event leads to, if events are as frequent as conditions with their keys."""
        sizes = [len(items) for items in self.by_key.values()]
        return len(self.rest) + sum(size * size for size in sizes) / sum(sizes)

    @property
    def copies(self) -> int:
        """The conditions in it, each for each of its keys."""
        return len(self.rest) + sum(len(items) for items in self.by_key.values())


def build_index(required: Iterable[Iterable[Requirement]]) -> Node:
    """Return the index of conditions, of each of which the requirements are given. Positions are from 0."""
    items = []
    for position, requirements in enumerate(required):
        keys: defaultdict[Aspect, list[frozenset[str]]] = defaultdict(list)
        for aspect, each in requirements:
            keys[aspect].append(each)
        items.append(_Item(position, keys))
    return _node(items, frozenset())


def _node(items: list[_Item], used: frozenset[Aspect]) -> Node:
    """Part conditions by the aspect that leaves the fewest for an event, as long as one leaves fewer."""
    positions = [item.position for item in items]
    if len(items) == 1:
        return positions[0]
    if not items or len(used) == _MOST_LEVELS:
        return positions
    # Sorted, so that the same conditions give the same index.
    aspects = sorted({aspect for item in items for aspect in item.keys} - used)
    parted = {aspect: _by_key(items, aspect) for aspect in aspects}
    useful = [aspect for aspect in aspects if parted[aspect].copies <= _MOST_COPIES * len(items)]
    best = min(useful, key=lambda aspect: parted[aspect].cost, default=None)
    if best is None or parted[best].cost >= len(items):
        return positions
    by_key, rest = parted[best]
    return {
        "kind": best[0],
        "path": list(best[1]),
        "nodes": {key: _node(by_key[key], used | {best}) for key in sorted(by_key)},
        "rest": _node(rest, used | {best}),
    }


def _by_key(items: Iterable[_Item], aspect: Aspect) -> _Parted:
    """Part conditions by the keys of an aspect. Of several sets of keys, a condition uses the rarest."""
    frequency = Counter(key for item in items for keys in item.keys.get(aspect, ()) for key in keys)
    parted = _Parted(defaultdict(list), [])
    for item in items:
        sets = item.keys.get(aspect)
        if not sets:
            parted.rest.append(item)
            continue
        for key in min(sets, key=lambda keys: (sum(frequency[key] for key in keys), sorted(keys))):
            parted.by_key[key].append(item)
    return parted
