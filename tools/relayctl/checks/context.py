"""The context of an expression: all that a check knows beside its tree."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from relayctl.checks.examples import Examples


class Context(NamedTuple):
    """The context of an expression.

    text      the expression
    examples  the examples of the source; None if it has none that can be read
    has_type  whether the source determines the type of its events
    values    the names of the source's named values, be they readable here or not
    """

    text: str
    examples: "Examples | None"
    has_type: bool = True
    values: tuple[str, ...] = ()
