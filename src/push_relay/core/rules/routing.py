"""The routing: all of relay.toml, and the recipients to which its routes lead an event."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from push_relay.core.account import Account
from push_relay.core.errors import MappingFailed
from push_relay.core.event import Event
from push_relay.core.phone_text import is_blank
from push_relay.core.push import Recipient
from push_relay.core.rules.expression import RequestFields, Scope
from push_relay.core.rules.findings import Finding
from push_relay.core.rules.routes import Route, Routes
from push_relay.core.rules.template import Template
from push_relay.core.trust.policy import STRICT, Policy

PERSON = "person"
#: Parts of routes without a recipient that are noted for one event. A number stands for the others.
MOST_LEFT_OUT = 20
#: The reasons for which a part of a route leads to nobody.
FALSE, BLANK, UNLISTED = "false", "blank", "unlisted"
#: Noted instead of the parts of routes if no route is for the event's source.
NO_ROUTE = ("route none",)


class Routed(NamedTuple):
    """The recipients to which the routes lead an event.

    recipients  each account's recipients, each once, with the most urgent route that leads to it
    failures    one error for each condition and each recipient that fails on this event
    numbers     for each of `recipients`, what leads to it in relay.toml, such as `route[3].to[1]`
    left_out    the conditions and recipients that lead to nobody, with the reason: `route[3].to[2] unlisted`.
                Conditions that do not hold (`route[1].when false`) are among them only if nobody at all is
                left. `route none`: no route is for the source
    """

    recipients: Mapping[tuple[str, Recipient], Route]
    failures: tuple[MappingFailed, ...] = ()
    numbers: Mapping[tuple[str, Recipient], str] = {}
    left_out: tuple[str, ...] = ()


class Routing(NamedTuple):
    """All of relay.toml.

    account   the account `default`, which is always in `accounts`
    budgets   by account: calls of its day that the pushes of a source may use; without one it may use all
    eventbridge_topics  ARNs of SNS topics that EventBridge alone publishes to
    warnings  what still works and has to be changed
    """

    account: Account
    accounts: Mapping[str, Account]
    routes: Routes
    people: Mapping[str, Recipient]
    policies: Mapping[str, Policy] = {}
    budgets: Mapping[str, Mapping[str, int]] = {}
    eventbridge_topics: frozenset[str] = frozenset()
    warnings: tuple[Finding, ...] = ()

    def policy(self, source: str) -> Policy:
        """Return what the deployer allows to a source."""
        return self.policies.get(source, STRICT)

    def reads(self, source: str) -> RequestFields:
        """Return what the routes of a source read of headers and query."""
        return self.routes.of_source(source).reads

    @property
    def routed_sources(self) -> frozenset[str]:
        """The sources for which there is a route, be its condition true or not."""
        return self.routes.sources

    def route(self, event: Event) -> Routed:
        """Return the recipients of an event. A condition or a recipient that fails leaves the others alone.

        A recipient whose value is empty and a `person:` who is not listed are left out. Neither is a mistake:
        an issue may have no assignee, or one who wants no pushes. If several routes of one account lead
        to a recipient, the most urgent one applies; of equally urgent ones the first.
        Raises MappingFailed if the event's type is not known: every condition may depend on it.
        """
        if event.type is None:
            raise MappingFailed("the source's event.type cannot be evaluated on this event")
        scope = event.scope()
        best: dict[tuple[str, Recipient], Route] = {}
        numbers: dict[tuple[str, Recipient], str] = {}
        failures: list[MappingFailed] = []
        unled = LeftOut()
        held: set[int] = set()
        routes = self.routes.of_source(event.source)
        for number, route in routes.candidates(scope):
            for place, found in self._recipients(route, number, scope):
                if found is FALSE:
                    break
                held.add(number)
                if isinstance(found, MappingFailed):
                    failures.append(found)
                elif isinstance(found, str):
                    unled.add(place, found)
                elif (at := (route.account, found)) not in best or route.urgency < best[at].urgency:
                    best[at], numbers[at] = route, place
        left_out = unled.listed
        if not best and not failures:
            numbers_of_false, more = routes.numbers_without(held, MOST_LEFT_OUT)
            false = LeftOut([f"route[{number}].when {FALSE}" for number in numbers_of_false], more)
            left_out = (left_out + false.listed) or NO_ROUTE
        return Routed(best, tuple(failures), numbers, left_out)

    def _recipients(
        self, route: Route, number: int, scope: Scope
    ) -> Iterator[tuple[str, Recipient | MappingFailed | str]]:
        """Yield a route's recipients with their places in relay.toml.

        A part that fails has an error instead, and a part that leads to nobody has the reason. The parts of a
        route are its `to`, or else its condition if that does not hold.
        """
        place = f"route[{number}].when"
        try:
            if route.when and not route.when.holds(scope):
                yield place, FALSE
                return
        except MappingFailed as exc:
            yield place, MappingFailed(f"{place}: {exc.detail}")
            return
        for position, to in enumerate(route.to, start=1):
            place = f"route[{number}].to[{position}]"
            try:
                yield place, self._led_to(to, scope)
            except MappingFailed as exc:
                yield place, MappingFailed(f"{place}: {exc.detail}")

    def recipient(self, to: Template, scope: Scope) -> Recipient | None:
        """Return the recipient that a `to` of a route leads to; None if it names nobody.

        Raises MappingFailed.
        """
        found = self._led_to(to, scope)
        return None if isinstance(found, str) else found

    def _led_to(self, to: Template, scope: Scope) -> Recipient | str:
        """Return the recipient that a `to` leads to, or why it names nobody. Raises MappingFailed."""
        text = to(scope)
        prefix, _, value = text.partition(":")
        if is_blank(value):
            return BLANK
        return self.people.get(value, UNLISTED) if prefix == PERSON else Recipient.parse(text)


class LeftOut:
    """Notes parts of routes that lead to nobody: the first few, and the number of the others."""

    def __init__(self, parts: Iterable[str] = (), more: int = 0) -> None:
        self._parts = list(parts)
        self._more = more

    def add(self, place: str, reason: str) -> None:
        """Note a part."""
        if len(self._parts) < MOST_LEFT_OUT:
            self._parts.append(f"{place} {reason}")
        else:
            self._more += 1

    @property
    def listed(self) -> tuple[str, ...]:
        """The parts in their order. The last one is `7 more` if there are seven more."""
        return (*self._parts, f"{self._more} more") if self._more else tuple(self._parts)
