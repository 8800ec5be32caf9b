"""Fakes of the ports that store nothing: time, secrets, SNS, the vendor. Tests and the bench share them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.push import Push

SECRET = b"planted-signing-secret"
CREDENTIALS = Credentials(4711, "planted-integration-key")
ROTATED = Credentials(4711, "planted-integration-key-rotated")


class Clock:
    """A clock that moves only if a test moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        """Return the time of day."""
        return self.time

    def monotonic(self) -> float:
        """Return the same time, because the clock never goes back."""
        return self.time


class SigningSecrets:
    """The senders' secrets: those in `by_source`, or else the same ones for every source."""

    def __init__(self, *secrets: bytes) -> None:
        self.secrets: tuple[bytes, ...] = secrets or (SECRET,)
        self.rotated: tuple[bytes, ...] = ()
        self.by_source: dict[str, tuple[bytes, ...]] = {}
        self.stored_settings: dict[str, str] = {}
        self.settings_by_source: dict[str, dict[str, str]] = {}
        self.changed_settings: dict[str, str] = {}  # what a refetch finds
        self.missing = False
        self.refetches = 0

    def of(self, source: str, kind: str = "secret") -> Sequence[bytes]:
        """Return the secrets of a source."""
        if self.missing or kind != "secret":
            raise CredentialsUnavailable(f"the signing secrets hold none ({len(source)})")
        return self.by_source.get(source, self.secrets)

    def settings(self, source: str) -> Mapping[str, str]:
        """Return the settings of a source."""
        return self.settings_by_source.get(source, self.stored_settings)

    def refreshed(self, source: str, kind: str = "secret") -> Sequence[bytes]:
        """Return the secrets of a source, which may have been rotated meanwhile."""
        self.refetches += 1
        self.secrets = self.rotated or self.secrets
        self.stored_settings = self.changed_settings or self.stored_settings
        return self.of(source, kind)

    def has(self, source: str) -> bool:
        """Return whether a secret is stored for a source."""
        return bool(self.of(source))


class PushCredentials:
    """The organisation's credentials. A refetch returns those in `fresh`."""

    def __init__(self) -> None:
        self.held: Credentials | None = CREDENTIALS
        self.fresh: Credentials | None = CREDENTIALS
        self.refetches = 0

    def current(self) -> Credentials:
        """Return the cached credentials."""
        return self._given(self.held)

    def refreshed(self) -> Credentials:
        """Fetch again."""
        self.refetches += 1
        self.held = self.fresh
        return self._given(self.held)

    def _given(self, credentials: Credentials | None) -> Credentials:
        if credentials is None:
            raise CredentialsUnavailable("a secret cannot be read (Fake)")
        return credentials


class Sns:
    """The endpoint of SNS, with its certificates and the confirmations that it received."""

    def __init__(self) -> None:
        self.certificates: dict[str, bytes] = {}
        self.confirmed: list[str] = []
        self.protects = True
        self.fetched: list[str] = []

    def certificate(self, url: str) -> bytes:
        """Return a certificate."""
        self.fetched.append(url)
        if url not in self.certificates:
            raise CredentialsUnavailable("SNS's certificate cannot be read (Fake)")
        return self.certificates[url]

    def confirm(self, url: str) -> bool:
        """Record a confirmation."""
        self.confirmed.append(url)
        return self.protects


@dataclass(frozen=True)
class Sent:
    """One call to the vendor."""

    push: Push
    credentials: Credentials
    correlation_id: str
    timeout: float


class PushApi:
    """The vendor. It accepts every push, except if there is an error for the call or for the push."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls: list[Sent] = []
        self.errors: list[Exception | None] = []
        self.judge: Callable[[Push, Credentials], Exception | None] = lambda _push, _credentials: None

    def send(self, push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Record the call, and raise its error, if there is one."""
        with self._lock:
            self.calls.append(Sent(push, credentials, correlation_id, timeout))
            scripted = self.errors.pop(0) if self.errors else None
        if error := scripted or self.judge(push, credentials):
            raise error
