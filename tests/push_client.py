"""The push client as tests call it."""

from typing import Any

from ports import CREDENTIALS
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from push_relay.core.push_format import PushFormat

PUSH = Push(Recipient(RecipientKind.EMAIL, "ada@example.com"), Wording("Title", "Body ☃", sound=True), "key")


def client(address: str, form: PushFormat = PushFormat.JSON, **account: Any) -> HttpPushApi:
    """Return a client for the server at an address."""
    return HttpPushApi(address, Account(format=form, **account))


def send(
    address: str,
    form: PushFormat = PushFormat.JSON,
    *,
    timeout: float = 10,
    push: Push = PUSH,
    **account: Any,
) -> None:
    """Send one push."""
    client(address, form, **account).send(push, CREDENTIALS, "c-1", timeout)
