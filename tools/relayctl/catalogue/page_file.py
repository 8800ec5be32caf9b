"""The keys of page.toml, which makes a source folder a part of the catalogue.

The documentation of each key is written once, here. `relayctl reference` puts it into
docs/writing-a-source.md. The file is not a part of the artifact.
"""

from pathlib import Path
from typing import Final

from push_relay.adapters.catalog import read_table
from push_relay.core.rules.configuration import Table, default, optional, required
from push_relay.core.rules.kinds import Choice, Text, Texts

FILE: Final = "page.toml"
#: The headings of docs/sources/README.md, in its order.
CATEGORIES: Final = (
    "Code and reviews",
    "Builds and deployments",
    "Errors and monitoring",
    "On-call and status",
    "Work and documents",
    "Shops and payments",
    "Messages and calls",
    "Forms and customers",
    "Identity and security",
    "AWS",
    "Cloud",
    "Home and media",
    "Any sender",
)
#: Pushes that a picture shows at most.
MOST_ON_A_PHONE: Final = 3


class PageFile(Table):
    """The parts of a source's page that are written by hand."""

    category = required(Choice(*CATEGORIES), "The heading of [sources/README.md](sources/README.md).")
    setup = required(
        Text("Markdown"),
        "Markdown: where to click at the sender. `{url}` is replaced by the webhook's address as code, also "
        "inside code, such as `{url}?token=TOKEN`.",
    )
    secret = optional(
        Text("Markdown"),
        "Markdown: what to store in Secrets Manager, if the text that is made from the scheme is not enough.",
        without="made from the preset or the scheme",
    )
    notes = optional(
        Text("Markdown"), "Markdown: limits, what is left out and why.", without="no such section"
    )
    phone = default(
        Texts(Text("name of an example")),
        (),
        "The names of the examples in the picture of the phone, at most three.",
        without="the first three with a push, the most urgent first",
    )

    def check(self) -> None:
        """Refuse more pushes than the picture has room for."""
        if len(self.phone) > MOST_ON_A_PHONE:
            self.wrong(
                "phone", f"has more than {MOST_ON_A_PHONE} examples, and the picture has no room for them"
            )


def read_page(folder: Path) -> PageFile:
    """Read a folder's page.toml. Raises Mistakes."""
    page = read_table(folder / FILE, PageFile)
    page.report.raise_mistakes()
    return page
