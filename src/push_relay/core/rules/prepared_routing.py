"""The routing as the build writes it: `relay.json`, which is read a hundred times faster than relay.toml.

| key | content |
|---|---|
| `accounts` | the accounts by name, each with the fields of `Account` |
| `people` | by name, the recipient: its kind and its value |
| `policies` | by source, the fields of `Policy` |
| `budgets` | by account, the budgets of sources |
| `eventbridge_topics` | a list of ARNs |
| `routes` | by source, the entry of its routes (`routes.py`) |
| `warnings` | the fields of each `Finding` |

The build has checked relay.toml, so reading this form checks nothing. A value that no invocation needs stays
JSON.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from push_relay.core.account import Account
from push_relay.core.push import DEFAULT_ACCOUNT, Recipient, RecipientKind
from push_relay.core.push_format import PushFormat
from push_relay.core.rules.findings import Finding
from push_relay.core.rules.routes import Routes
from push_relay.core.rules.routing import Routing
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.policy import Policy

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


def document_of(routing: Routing, file: str) -> JsonObject:
    """Return the document of a routing. The same relay.toml gives the same document everywhere.

    file  the name of relay.toml for its warnings
    """
    return {
        "accounts": {name: account._asdict() for name, account in routing.accounts.items()},
        "people": {name: [recipient.kind, recipient.value] for name, recipient in routing.people.items()},
        "policies": {name: _policy_fields(policy) for name, policy in routing.policies.items()},
        # Sorted, because they were collected from sets.
        "budgets": {name: dict(sorted(each.items())) for name, each in routing.budgets.items()},
        "eventbridge_topics": sorted(routing.eventbridge_topics),
        "routes": routing.routes.entries,
        "warnings": [list(warning._replace(file=file)) for warning in routing.warnings],
    }


def routing_of(document: JsonObject) -> Routing:
    """Return the routing of a document that the build has written."""
    accounts = {name: _account(fields) for name, fields in document["accounts"].items()}
    return Routing(
        account=accounts[DEFAULT_ACCOUNT],
        accounts=accounts,
        routes=Routes(document["routes"]),
        people=_MadeOnUse(document["people"], _recipient),
        policies=_MadeOnUse(document["policies"], _policy),
        budgets=document["budgets"],
        eventbridge_topics=frozenset(document["eventbridge_topics"]),
        warnings=tuple(Finding(*fields) for fields in document["warnings"]),
    )


class _MadeOnUse[T](Mapping[str, T]):
    """Values that are made of JSON when one of them is first read: an invocation needs few of them."""

    def __init__(self, fields: Mapping[str, Any], make: Callable[[Any], T]) -> None:
        self._fields = fields
        self._make = make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made:
            self._made[name] = self._make(self._fields[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def _account(fields: JsonObject) -> Account:
    return Account(**{**fields, "format": PushFormat(fields["format"])})


def _recipient(fields: list[str]) -> Recipient:
    kind, value = fields
    return Recipient(RecipientKind(kind), value)


def _policy_fields(policy: Policy) -> JsonObject:
    return {
        **policy._asdict(),
        "addresses": [str(network) for network in policy.addresses],
        "topics": sorted(policy.topics),
        "origins": sorted(policy.origins),
        "settings": dict(policy.settings),
    }


def _policy(fields: JsonObject) -> Policy:
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    if fields["addresses"]:
        # Imported where it is needed: few deployers list addresses.
        from ipaddress import ip_network  # noqa: PLC0415

        networks = tuple(map(ip_network, fields["addresses"]))
    return Policy(
        **{
            **fields,
            "addresses": networks,
            "topics": frozenset(fields["topics"]),
            "origins": frozenset(fields["origins"]),
        }
    )
