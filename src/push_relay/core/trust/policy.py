"""What the deployer says of a source in relay.toml: who may call, and what is trusted."""

from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.errors import AddressNotAllowed
from push_relay.core.rules.relay_file import SourcePolicyTable

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


class Policy(NamedTuple):
    """The deployer's word on one source.

    addresses   networks (CIDR) that may call; empty: all may, and are verified all the same
    topics      SNS topics (ARNs) that the source trusts; those that anybody owns are signed alike
    origins     hosts that CloudEvents' abuse protection lets send; empty: all
    unverified  whether the scheme `none` may let everybody in: the source's folder alone never opens the door
    url         the webhook's URL as its sender calls it; None: the request's own
    daily_calls  calls of the account's day that the source's pushes may use; None: the default share
    """

    addresses: tuple["IPv4Network | IPv6Network", ...] = ()
    topics: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    unverified: bool = False
    url: str | None = None
    daily_calls: int | None = None

    def url_of(self, url: str) -> str:
        """Return the URL that a sender has called, with the query string that came.

        The request does not reveal a proxy's public URL or a custom domain's path prefix.
        """
        if self.url is None:
            return url
        _, mark, query = url.partition("?")
        return f"{self.url}{mark}{query}"

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


def read_policy(table: SourcePolicyTable) -> Policy:
    """Return the policy of a `[source.NAME]` table."""
    return Policy(
        addresses=table.allow_ips,
        topics=frozenset(table.topics),
        origins=frozenset(table.origins),
        unverified=table.unverified,
        url=table.url,
        daily_calls=table.daily_calls,
    )
