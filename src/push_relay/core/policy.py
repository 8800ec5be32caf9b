"""What the deployer says of a source in relay.toml: who may call, and what is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from push_relay.core.configuration import Table
from push_relay.core.errors import AddressNotAllowed

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Policy:
    """The deployer's word on one source.

    addresses   networks (CIDR) that may call; empty: all may, and are verified all the same
    topics      SNS topics (ARNs) that the source trusts; those that anybody owns are signed alike
    origins     hosts that CloudEvents' abuse protection lets send; empty: all
    unverified  whether the scheme `none` may let everybody in: the source's folder alone never opens the door
    """

    addresses: tuple["IPv4Network | IPv6Network", ...] = ()
    topics: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    unverified: bool = False

    def check_address(self, address: str) -> None:
        """Raise AddressNotAllowed unless an address is in the allow-list, or there is none.

        The address has to be the one that API Gateway vouches for: whoever calls writes X-Forwarded-For.
        """
        if not self.addresses:
            return
        # Imported where it is needed: few deployers list addresses.
        from ipaddress import ip_address  # noqa: PLC0415

        try:
            caller = ip_address(address)
        except ValueError:
            raise AddressNotAllowed("the caller's address is not in the source's allow-list") from None
        if not any(caller in network for network in self.addresses):
            raise AddressNotAllowed("the caller's address is not in the source's allow-list")


#: Of a source on which the deployer says nothing.
STRICT = Policy()


def read_policies(table: Table) -> Mapping[str, Policy]:
    """Read the `[source.NAME]` tables. Raises ConfigurationInvalid."""
    return {name: _policy(table.table(name)) for name in table}


def _policy(table: Table) -> Policy:
    policy = Policy(
        addresses=tuple(_network(text, table) for text in table.texts("allow_ips")),
        topics=frozenset(table.texts("topics")),
        origins=frozenset(table.texts("origins")),
        unverified=table.truth("unverified"),
    )
    table.done()
    return policy


def _network(text: str, table: Table) -> "IPv4Network | IPv6Network":
    from ipaddress import ip_network  # noqa: PLC0415 (few deployers list addresses)

    try:
        return ip_network(text)
    except ValueError as exc:
        raise table.wrong("allow_ips", f"`{text}` is not a network in CIDR form: {exc}") from exc
