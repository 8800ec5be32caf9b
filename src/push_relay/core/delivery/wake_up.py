"""The wake-up: the relay's own message that starts a drain of an account's backlog."""

from push_relay.core.event import Event
from push_relay.core.push import DEFAULT_ACCOUNT

#: The source of the relay's own events, which no folder can have. The version before wrote the same word.
SOURCE = ".digest"
#: In place of an account: all that have something to send. No account has this name.
ALL = "*"


def wake_up(account: str, now: float) -> Event:
    """Return the event that starts a drain of an account's backlog; ALL asks for a wake-up of each account.

    The version before takes it for the end of a batch window that is empty, and filters it.
    """
    data = {"window": "", "wake": account}
    if account not in (DEFAULT_ACCOUNT, ALL):
        data["account"] = account
    return Event(source=SOURCE, id="wake-up", type=SOURCE, data=data, received_at=now, identity="wake-up")


def woken_account(event: Event) -> str | None:
    """Return the account whose backlog an event asks to drain; None for any other event."""
    account = event.data.get("wake") if event.source == SOURCE else None
    return account if isinstance(account, str) else None
