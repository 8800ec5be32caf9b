"""Read relay.toml into a routing, with every mistake in it."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from push_relay.core.account import Account, read_account
from push_relay.core.delivery.quota import default_budget
from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.push import DEFAULT_ACCOUNT, Recipient, RecipientKind
from push_relay.core.rules.expression import NO_FIELDS, RequestFields, read_expression
from push_relay.core.rules.findings import MISSING_KEY, WARNING, Locate, Report, choices, nowhere
from push_relay.core.rules.relay_file import PersonTable, RelayFile, RouteTable
from push_relay.core.rules.routes import Route, Routes
from push_relay.core.rules.routing import PERSON, Routing
from push_relay.core.rules.template import Template, compile_template
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.policy import read_policy


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
        routes=Routes.of(routes),
        people=people,
        policies={name: read_policy(table) for name, table in file.source.items()},
        budgets=budgets,
        eventbridge_topics=frozenset(file.aws.eventbridge_topics),
        warnings=report.warnings,
    )


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
    if not colon or prefix not in (*RecipientKind, PERSON):
        raise ConfigurationInvalid(f"`{to.text}` begins with none of: user:, email:, external:, person:")
    if to.expressions:
        return
    if prefix == PERSON and value not in people:
        raise ConfigurationInvalid(f"`{to.text}` is not in [people]; {choices(value, people)}")
    if prefix != PERSON:
        try:
            Recipient.parse(to.text)
        except MappingFailed as exc:
            raise ConfigurationInvalid(f"`{to.text}`: {exc.detail}") from exc
