"""The account: an organisation at the vendor, and how to speak to it. Its secret is not in here."""

import re
from dataclasses import dataclass

from push_relay.core.configuration import Table
from push_relay.core.encoding import Format

_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Account:
    """How to speak to an organisation's account.

    form                     format of request and answer; JSON is the contract's better known half
    xml_root                 the XML root's name, which the vendor's documentation does not tell
    connections              at the most at a time; the vendor allows an organisation 3
    title_limit, body_limit  graphemes; the vendor's limits are unknown, these are what a phone shows
    connect_timeout, read_timeout  seconds
    """

    form: Format = Format.JSON
    xml_root: str = "Push"
    connections: int = 3
    title_limit: int = 100
    body_limit: int = 1000
    connect_timeout: int = 3
    read_timeout: int = 10


def read_account(table: Table) -> Account:
    """Read `[account.default]`. Raises ConfigurationInvalid."""
    standard = Account()
    form = table.text("format", standard.form)
    if form not in list(Format):
        raise table.wrong("format", f"is not one of: {', '.join(Format)}")
    xml_root = table.text("xml_root", standard.xml_root)
    if not _XML_NAME.fullmatch(xml_root):
        raise table.wrong("xml_root", "is not the name of an XML element")
    account = Account(
        form=Format(form),
        xml_root=xml_root,
        connections=table.whole("connections", standard.connections, at_least=1),
        title_limit=table.whole("title_limit", standard.title_limit, at_least=1),
        body_limit=table.whole("body_limit", standard.body_limit, at_least=1),
        connect_timeout=table.whole("connect_timeout_secs", standard.connect_timeout, at_least=1),
        read_timeout=table.whole("read_timeout_secs", standard.read_timeout, at_least=1),
    )
    table.done()
    return account
