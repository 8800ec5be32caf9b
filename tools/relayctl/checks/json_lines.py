"""Find the line of a value in a JSON text.

JSON's reader does not return lines, but YAML's does, and JSON is YAML.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml


def line_of(text: str, pointer: Sequence[str | int]) -> int:
    """Return the line (from 1) of what a pointer leads to, or of the last part of it that is there."""
    # Imported here: only a mistake needs it.
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return 1
    line = 1
    for step in pointer:
        child = _child(node, step)
        if child is None:
            break
        key, node = child
        line = key.start_mark.line + 1
    return line


def _child(node: "yaml.Node | None", step: str | int) -> "tuple[yaml.Node, yaml.Node] | None":
    import yaml

    match node:
        case yaml.MappingNode(value=pairs):
            return next(((key, value) for key, value in pairs if key.value == str(step)), None)
        case yaml.SequenceNode(value=items) if isinstance(step, int) and step < len(items):
            return items[step], items[step]
        case _:
            return None
