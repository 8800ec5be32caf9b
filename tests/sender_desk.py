"""A sender with its ports in memory, for tests of the sender."""

from open_permits import OpenPermits
from ports import Clock, PushApi, PushCredentials
from push_relay.core.delivery.sender import Sender
from push_relay.core.event import Event
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from stores import Ledger

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {}, NOW, "i", "c-1")
PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("Bread", "warm"), "key", max_age=60.0)


class Desk:
    """A sender with its ports, and half a minute of time."""

    def __init__(self, *, hold_unknown: bool = False, resends: int = 1) -> None:
        """Wire the sender."""
        self.ledger, self.credentials, self.vendor = Ledger(), PushCredentials(), PushApi()
        self.clock, self.left, self.permits = Clock(NOW), 30.0, OpenPermits()
        self.sender = Sender(
            self.ledger,
            self.credentials,
            self.vendor,
            self.permits,
            self.clock,
            hold_unknown=hold_unknown,
            resends=resends,
        )

    def send(self, event: Event = EVENT, push: Push = PUSH) -> Receipt:
        """Claim a push, send it, and record its receipt, as a run does."""
        if unclaimed := self.sender.claim(event, push, self.time_left):
            return unclaimed
        session = self.permits.session(self.time_left)
        return self.sender.recorded(push, self.sender.send(event, push, session, self.time_left))

    def time_left(self) -> float:
        """Return the seconds that the invocation has left."""
        return self.left
