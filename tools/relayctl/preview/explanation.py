"""Why an event becomes what it becomes: each message rule and each route, with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from push_relay.core.errors import MappingFailed
from push_relay.core.event import Event
from push_relay.core.push import Recipient
from push_relay.core.rules.expression import Expression, Scope
from push_relay.core.rules.routes import Route
from push_relay.core.rules.routing import Routing
from push_relay.core.rules.source import Source
from push_relay.core.rules.template import Template


class Condition(StrEnum):
    """The result of a condition."""

    HOLDS = "holds"
    FALSE = "false"
    FAILED = "failed"


class TriedRule(NamedTuple):
    """A message rule that was tried.

    when  the condition's text, or None
    skip  why it writes no push, or empty
    """

    number: int
    when: str | None
    condition: Condition
    skip: str = ""


class TriedRecipient(NamedTuple):
    """A `to` of a route: its text, and the recipient, or the reason why there is none."""

    text: str
    recipient: Recipient | None
    reason: str = ""


class TriedRoute(NamedTuple):
    """A route of the event's source. `to` is empty if its condition does not hold."""

    number: int
    route: Route
    when: str | None
    condition: Condition
    to: tuple[TriedRecipient, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether it leads to anybody."""
        return any(tried.recipient for tried in self.to)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The message rules up to the one that writes, all routes of the source, and the memory of the event.

    remember_secs  None: as long as the ledger remembers
    """

    rules: tuple[TriedRule, ...]
    routes: tuple[TriedRoute, ...]
    remember_secs: float | None

    @property
    def writing_rule(self) -> int | None:
        """The number of the rule that writes; None if none does."""
        return next((rule.number for rule in self.rules if rule.condition is Condition.HOLDS), None)

    @property
    def skip(self) -> str:
        """Why the rule that holds writes no push; empty if it writes one, or if no rule holds."""
        return next((rule.skip for rule in self.rules if rule.condition is Condition.HOLDS), "")


def explain(event: Event, source: Source, routing: Routing) -> Explanation:
    """Explain an event whose type is known."""
    scope = event.scope()
    return Explanation(
        tuple(_tried_rules(source, source.scope(event))),
        tuple(_tried_routes(event, routing, scope)),
        source.remembers(event),
    )


def _tried_rules(source: Source, scope: Scope) -> Iterator[TriedRule]:
    for number, rule in enumerate(source.messages, start=1):
        condition = _evaluated(rule.when, scope)
        yield TriedRule(number, _text(rule.when), condition, rule.skip)
        if condition is Condition.HOLDS:
            return


def _tried_routes(event: Event, routing: Routing, scope: Scope) -> Iterator[TriedRoute]:
    for number, route in enumerate(routing.routes, start=1):
        if route.source != event.source:
            continue
        condition = _evaluated(route.when, scope)
        holds = condition is Condition.HOLDS
        to = tuple(_tried_recipient(part, routing, scope) for part in route.to) if holds else ()
        yield TriedRoute(number, route, _text(route.when), condition, to)


def _tried_recipient(to: Template, routing: Routing, scope: Scope) -> TriedRecipient:
    try:
        recipient = routing.recipient(to, scope)
    except MappingFailed as exc:
        return TriedRecipient(to.text, None, exc.detail)
    if recipient:
        return TriedRecipient(to.text, recipient)
    is_person = to.text.startswith("person:")
    return TriedRecipient(
        to.text, None, "is empty, or is not in [people]" if is_person else "is empty for this event"
    )


def _evaluated(when: Expression | None, scope: Scope) -> Condition:
    try:
        return Condition.HOLDS if when is None or when.holds(scope) else Condition.FALSE
    except MappingFailed:
        return Condition.FAILED


def _text(when: Expression | None) -> str | None:
    return when.text if when else None
