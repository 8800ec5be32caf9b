"""Routes: the deployer's rules of who receives pushes. Read from relay.toml, with the people they name."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from push_relay.core.account import Account, read_account
from push_relay.core.delivery.quota import default_budget
from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.event import Event
from push_relay.core.phone_text import is_blank
from push_relay.core.push import DEFAULT_ACCOUNT, Recipient, RecipientKind
from push_relay.core.rules.expression import (
    NO_FIELDS,
    Expression,
    RequestFields,
    Scope,
    read_expression,
)
from push_relay.core.rules.findings import MISSING_KEY, WARNING, Finding, Locate, Report, choices, nowhere
from push_relay.core.rules.relay_file import PersonTable, RelayFile, RouteTable
from push_relay.core.rules.template import Template, compile_template
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.policy import STRICT, Policy, read_policy

_PERSON = "person"
#: Parts of routes without a recipient that are noted for one event. A number stands for the others.
MOST_LEFT_OUT = 20
#: The reasons for which a part of a route leads to nobody.
FALSE, BLANK, UNLISTED = "false", "blank", "unlisted"
#: Noted instead of the parts of routes if no route is for the event's source.
NO_ROUTE = ("route none",)


class Route(NamedTuple):
    """The recipients of the pushes of a source's events, if a condition holds.

    account     the account by which they are sent
    high        whether they go first, and may use the quota that is reserved for what is urgent
    max_age     seconds after which they are not worth sending; None: the source's or the account's
    batch_secs  seconds in which its pushes to one recipient become one push; None: each is sent on its own
    """

    source: str
    when: Expression | None
    to: tuple[Template, ...]
    account: str = DEFAULT_ACCOUNT
    high: bool = False
    max_age: float | None = None
    batch_secs: float | None = None

    @property
    def urgency(self) -> tuple[float, bool]:
        """Sorts the more urgent first: without a batch window, then the shorter one, then by priority."""
        return self.batch_secs or 0.0, not self.high

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression in it."""
        when = (self.when,) if self.when else ()
        return (*when, *(expression for template in self.to for expression in template.expressions))


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
    """All of relay.toml, compiled.

    account   the account `default`, which is always in `accounts`
    budgets   by account: calls of its day that the pushes of a source may use; without one it may use all
    routed_sources  the sources for which there is a route, be its condition true or not
    eventbridge_topics  ARNs of SNS topics that EventBridge alone publishes to
    warnings  what still works and has to be changed
    """

    account: Account
    accounts: Mapping[str, Account]
    routes: tuple[Route, ...]
    people: Mapping[str, Recipient]
    policies: Mapping[str, Policy] = {}
    read_by_routes: Mapping[str, RequestFields] = {}
    budgets: Mapping[str, Mapping[str, int]] = {}
    routed_sources: frozenset[str] = frozenset()
    eventbridge_topics: frozenset[str] = frozenset()
    warnings: tuple[Finding, ...] = ()

    def policy(self, source: str) -> Policy:
        """Return what the deployer allows to a source."""
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
        unled, untrue = LeftOut(), LeftOut()
        for number, route in enumerate(self.routes, start=1):
            if route.source != event.source:
                continue
            for place, found in self._recipients(route, number, scope):
                if isinstance(found, MappingFailed):
                    failures.append(found)
                elif isinstance(found, str):
                    (untrue if found is FALSE else unled).add(place, found)
                elif (at := (route.account, found)) not in best or route.urgency < best[at].urgency:
                    best[at], numbers[at] = route, place
        left_out = unled.listed
        if not best and not failures:
            left_out = (left_out + untrue.listed) or NO_ROUTE
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
        return self.people.get(value, UNLISTED) if prefix == _PERSON else Recipient.parse(text)


