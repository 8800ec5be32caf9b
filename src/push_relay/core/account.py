"""The account: an organisation at the vendor, and how it is called. Its credentials are not in here."""

from typing import NamedTuple

from push_relay.core.delivery.encoding import Format
from push_relay.core.rules.relay_file import DEFAULT_ACCOUNT, AccountTable


class Account(NamedTuple):
    """How an organisation's account is called.

    name                     what routes call it
    base_url                 the vendor's base URL; empty: the one in the environment
    credentials_secret       name or ARN of the secret with its credentials; empty: the one in the environment
    form                     format of request and answer; JSON is the contract's better known half
    xml_root                 the XML root's name, which the vendor's documentation does not tell
    connections              at the most at a time; the vendor allows an organisation 3
    keep_alive               whether a connection is kept for the next call, in each running function
    title_limit, body_limit  graphemes; the vendor's limits are unknown, these are what a phone shows
    connect_timeout, read_timeout  seconds
    vendor_finish_secs       seconds after which the vendor has surely ended a call that the relay gave up
    daily_calls              that the vendor allows in a day, which begins at midnight in `time_zone`
    reserve                  the last part of them, in percent, that is kept for routes of high priority
    hold_unknown             whether a push of unknown fate waits for a person, instead of being sent again
    resends                  how often a push of unknown fate is sent again before it waits for a person
    max_age                  seconds after which no push is worth sending, where its route says nothing
    """

    name: str = DEFAULT_ACCOUNT
    base_url: str = ""
    credentials_secret: str = ""
    form: Format = Format.JSON
    xml_root: str = "Push"
    connections: int = 3
    keep_alive: bool = True
    title_limit: int = 100
    body_limit: int = 1000
    connect_timeout: int = 3
    read_timeout: int = 10
    vendor_finish_secs: int = 60
    daily_calls: int = 2500
    time_zone: str = "UTC"
    reserve: int = 10
    hold_unknown: bool = False
    resends: int = 1
    max_age: float = 7 * 86_400.0


def read_account(name: str, table: AccountTable) -> Account:
    """Return the account of an `[account.NAME]` table. A mistake is added to the table's report."""
    if name != DEFAULT_ACCOUNT and "credentials_secret" not in table:
        # The environment has the credentials of one account.
        table.mistake(
            "`credentials_secret` is missing: the template has the credentials of the account `default` only"
        )
    return Account(
        name=name,
        base_url=table.base_url or "",
        credentials_secret=table.credentials_secret or "",
        form=Format(table.format),
        xml_root=table.xml_root,
        connections=table.connections,
        keep_alive=table.keep_alive,
        title_limit=table.title_limit,
        body_limit=table.body_limit,
        connect_timeout=table.connect_timeout_secs,
        read_timeout=table.read_timeout_secs,
        vendor_finish_secs=table.vendor_finish_secs,
        daily_calls=table.daily_calls,
        time_zone=table.time_zone,
        reserve=table.reserved_percent,
        hold_unknown=table.delivery_unknown == "hold",
        resends=table.resends,
        max_age=table.max_age,
    )
