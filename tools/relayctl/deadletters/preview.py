"""The outcome that a replay of a dead letter would have with this checkout's sources and routes.

Sends nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from push_relay.core.delivery.batching import is_for_single_pushes
from push_relay.core.delivery.wake_up import woken_account
from push_relay.core.errors import PayloadTooLarge
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Push, Receipt
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.translator import Translator
from relayctl.deadletters.dead_letter import DeadLetter, record
from relayctl.deadletters.outgoing import OutgoingMessage, outgoing_messages
from relayctl.project import ROOT

#: The ledger's statuses of pushes that a replay does not send again.
_SETTLED: Final = frozenset({Outcome.DELIVERED.value, BATCHED})
#: A push that would be sent. The vendor's answer is unknown.
PUSHED: Final = "pushed"
#: A dead letter that contains no event.
UNREADABLE: Final = "unreadable"
_DESCRIPTIONS: Final = {PUSHED: "would be pushed to {}", BATCHED: "would be batched for {}"}


@dataclass(frozen=True, slots=True)
class Preview:
    """The result that a replay of a dead letter would have.

    outcomes  the number of pushes by outcome; also the keys `pushed`, `gathered` and `unreadable`
    reasons   why pushes would not be sent
    titles    the titles of the pushes that would be sent; they are personal data
    """

    outcomes: Counter[str]
    reasons: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the outcomes and the reasons in one line, without the titles."""
        outcomes = [
            _DESCRIPTIONS[outcome].format(count) if outcome in _DESCRIPTIONS else f"{outcome} ({count})"
            for outcome, count in self.outcomes.items()
        ]
        return "; ".join((*outcomes, *dict.fromkeys(self.reasons)))


@dataclass(frozen=True, slots=True)
class Previewer:
    """Previews replays with the relay's own core, so that the preview and the replay cannot differ.

    status  returns a push's status in the ledger, or None, by the push's key and the time (in seconds since
            the epoch) before which a settlement does not count
    now     returns seconds since the epoch
    force   whether the replay would send again what was delivered
    """

    translator: Translator
    status: Callable[[str, float], str | None]
    now: Callable[[], float]
    force: bool = False

    def preview(self, dead_letter: DeadLetter) -> Preview:
        """Return what a replay of the dead letter would do."""
        try:
            outgoing = outgoing_messages(dead_letter, self.now(), force=self.force)
        except PayloadTooLarge as exc:
            return Preview(Counter({UNREADABLE: 1}), (exc.detail,))
        if not outgoing:
            return Preview(
                Counter({UNREADABLE: 1}), ("it contains no event and would stay in the dead-letter queue",)
            )
        outcomes: Counter[str] = Counter()
        reasons: list[str] = []
        titles: list[str] = []
        for message in outgoing:
            for task, event in self._tasks(dead_letter, message):
                if isinstance(task, Receipt):
                    outcomes[task.outcome] += 1
                    code = f"{task.error_code}: " if task.error_code else ""
                    reasons.append(f"{code}{task.detail or ''}")
                    continue
                outcome = self._outcome(task, event)
                outcomes[outcome] += 1
                titles += [task.wording.title] if outcome in _DESCRIPTIONS else []
        return Preview(outcomes, tuple(reasons), tuple(dict.fromkeys(titles)))

    def _tasks(
        self, dead_letter: DeadLetter, message: OutgoingMessage
    ) -> Iterator[tuple[Push | Receipt, Event]]:
        source: str | None = None
        try:
            unwrapped = unwrap_sqs(
                record(dead_letter.message_id, message.body, message.attributes, dead_letter.sent_at)
            )
            source = unwrapped.source
            recogniser = Recogniser(self.translator.sources, self.translator.routing, self.now)
            event = unwrapped if isinstance(unwrapped, Event) else recogniser.recognise(unwrapped)
        except Exception as exc:  # noqa: BLE001 - the exception becomes the preview's outcome
            no_event = Event("unknown", "-", "", {}, 0.0, "")
            yield Receipt.failure(exc, source=source), no_event
            return
        if woken_account(event) is not None:
            yield Receipt.of(event, Outcome.FILTERED, detail="a wake-up, which holds no event"), event
            return
        if event.source.startswith("."):
            # The end of a batch window. Its pushes are stored in the ledger, and no source folder has its
            # name, so it cannot be translated here.
            singles = f"{len(event.only)} pushes of a refused batch push, each sent alone"
            detail = singles if is_for_single_pushes(event) else "the end of a batch window: one batch push"
            yield Receipt.of(event, Outcome.PARKED, detail=detail), event
            return
        for task in self.translator.translate(event):
            yield task, event

    def _outcome(self, push: Push, event: Event) -> str:
        if push.is_expired(event, self.now()):
            return Outcome.EXPIRED
        if not self.force and self.status(push.key, push.forget_before(event)) in _SETTLED:
            return Outcome.DUPLICATE
        return PUSHED if push.batch_secs is None else BATCHED


def translator_of(
    sources: Path = ROOT / "src/sources", config: Path = ROOT / "config/relay.toml"
) -> Translator:
    """Return the translator with a checkout's sources and routes.

    Raises ConfigurationInvalid.
    """
    from push_relay.adapters.catalog import Catalog, read_routing_file

    return Translator(Catalog(sources), read_routing_file(config))
