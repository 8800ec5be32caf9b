"""A relay's verification for one provider: its source names the preset, and holds the sender's keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from provider_signer.kit import NOW, Sent
from provider_signer.sender import Sender
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.rules.source import Source, read_source
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.policy import Policy


@dataclass(frozen=True, slots=True)
class HeldSecrets:
    """The stored secrets of one source."""

    keys: Sequence[bytes]
    given: Mapping[str, str]

    def of(self, _source: str, kind: str = "secret") -> Sequence[bytes]:
        """Return the keys."""
        del kind
        return self.keys

    def refreshed(self, _source: str, kind: str = "secret") -> Sequence[bytes]:
        """Return the keys again: nobody has changed them."""
        del kind
        return self.keys

    def settings(self, _source: str) -> Mapping[str, str]:
        """Return the settings."""
        return self.given


@cache
def source_of(slug: str) -> Source:
    """Return a source whose `[verify]` table has nothing but the preset's name."""
    document = {"title": "Planted", "docs": "docs", "verify": {"scheme": slug}}
    return read_source("planted", document, {})


def request_of(sent: Sent) -> HttpRequest:
    """Return a request as the relay unwraps it."""
    return HttpRequest(
        method=sent.method,
        path="/webhooks/planted",
        url=sent.url,
        source="planted",
        caller="203.0.113.7",
        headers=sent.headers,
        query=sent.query,
        body=sent.body,
        correlation_id="c-1",
    )


def admit(sender: Sender, sent: Sent, *numbers: int, now: float = NOW) -> Admitted:
    """Verify a request with the stored keys of these numbers, the first one by default."""
    keys = [sender.stored(number).encode() for number in numbers or (0,)]
    door = Door(HeldSecrets(keys, sender.settings), lambda _url: b"")
    return door.verify(source_of(sender.slug), Policy(), request_of(sent), now)