class LeftOut:
    """Notes parts of routes that lead to nobody: the first few, and the number of the others."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._more = 0

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


def read_routing(
    document: JsonObject,
    known: Collection[str] | None = None,
    proofs: Mapping[str, RequestFields] | None = None,
    locate: Locate = nowhere,
    signing_url: Collection[str] = (),
) -> Routing:
    """Compile relay.toml. Raises ConfigurationInvalid with all mistakes.

    known   the sources that routes may name
    proofs  what carries the proof of each source's sender: routes must not read it, and get null for it
    locate  returns the place of a key in the file, for the error's text
    signing_url  the sources whose senders sign the URL that they call
    """
    report = Report(locate)
    file = RelayFile(document, report)
    # Cross-references are checked even if a table has other mistakes, so that all are reported at once.
    accounts = {name: read_account(name, table) for name, table in file.account.items()}
    accounts.setdefault(DEFAULT_ACCOUNT, Account())
    people = {name: _person(table) for name, table in file.people.items()}
    routes = [_route(table, people, accounts, proofs or {}) for table in file.route]
    if known is not None:
        _check_sources(file, known)
    _warn_of_urls(file, signing_url)
    budgets = _budgets(file, accounts)
    report.raise_mistakes()
    return Routing(
        account=accounts[DEFAULT_ACCOUNT],
        accounts=accounts,
        routes=tuple(routes),
        people=people,
        policies={name: read_policy(table) for name, table in file.source.items()},
        read_by_routes=_read_by_routes(routes),
        budgets=budgets,
        routed_sources=frozenset(route.source for route in routes),
        eventbridge_topics=frozenset(file.aws.eventbridge_topics),
        warnings=report.warnings,
    )


def _read_by_routes(routes: Iterable[Route]) -> Mapping[str, RequestFields]:
    read: defaultdict[str, list[Expression]] = defaultdict(list)
    for route in routes:
        read[route.source] += route.expressions
    return {source: RequestFields.of(expressions) for source, expressions in read.items()}


def _check_sources(file: RelayFile, known: Collection[str]) -> None:
    for table in file.route:
        if table.source and table.source not in known:
            table.wrong("source", _no_source(table.source, known))
    for name, policy in file.source.items():
        if name not in known:
            policy.mistake(_no_source(name, known))


def _warn_of_urls(file: RelayFile, signing_url: Collection[str]) -> None:
    # A source without a route is not in use.
    for name in sorted({route.source for route in file.route} & set(signing_url)):
        if name not in file.source or not file.source[name].url:
            file.report.add(
                ("source", name),
                f"has no `url`, and the sender of `{name}` signs the URL that it calls: behind a proxy or a "
                "custom domain no request is accepted without it",
                MISSING_KEY,
                WARNING,
            )


def _no_source(name: str, known: Collection[str]) -> str:
    return f"there is no source `{name}`; {choices(name, sorted(known))}"


def _budgets(file: RelayFile, accounts: Mapping[str, Account]) -> Mapping[str, Mapping[str, int]]:
    """Return the budgets of sources in each account.

    A configured budget holds in every account. Without one, a source gets a default share of an account's
    calls if routes of several sources lead to that account, else all of them.
    """
    users: defaultdict[str, set[str]] = defaultdict(set)
    for route in file.route:
        users[route.account].add(route.source)
    budgets: dict[str, dict[str, int]] = {}
    for name, account in accounts.items():
        sources = users[name]
        budgets[name] = dict.fromkeys(sources, default_budget(account)) if len(sources) > 1 else {}
    for source, policy in file.source.items():
        if policy.daily_calls is None:
            continue
        used = [accounts[name] for name in users if source in users[name] and name in accounts]
        most = max(account.daily_calls for account in used or [accounts[DEFAULT_ACCOUNT]])
        if policy.daily_calls > most:
            policy.wrong("daily_calls", f"is more than the account's daily_calls ({most})")
        for name, account in accounts.items():
            budgets[name][source] = min(policy.daily_calls, account.daily_calls)
    return budgets


def _person(table: PersonTable) -> Recipient:
    for kind in RecipientKind:
        if value := table.values[kind]:
            try:
                return Recipient.parse(f"{kind}:{value}")
            except MappingFailed as exc:
                table.wrong(kind, exc.detail)
    # Of a table with a mistake: nobody ever sends to it.
    return Recipient(RecipientKind.USER, "")


def _route(
    table: RouteTable,
    people: Mapping[str, Recipient],
    accounts: Mapping[str, Account],
    proofs: Mapping[str, RequestFields],
) -> Route:
    if table.account not in accounts:
        table.wrong("account", f"there is no [account.{table.account}]; {choices(table.account, accounts)}")
    proof = proofs.get(table.source, NO_FIELDS)
    return Route(
        source=table.source,
        when=read_expression(table, "when", proof),
        to=tuple(_to(table, people, proof)),
        account=table.account,
        high=table.priority == "high",
        max_age=table.max_age,
        batch_secs=table.batch,
    )


def _to(table: RouteTable, people: Mapping[str, Recipient], proof: RequestFields) -> Iterator[Template]:
    for text in table.to:
        try:
            template = compile_template(text, proof)
            _check_recipient(template, people)
        except ConfigurationInvalid as exc:
            table.wrong("to", exc.detail)
        else:
            yield template


def _check_recipient(to: Template, people: Mapping[str, Recipient]) -> None:
    """Raise ConfigurationInvalid for what can be found at build time: a wrong prefix, a person not listed."""
    prefix, colon, value = to.text.partition(":")
    if not colon or prefix not in (*RecipientKind, _PERSON):
        raise ConfigurationInvalid(f"`{to.text}` begins with none of: user:, email:, external:, person:")
    if to.expressions:
        return
    if prefix == _PERSON and value not in people:
        raise ConfigurationInvalid(f"`{to.text}` is not in [people]; {choices(value, people)}")
    if prefix != _PERSON:
        try:
            Recipient.parse(to.text)
        except MappingFailed as exc:
            raise ConfigurationInvalid(f"`{to.text}`: {exc.detail}") from exc
