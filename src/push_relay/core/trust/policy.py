"""The deployer's policy for a source in relay.toml: the callers and the topics that are trusted."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.errors import AddressNotAllowed

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from push_relay.core.rules.relay_file import SourcePolicyTable


class Policy(NamedTuple):
    """The deployer's policy for one source. A field has the meaning of its key in `SourcePolicyTable`.

    addresses   the networks of `allow_ips`; empty: everybody may call, and is verified nevertheless
    topics      a list is required, because SNS signs the messages of everybody's topics in the same way
    settings    what the deployer gives beside the secret, and is not secret
    unverified  required for the scheme `none`, because a source's folder alone must never accept everybody
    """

    addresses: tuple["IPv4Network | IPv6Network", ...] = ()
    topics: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    unverified: bool = False
    url: str | None = None
    daily_calls: int | None = None
    settings: Mapping[str, str] = MappingProxyType({})

    def url_of(self, url: str) -> str:
        """Return the URL that a sender has called, with the query string that came.

        The request does not reveal a proxy's public URL or a custom domain's path prefix.
        """
        if self.url is None:
            return url
        _, mark, query = url.partition("?")
        return f"{self.url}{mark}{query}"

    def check_address(self, address: str) -> None:
        """Raise AddressNotAllowed if there is an allow-list and an address is not in it.

        The address has to be the one that API Gateway vouches for. A caller can write any X-Forwarded-For.
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


#: The policy for a source that relay.toml does not mention.
STRICT = Policy()


def read_policy(table: "SourcePolicyTable") -> Policy:
    """Return the policy of a `[source.NAME]` table."""
    return Policy(
        addresses=table.allow_ips,
        topics=frozenset(table.topics),
        origins=frozenset(table.origins),
        unverified=table.unverified,
        url=table.url,
        daily_calls=table.daily_calls,
        settings=table.settings,
    )
