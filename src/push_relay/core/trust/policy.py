"""What the deployer says of a source in relay.toml: who may call, and what is trusted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from push_relay.core.errors import AddressNotAllowed, ConfigurationInvalid
from push_relay.core.rules.configuration import TomlTable

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[^\s?#]*")


@dataclass(frozen=True, slots=True)
class Policy:
    """The deployer's word on one source.

    addresses   networks (CIDR) that may call; empty: all may, and are verified all the same
    topics      SNS topics (ARNs) that the source trusts; those that anybody owns are signed alike
    origins     hosts that CloudEvents' abuse protection lets send; empty: all
    unverified  whether the scheme `none` may let everybody in: the source's folder alone never opens the door
    address     the webhook's address as its sender has it, where the request does not tell it
    daily_calls  calls of the account's day that the source's pushes may use; None: the default share
    """

    addresses: tuple["IPv4Network | IPv6Network", ...] = ()
    topics: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    unverified: bool = False
    address: str | None = None
    daily_calls: int | None = None

    def url_of(self, url: str) -> str:
        """Return the address that a sender has called, with the query string that came.

        Neither what a proxy was called by is told, nor the path of a custom domain's API mapping.
        """
        if self.address is None:
            return url
        _, mark, query = url.partition("?")
        return f"{self.address}{mark}{query}"

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


def read_policies(table: TomlTable) -> Mapping[str, Policy]:
    """Read the `[source.NAME]` tables. Raises ConfigurationInvalid."""
    return {name: _policy(table.table(name)) for name in table}


def _policy(table: TomlTable) -> Policy:
    policy = Policy(
        addresses=tuple(_network(text, table) for text in table.texts("allow_ips")),
        topics=frozenset(table.texts("topics")),
        origins=frozenset(table.texts("origins")),
        unverified=table.boolean("unverified"),
        address=table.compiled("address", _address) if "address" in table else None,
        daily_calls=table.integer("daily_calls", 0, at_least=1) if "daily_calls" in table else None,
    )
    table.refuse_unknown_keys()
    return policy


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ConfigurationInvalid(f"`{text}` is not https://HOST/PATH, without a query")
    return text


def _network(text: str, table: TomlTable) -> "IPv4Network | IPv6Network":
    from ipaddress import ip_network  # noqa: PLC0415 (few deployers list addresses)

    try:
        return ip_network(text)
    except ValueError as exc:
        raise table.wrong("allow_ips", f"`{text}` is not a network in CIDR form: {exc}") from exc
