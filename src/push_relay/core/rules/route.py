"""Routes: the deployer's rules of who is told. Read from config/relay.toml, with the people they name."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from push_relay.core.account import Account, read_account
from push_relay.core.delivery.quota import default_budget
from push_relay.core.duration import seconds
from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.event import Event
from push_relay.core.phone_text import is_blank
from push_relay.core.push import Recipient, RecipientKind
from push_relay.core.rules.configuration import Place, TomlTable, nowhere
from push_relay.core.rules.expression import (
    NO_FIELDS,
    Expression,
    RequestFields,
    Scope,
    Template,
    check_reads,
)
from push_relay.core.rules.recognition import read_eventbridge_topics
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.policy import STRICT, Policy, read_policies

_PERSON = "person"


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told of a source's events when a condition holds.

    high     whether its pushes go first, and may use the quota that is kept for what is urgent
    max_age  seconds after which its pushes are not worth sending; None: the account's
    digest   seconds in which what it says to one recipient becomes one push; None: each by itself
    """

    source: str
    when: Expression | None
    to: tuple[Template, ...]
    high: bool = False
    max_age: float | None = None
    batch_secs: float | None = None

    @property
    def urgency(self) -> tuple[float, bool]:
        """Sorts the more urgent route first: without a digest, then by the shorter one, then by priority."""
        return self.batch_secs or 0.0, not self.high

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression in it."""
        when = (self.when,) if self.when else ()
        return (*when, *(expression for template in self.to for expression in template.expressions))


@dataclass(frozen=True, slots=True)
class Routed:
    """Where the routes lead an event.

    recipients  each of them once, with the most urgent route that leads to it
    failures    one error for each condition and each recipient that fails on this event
    """

    recipients: Mapping[Recipient, Route]
    failures: tuple[MappingFailed, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """All of relay.toml, compiled.

    budgets  calls of a day that the pushes of a source may use, by source; without one it may use all
    eventbridge_topics  ARNs of SNS topics that EventBridge alone publishes to
    """

    account: Account
    routes: tuple[Route, ...]
    people: Mapping[str, Recipient]
    policies: Mapping[str, Policy] = field(default_factory=dict)
    read_by_routes: Mapping[str, RequestFields] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)
    eventbridge_topics: frozenset[str] = frozenset()

    def policy(self, source: str) -> Policy:
        """Return what the deployer says of a source."""
        return self.policies.get(source, STRICT)

    def reads(self, source: str) -> RequestFields:
        """Return what the routes of a source read of headers and query."""
        return self.read_by_routes.get(source, NO_FIELDS)

    def urgent_sources(self) -> frozenset[str]:
        """Return the sources that have an urgent route."""
        return frozenset(route.source for route in self.routes if route.high)

    def route(self, event: Event) -> Routed:
        """Return the recipients of an event. A condition or a recipient that fails leaves the others alone.

        A recipient whose value is empty and a `person:` who is not listed are left out. Neither is a mistake:
        an issue may have no assignee, or one who wants no pushes. If several routes lead to a recipient, the
        most urgent one applies; of equally urgent ones the first.
        Raises MappingFailed if the event's type is not known: every condition may depend on it.
        """
        if event.type is None:
            raise MappingFailed("the source's event.type cannot be evaluated on this event")
        scope = event.scope()
        best: dict[Recipient, Route] = {}
        failures: list[MappingFailed] = []
        for number, route in enumerate(self.routes, start=1):
            if route.source != event.source:
                continue
            for found in self._recipients(route, f"route[{number}]", scope):
                if isinstance(found, MappingFailed):
                    failures.append(found)
                elif found not in best or route.urgency < best[found].urgency:
                    best[found] = route
        return Routed(best, tuple(failures))

    def _recipients(self, route: Route, place: str, scope: Scope) -> Iterator[Recipient | MappingFailed]:
        """Yield a route's recipients if its condition holds, and an error for each part that fails."""
        try:
            if route.when and not route.when.holds(scope):
                return
        except MappingFailed as exc:
            yield MappingFailed(f"{place}.when: {exc.detail}")
            return
        for number, to in enumerate(route.to, start=1):
            try:
                recipient = self._recipient(to, scope)
            except MappingFailed as exc:
                yield MappingFailed(f"{place}.to[{number}]: {exc.detail}")
            else:
                if recipient:
                    yield recipient

    def _recipient(self, to: Template, scope: Scope) -> Recipient | None:
        text = to(scope)
        prefix, _, value = text.partition(":")
        if is_blank(value):
            return None
        return self.people.get(value) if prefix == _PERSON else Recipient.parse(text)


