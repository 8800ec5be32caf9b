"""The index of conditions: it finds those that may hold for a scope, without evaluating the others.

The build makes it (`index_building.py`) of what each condition requires of a scope (`requirements.py`). It is
JSON: a node is a position, a list of positions, or an object that parts them by an aspect of the scope:

| key | content |
|---|---|
| `kind` | how the scope is looked at: `value`, `members` or `tail` |
| `path` | the names of the members that lead to the value that is looked at |
| `nodes` | by key, the node of the conditions that require one of several keys |
| `rest` | the node of the conditions without such a requirement |
"""

from collections.abc import Iterable, Mapping
from typing import Any

from push_relay.core.rules.evaluation import value_at

#: The kinds of aspects: the value is a text or an integer; the value is an object with a member; the value is
#: a text whose part after the last colon is the key.
VALUE, MEMBERS, TAIL = "value", "members", "tail"
#: Integers that are keys lie between this and its negative. A JSON number of that size may be rounded.
_MOST = 2**53

type Node = int | list[int] | dict[str, Any]


def candidates(node: Node, scope: Mapping[str, Any]) -> list[int]:
    """Return the positions of the conditions that may hold, in their order. All others are false."""
    found: set[int] = set()
    left = [node]
    while left:
        each = left.pop()
        if isinstance(each, int):
            found.add(each)
        elif isinstance(each, list):
            found.update(each)
        else:
            nodes = each["nodes"]
            keys = _keys(each["kind"], value_at(each["path"], scope), nodes)
            left += [each["rest"], *(nodes[key] for key in keys)]
    return sorted(found)


def key_of(value: object) -> str | None:
    """Return the key of a text, an integer or a boolean. Other values have none.

    Values that JMESPath's `==` holds for have the same key, and a few others too: `1`, `1.0` and `true`.
    """
    if isinstance(value, str):
        return f"={value}"
    if not isinstance(value, int | float) or not -_MOST < value < _MOST:
        return None
    return str(int(value)) if value == int(value) else None


def tail_of(text: str) -> str:
    """Return the part of a text after its last colon, such as the name in an ARN."""
    return text.rpartition(":")[2]


def _keys(kind: str, value: Any, nodes: Mapping[str, Node]) -> Iterable[str]:
    """Return the keys of nodes that a value leads to."""
    if kind == MEMBERS:
        return nodes.keys() & value.keys() if isinstance(value, Mapping) else ()
    key = key_of(value) if kind == VALUE or not isinstance(value, str) else tail_of(value)
    return (key,) if key is not None and key in nodes else ()
