"""The classes that the relay's core uses in a preview instead of AWS, the network, the clock and the log.

None of it loosens the core: where a preview skips a step, a class of this module takes the place of the step.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from push_relay.core.clock import TimeLeft
from push_relay.core.errors import CredentialsUnavailable, PayloadTooLarge, RelayError, Unauthenticated
from push_relay.core.event import Event
from push_relay.core.inbound.request import HttpRequest
from push_relay.core.push import Receipt
from push_relay.core.queue_format import EVENT_ATTRIBUTE, RejectedItem, bare, pack, unpack
from push_relay.core.rules.source import Source
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.policy import Policy
from push_relay.core.trust.schemes.proof import SECRET as SECRET_KIND
from push_relay.core.trust.schemes.proof import Verified
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from push_relay.telemetry import Telemetry

#: Milliseconds that an invocation may take.
_INVOCATION_MS = 30_000


@dataclass(frozen=True, slots=True)
class PreviewClock:
    """The time that the user has chosen (in seconds since the epoch), or the present."""

    chosen: float | None = None

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() if self.chosen is None else self.chosen

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps back."""
        return time.monotonic()


class PreviewContext:
    """Lambda's context of an invocation that has time."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the same time whenever it is asked."""
        return _INVOCATION_MS


@dataclass(slots=True)
class Journal:
    """The record of one file, in the order in which things happened.

    entries    each event that was accepted, as `deliver` reads it, and the receipt of each refusal
    queued     each event that was put into the queue, by its id as an object, with what `deliver` reads
    handshake  whether a handshake was answered
    verified   whether the proof fits; None if it was not verified
    skipped    the steps that the preview has left out
    """

    entries: list[Event | Receipt] = field(default_factory=list)
    queued: dict[int, tuple[Event, Event]] = field(default_factory=dict)
    handshake: bool = False
    verified: bool | None = None
    skipped: list[str] = field(default_factory=list)

    def skip(self, step: str) -> None:
        """Note that a step was left out."""
        if step not in self.skipped:
            self.skipped.append(step)


#: The steps that a preview may leave out.
STEPS = PROOF, ADDRESS, SUBSCRIPTION, SECRET, SETTINGS = (
    "proof",
    "address",
    "subscription",
    "secret",
    "settings",
)


@dataclass(frozen=True, slots=True)
class KeepingQueue:
    """A queue that keeps in the journal what is put into it."""

    journal: Journal

    def put(self, event: Event) -> None:
        """Keep an event as it is after the queue. Raises PayloadTooLarge, as the queue does."""
        packed = pack(event)
        arrived = unpack(packed.body.encode(), packed.attributes[EVENT_ATTRIBUTE])
        self.journal.queued[id(event)] = event, arrived

    def put_all(
        self, contents: Sequence[Event | RejectedItem], time_left: TimeLeft
    ) -> Sequence[RelayError | None]:
        """Keep each event, and return for each content why a message cannot hold it."""
        del time_left
        results: list[RelayError | None] = []
        for content in contents:
            try:
                if isinstance(content, Event):
                    self.put(content)
                else:
                    bare(content)
            except PayloadTooLarge as exc:
                results.append(exc)
            else:
                results.append(None)
        return results


