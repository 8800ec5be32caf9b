"""The account: an organisation at the vendor, and how to speak to it. Its secret is not in here."""

import re
from dataclasses import dataclass

from push_relay.core.duration import seconds
from push_relay.core.push_format import PushFormat
from push_relay.core.rules.configuration import TomlTable

_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Account:
    """How to speak to an organisation's account.

    format                   format of request and answer; JSON is the contract's better known half
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

    format: PushFormat = PushFormat.JSON
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


def read_account(table: TomlTable) -> Account:
    """Read `[account.default]`. Raises ConfigurationInvalid."""
    standard = Account()
    form = table.text("format", standard.format)
    if form not in list(PushFormat):
        raise table.wrong("format", f"is not one of: {', '.join(PushFormat)}")
    xml_root = table.text("xml_root", standard.xml_root)
    if not _XML_NAME.fullmatch(xml_root):
        raise table.wrong("xml_root", "is not the name of an XML element")
    account = Account(
        format=PushFormat(form),
        xml_root=xml_root,
        connections=table.integer("connections", standard.connections, at_least=1),
        keep_alive=table.boolean("keep_alive", standard.keep_alive),
        title_limit=table.integer("title_limit", standard.title_limit, at_least=1),
        body_limit=table.integer("body_limit", standard.body_limit, at_least=1),
        connect_timeout=table.integer("connect_timeout_secs", standard.connect_timeout, at_least=1),
        read_timeout=table.integer("read_timeout_secs", standard.read_timeout, at_least=1),
        vendor_finish_secs=table.integer("vendor_finish_secs", standard.vendor_finish_secs),
        daily_calls=table.integer("daily_calls", standard.daily_calls, at_least=1),
        time_zone=_time_zone(table, standard.time_zone),
        reserve=_percent(table, "reserve_percent", standard.reserve),
        hold_unknown=_policy(table) == "hold",
        resends=_resends(table, standard.resends),
        max_age=table.compiled("max_age", seconds) if "max_age" in table else standard.max_age,
    )
    table.refuse_unknown_keys()
    return account


def _time_zone(table: TomlTable, standard: str) -> str:
    name = table.text("time_zone", standard)
    if name != standard:
        # Imported where it is needed: the default has no rules to be read.
        from zoneinfo import ZoneInfo  # noqa: PLC0415

        try:
            ZoneInfo(name)
        except (ValueError, LookupError, OSError) as exc:
            raise table.wrong("time_zone", f"`{name}` is not a time zone (Europe/Berlin)") from exc
    return name


def _percent(table: TomlTable, key: str, standard: int) -> int:
    value = table.integer(key, standard)
    if value >= 100:  # noqa: PLR2004 (percent)
        raise table.wrong(key, "is not less than 100")
    return value


def _resends(table: TomlTable, standard: int) -> int:
    resends = table.integer("resends", standard)
    if "resends" in table and resends and _policy(table) == "hold":
        raise table.wrong("resends", 'has no effect with `delivery_unknown = "hold"`: remove one of the two')
    return resends


def _policy(table: TomlTable) -> str:
    policy = table.text("delivery_unknown", "resend")
    if policy not in ("resend", "hold"):
        raise table.wrong("delivery_unknown", "is neither `resend` nor `hold`")
    return policy