def read_routing(
    document: JsonObject,
    known: Collection[str] | None = None,
    proofs: Mapping[str, RequestFields] | None = None,
    place: Place = nowhere,
) -> Routing:
    """Compile relay.toml. Raises ConfigurationInvalid.

    known   the sources that routes may name
    proofs  what carries the proof of each source's sender: routes must not read it, and get null for it
    place   returns the place of a key in the file, for the error's text
    """
    table = TomlTable(document, place=place)
    accounts = table.table("account")
    account = read_account(accounts.table("default"))
    accounts.refuse_unknown_keys()
    people_table = table.table("people")
    people = {name: _person(people_table.table(name)) for name in people_table}
    routes = tuple(_route(route, people, known, proofs or {}) for route in table.tables("route"))
    policies = read_policies(table.table("source"))
    for name in policies if known is not None else ():
        if name not in (known or ()):
            raise table.table("source").wrong(name, _no_source(name, known or ()))
    aws = table.table("aws")
    eventbridge_topics = read_eventbridge_topics(aws)
    aws.refuse_unknown_keys()
    table.refuse_unknown_keys()
    sources = {route.source for route in routes}
    read_by_routes = {
        name: RequestFields.of(e for route in routes if route.source == name for e in route.expressions)
        for name in sources
    }
    budgets = _budgets(account, sources, policies, table.table("source"))
    return Routing(account, routes, people, policies, read_by_routes, budgets, eventbridge_topics)


def _budgets(
    account: Account, sources: Collection[str], policies: Mapping[str, Policy], table: TomlTable
) -> Mapping[str, int]:
    """Return the budgets of sources: configured ones, else a share if several sources have routes."""
    budgets = dict.fromkeys(sources, default_budget(account)) if len(sources) > 1 else {}
    for name, policy in policies.items():
        if policy.daily_calls is None:
            continue
        if policy.daily_calls > account.daily_calls:
            raise table.table(name).wrong(
                "daily_calls", f"is more than the account's daily_calls ({account.daily_calls})"
            )
        budgets[name] = policy.daily_calls
    return budgets


def _person(table: TomlTable) -> Recipient:
    kinds = [kind for kind in RecipientKind if kind in table]
    if len(kinds) != 1:
        raise table.mistake(f"has to have exactly one of: {', '.join(RecipientKind)}")
    value = table.text(kinds[0])
    table.refuse_unknown_keys()
    try:
        return Recipient.parse(f"{kinds[0]}:{value}")
    except MappingFailed as exc:
        raise table.wrong(kinds[0], exc.detail) from exc


def _route(
    table: TomlTable,
    people: Mapping[str, Recipient],
    known: Collection[str] | None,
    proofs: Mapping[str, RequestFields],
) -> Route:
    source = table.text("source")
    if known is not None and source not in known:
        raise table.wrong("source", _no_source(source, known))
    when = table.compiled("when", Expression.compile) if "when" in table else None
    texts = table.texts("to")
    if not texts:
        raise table.wrong("to", "names nobody")
    to = tuple(_recipient_template(text, people, table) for text in texts)
    priority = table.text("priority", "normal")
    if priority not in ("normal", "high"):
        raise table.wrong("priority", "is neither `normal` nor `high`")
    max_age = table.compiled("max_age", seconds) if "max_age" in table else None
    digest = table.compiled("digest", seconds) if "digest" in table else None
    table.refuse_unknown_keys()
    proof = proofs.get(source, NO_FIELDS)
    check_reads(table, "when", [when] if when else [], proof)
    check_reads(table, "to", [e for template in to for e in template.expressions], proof)
    return Route(source, when, to, high=priority == "high", max_age=max_age, batch_secs=digest)


def _no_source(name: str, known: Collection[str]) -> str:
    return f"there is no source `{name}`; there are: {', '.join(sorted(known))}"


def _recipient_template(text: str, people: Mapping[str, Recipient], table: TomlTable) -> Template:
    try:
        template = Template.compile(text)
    except ConfigurationInvalid as exc:
        raise table.wrong("to", exc.detail) from exc
    _check_recipient(template, people, table)
    return template


def _check_recipient(to: Template, people: Mapping[str, Recipient], table: TomlTable) -> None:
    """Find at build time what can be found: a prefix that is none, a person whom nobody listed."""
    prefix, colon, value = to.text.partition(":")
    if not colon or prefix not in (*RecipientKind, _PERSON):
        raise table.wrong("to", f"`{to.text}` begins with none of: user:, email:, external:, person:")
    if to.expressions:
        return
    if prefix == _PERSON and value not in people:
        raise table.wrong("to", f"`{to.text}` is not in [people]")
    if prefix != _PERSON:
        try:
            Recipient.parse(to.text)
        except MappingFailed as exc:
            raise table.wrong("to", f"`{to.text}`: {exc.detail}") from exc