class PreviewTelemetry(Telemetry):
    """Notes in the journal what the relay would log and count. Writes nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def accepted(self, *events: Event) -> None:
        """Note events that are queued."""
        self._journal.entries += [self._journal.queued[id(event)][1] for event in events]

    def kept(self, receipt: Receipt) -> None:
        """Note an item that is not valid, which `deliver` rejects."""
        self._journal.entries.append(receipt)

    def empty(self, source: str, correlation_id: str) -> None:
        """Note nothing: the request has no event."""

    def handshake(self, source: str, correlation_id: str) -> None:
        """Note that a handshake was answered."""
        del source, correlation_id
        self._journal.handshake = True

    def unsubscribed(self, source: str, correlation_id: str) -> None:
        """Note nothing: it is a handshake too."""

    def fell_back(self, event: Event, names: Mapping[str, str]) -> None:
        """Note nothing: a preview of what AWS delivers has no telemetry."""

    def quota(self, account: str, calls: int, limit: int) -> None:
        """Note nothing: no call is made."""

    def overdue(self, account: str, secs: float) -> None:
        """Note nothing: a preview has no backlog."""

    def settled(self, receipts: Iterable[Receipt], *, attempt: int) -> None:
        """Note the receipts of what became no push."""
        del attempt
        self._journal.entries += receipts

    def refused(self, receipt: Receipt) -> None:
        """Note a request that was refused before its sender had proven itself."""
        self._journal.entries.append(receipt)

    def trouble(self, what: str, *, error_code: str, detail: str) -> None:
        """Note nothing: it does not belong to an event."""

    def outdated(self, warning: object) -> None:
        """Note nothing: `relayctl check` reports it."""

    def flush(self) -> None:
        """Write nothing."""


@dataclass(frozen=True, slots=True)
class VerifyingDoor(Door):
    """The real verification, which notes its result."""

    journal: Journal = field(default_factory=Journal)

    def verify(self, source: Source, policy: Policy, request: HttpRequest, now: float) -> Admitted:
        """Verify a request as the relay does."""
        try:
            admitted = Door.verify(self, source, policy, request, now)
        except Unauthenticated:
            self.journal.verified = False
            raise
        self.journal.verified = None if source.open_to_all else True
        return admitted


@dataclass(frozen=True, slots=True)
class UncheckedDoor(Door):
    """The verification of a preview without secrets: every proof is taken for genuine, and that is noted.

    It requires everything else that the relay requires: a source that takes webhooks, and an allowed address.
    """

    journal: Journal = field(default_factory=Journal)

    def verify(self, source: Source, policy: Policy, request: HttpRequest, now: float) -> Admitted:
        """Admit a request as if its proof covered the body, if the scheme signs content at all."""
        del now
        self.approach(source, policy, request)
        if not source.open_to_all:
            self.journal.skip(PROOF)
        return Admitted(Verified(request.body, content=source.signs_content))

    def settings(self, source: str, policy: Policy) -> Mapping[str, str]:
        """Return the settings of relay.toml, and note that those beside the secret are not known."""
        del source
        self.journal.skip(SETTINGS)
        return policy.settings


class _NoSecrets:
    """The signing secrets of a preview that has none."""

    def of(self, source: str, kind: str = SECRET_KIND) -> Sequence[bytes]:
        """Raise CredentialsUnavailable."""
        del kind
        raise CredentialsUnavailable(f"the preview has no signing secret of `{source}`: give --secrets")

    def refreshed(self, source: str, kind: str = SECRET_KIND) -> Sequence[bytes]:
        """Raise CredentialsUnavailable."""
        del kind
        return self.of(source)

    def settings(self, source: str) -> Mapping[str, str]:
        """Return no settings: they are in the secret."""
        del source
        return {}

    def has(self, source: str) -> bool:
        """Return whether there is a secret of a source."""
        del source
        return False


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answers of the addresses from which the relay fetches keys; None if the user has given none.

    In production the answers are kept, and fetches are bounded. A preview asks again each time, so that no
    line depends on another.
    """

    answers: Mapping[str, str] | None = None

    def __call__(self, url: str) -> bytes:
        """Return the document of an address that names its content; empty if the address has none.

        Raises CredentialsUnavailable if no answers are given.
        """
        if self.answers is None:
            raise CredentialsUnavailable(
                "a key has to be fetched, and a preview calls no network: give the answer of its address "
                "with --fetched"
            )
        return self.answers.get(url, "").encode()

    def named(self, host: str, url: str) -> bytes:
        """Return the document of an address that names its content; empty if the address has none."""
        del host
        return self(url)

    def current(self, url: str, is_usable: Callable[[bytes], bool]) -> bytes:
        """Return the document of an address whose content changes. Raises CredentialsUnavailable."""
        document = self(url)
        if not is_usable(document):
            raise CredentialsUnavailable("the sender's keys are not in the file of --fetched")
        return document

    def renewed(self, url: str, is_usable: Callable[[bytes], bool]) -> bytes:
        """Return the same: the file does not change."""
        return self.current(url, is_usable)


@dataclass(frozen=True, slots=True)
class NoSubscriptions:
    """SNS's endpoint, which a preview does not call."""

    journal: Journal

    def confirm(self, _url: str) -> bool:
        """Note that a subscription would be confirmed."""
        self.journal.skip(SUBSCRIPTION)
        return True


@dataclass(frozen=True, slots=True)
class NoDeadLetters:
    """The dead-letter queue, in which a handshake's secret would wait for the deployer."""

    journal: Journal

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Note that a secret would be kept."""
        del body, attributes, error_code, event_id
        self.journal.skip(SECRET)


#: Makes the verification of one file.
type MakeDoor = Callable[[Journal], Door]


def door_maker(secrets: str | None, fetched: Mapping[str, str] | None, clock: PreviewClock) -> MakeDoor:
    """Return a function that makes the verification: without secrets, one that checks no proof.

    secrets  the text of the stored secret
    fetched  the answers of addresses; None if the user has given none
    """
    answers = Fetched(fetched)
    if secrets is None:
        return lambda journal: UncheckedDoor(_NoSecrets(), answers, answers, journal=journal)
    stored = StoredSigningSecrets(CachedSecret(lambda: secrets, clock.now, clock.monotonic))
    return lambda journal: VerifyingDoor(stored, answers, answers, journal=journal)
