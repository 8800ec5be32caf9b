"""A fake of Secrets Manager, and a relay whose signing secrets are stored in it."""

import json
from pathlib import Path
from typing import Any

from fakes import World
from front_door import PLANTED, api_gateway_v2, world
from ports import Clock
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.door import Door
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from signers import Case


class SecretsManager:
    """Secrets Manager with one secret. It records the time of each read."""

    def __init__(self, clock: Clock, *secrets: bytes) -> None:
        """Store the secrets of the source."""
        self._clock = clock
        self.reads: list[float] = []
        self.down = False
        self.hold(*secrets)

    def hold(self, *secrets: bytes) -> None:
        """Replace the stored secrets."""
        self._text = json.dumps({PLANTED: [secret.decode() for secret in secrets]})

    def read(self) -> str:
        """Return the secret's text."""
        self.reads.append(self._clock.time)
        if self.down:
            raise CredentialsUnavailable("a secret cannot be read from Secrets Manager (Fake)")
        return self._text

    def signing_secrets(self) -> StoredSigningSecrets:
        """Return the signing secrets of a relay that reads them here."""
        return StoredSigningSecrets(CachedSecret(self.read, self._clock.now, self._clock.monotonic))


def rotating(directory: Path, case: Case, *secrets: bytes) -> tuple[World, SecretsManager]:
    """Return a relay whose source has its secrets in Secrets Manager, and the Secrets Manager."""
    here = world(directory, case.verify, event=case.event)
    manager = SecretsManager(here.clock, *(secrets or (case.secret,)))
    here.change_door(Door(manager.signing_secrets(), here.sns.certificate))
    return here, manager


def status(here: World, case: Case, secret: bytes | None = None) -> int:
    """Send a request with a fresh signature, and return the answer's status."""
    answer: dict[str, Any] = here.receive(api_gateway_v2(case.genuine(here.clock.time, secret=secret)))
    return int(answer["statusCode"])
