"""Secrets that a sender chooses and sends in its handshake: Asana, Notion.

Anyone who may send such a request could set the key of the source's events, so a stranger must not. The
deployer runs `relayctl handshake SOURCE`, which makes a random value. The webhook's URL gets it as the
parameter `setup`, and the source's signing secret its SHA-256 as the setting `setup`. While that setting is
stored, a question with the value is answered, and its secret waits in the dead-letter queue for the deployer,
who looks at it and stores it. The relay itself never stores a secret.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final, Protocol

from push_relay.core.errors import CredentialsUnavailable, HandshakeRefused
from push_relay.core.trust.handshakes.base import HandshakeRequest
from push_relay.core.trust.schemes.proof import fits

#: The name of the URL's parameter, and of the setting.
SETUP: Final = "setup"
#: The error code of a message in the dead-letter queue that holds a secret.
WAITING_CODE: Final = "handshake_secret_waits"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DeadLetters(Protocol):
    """The dead-letter queue."""

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message. Raises QueueUnavailable."""
        ...


def setup_hash(value: str) -> str:
    """Return what the setting `setup` holds for a value of the URL's parameter."""
    return hashlib.sha256(value.encode("utf-8")).hexdigest()


def check_setup(request: HandshakeRequest, settings: Mapping[str, str]) -> None:
    """Raise HandshakeRefused unless the source waits for a secret, and the URL has the value for it.

    The refusal does not reveal whether it waits. Raises CredentialsUnavailable for a setting that can fit no
    value.
    """
    stored = settings.get(SETUP, "").strip().lower()
    if stored and not _SHA256.fullmatch(stored):
        raise CredentialsUnavailable(f"the source's setting `{SETUP}` is not a SHA-256 in hexadecimal digits")
    offered = setup_hash(request.query.get(SETUP, ""))
    # An absent value has a hash too, which nobody stores: it is compared, so that either takes as long.
    is_expected = fits([offered], [stored.encode("ascii")])
    if not (is_expected and stored and request.query.get(SETUP)):
        raise HandshakeRefused("no secret is expected with this URL: run `relayctl handshake`")


def waiting_secret(source: str, secret: str) -> str:
    """Return the body of the message that holds a secret."""
    return json.dumps({"source": source, "secret": secret})
