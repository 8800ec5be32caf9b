"""Secrets Manager in memory, and a relay whose signing secrets are stored in it."""

import json
from pathlib import Path
from typing import Any

from fakes import Clock, World
from front_door import PLANTED, api_gateway_v2, world
from push_relay.adapters.secrets import MAX_AGE, SecretsManagerSigningSecrets
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.door import Door
from signers import Case


class SecretsManager:
    """Secrets Manager behind a cache of MAX_AGE seconds, as Powertools keeps one; counts its reads."""

    def __init__(self, clock: Clock, *secrets: bytes) -> None:
        """Hold a source's secrets."""
        self._clock = clock
        self._kept: tuple[float, str] | None = None
        self.reads: list[float] = []
        self.down = False
        self.hold(*secrets)

    def hold(self, *secrets: bytes) -> None:
        """Exchange the secrets."""
        self._text = json.dumps({PLANTED: [secret.decode() for secret in secrets]})

    def fetch(self, _arn: str, force: bool) -> str:  # noqa: FBT001 (the port's)
        """Return the secret's text."""
        if not force and self._kept and self._clock.time - self._kept[0] < MAX_AGE:
            return self._kept[1]
        self.reads.append(self._clock.time)
        if self.down:
            raise CredentialsUnavailable("a secret cannot be read from Secrets Manager (Fake)")
        self._kept = (self._clock.time, self._text)
        return self._text


def rotating(directory: Path, case: Case, *secrets: bytes) -> tuple[World, SecretsManager]:
    """Return a relay whose source's secrets lie in Secrets Manager."""
    event = 'form = "*"' if case.name == "twilio form" else ""
    here = world(directory, case.verify, event=event)
    manager = SecretsManager(here.clock, *(secrets or (case.secret,)))
    held = SecretsManagerSigningSecrets("arn", manager.fetch, here.clock.monotonic)
    here.change_door(Door(held, here.sns.certificate))
    return here, manager


def status(here: World, case: Case, secret: bytes | None = None) -> int:
    """Send a request signed just now, and return the answer's status."""
    answer: dict[str, Any] = here.receive(api_gateway_v2(case.genuine(here.clock.time, secret=secret)))
    return int(answer["statusCode"])
