"""The table `fetch` of the schemes `jwt` and `public-key`: where a sender publishes its public keys."""

import re

from push_relay.core.rules.configuration import Table, default, optional, required
from push_relay.core.rules.kinds import Text, Texts

_HOST = r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+"


class FetchTable(Table):
    """The address at which the sender publishes its public keys."""

    address = required(
        Text("address"), "The address, a template. It must be https, on one of `hosts`, without a query."
    )
    hosts = default(
        Texts(Text("host", _HOST, "is not a host's name"), at_least_one=True),
        (),
        "The hosts that the address may have. `*.example.com` is any one name before `.example.com`; it is "
        "only for an address that settings complete.",
    )
    path_begins = default(Text("path"), "/", "How the address's path must begin.")
    pointer = optional(
        Text("JSON pointer", r"(?:/[^/]+)+", "is not a JSON pointer"),
        "The place of the key in the document.",
        without="the document is the key",
    )

    @property
    def is_named_by_the_request(self) -> bool:
        """Whether the request has a part in the address. Such an address must name its content."""
        return "{" in re.sub(r"\{setting:[^{}]+\}", "", self.address)

    def check(self) -> None:
        """Refuse an address that is not pinned."""
        if self.is_wrong:
            return
        if not self.hosts:
            self.missing("hosts", "a fetched key decides who is believed, so its host is pinned")
        elif self.is_named_by_the_request and (
            self.path_begins == "/" or any(host.startswith("*") for host in self.hosts)
        ):
            self.mistake("a request completes the address: give exact `hosts` and `path_begins`")
