"""The account: an organisation at the vendor, and how it is called. Its credentials are not in here."""

from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.core.push_format import PushFormat

if TYPE_CHECKING:
    from push_relay.core.rules.relay_file import AccountTable


class Account(NamedTuple):
    """How an organisation's account is called. A field has the meaning of its key in `AccountTable`.

    name                the name that routes use for it
    base_url            empty: the environment's
    credentials_secret  empty: the environment's
    hold_unknown        whether `delivery_unknown` is `hold`
    max_age             in seconds
    """

    name: str = DEFAULT_ACCOUNT
    base_url: str = ""
    credentials_secret: str = ""
    format: PushFormat = PushFormat.JSON
    xml_root: str = "Push"
    connections: int = 3
    keep_alive: bool = True
    title_limit: int = 100
    body_limit: int = 1000
    connect_timeout_secs: int = 3
    read_timeout_secs: int = 10
    vendor_finish_secs: int = 60
    daily_calls: int = 2500
    time_zone: str = "UTC"
    reserved_percent: int = 10
    hold_unknown: bool = False
    resends: int = 1
    max_age: float = 7 * 86_400.0


def read_account(name: str, table: "AccountTable") -> Account:
    """Return the account of an `[account.NAME]` table. A mistake is added to the table's report."""
    if name != DEFAULT_ACCOUNT and "credentials_secret" not in table:
        # The environment has the credentials of one account.
        table.missing("credentials_secret", "the template has the credentials of the account `default` only")
    return Account(
        name=name,
        base_url=table.base_url or "",
        credentials_secret=table.credentials_secret or "",
        format=PushFormat(table.format),
        xml_root=table.xml_root,
        connections=table.connections,
        keep_alive=table.keep_alive,
        title_limit=table.title_limit,
        body_limit=table.body_limit,
        connect_timeout_secs=table.connect_timeout_secs,
        read_timeout_secs=table.read_timeout_secs,
        vendor_finish_secs=table.vendor_finish_secs,
        daily_calls=table.daily_calls,
        time_zone=table.time_zone,
        reserved_percent=table.reserved_percent,
        hold_unknown=table.delivery_unknown == "hold",
        resends=table.resends,
        max_age=table.max_age,
    )
