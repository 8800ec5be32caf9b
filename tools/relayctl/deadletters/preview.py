"""What would become of a dead message under the sources and routes of this checkout. Sends nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from push_relay.core.delivery.batching import is_for_single_pushes
from push_relay.core.errors import PayloadTooLarge
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Push, Receipt
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.translator import Translator
from relayctl.deadletters.dead_letter import DeadLetter, record
from relayctl.deadletters.revival import Outgoing, revived
from relayctl.project import ROOT

#: What the ledger says of pushes that a replay leaves alone.
_SETTLED: Final = frozenset({Outcome.DELIVERED.value, BATCHED})
#: What would be tried, whatever the vendor says to it then.
PUSHED: Final = "pushed"
UNREADABLE: Final = "unreadable"
_DESCRIPTIONS: Final = {PUSHED: "would be pushed to {}", BATCHED: "would be gathered into a digest for {}"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a dead message would become: how many pushes of which outcome, why, and what they would say."""

    outcomes: Counter[str]
    reasons: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        told = [
            _DESCRIPTIONS[outcome].format(count) if outcome in _DESCRIPTIONS else f"{outcome} ({count})"
            for outcome, count in self.outcomes.items()
        ]
        return "; ".join((*told, *dict.fromkeys(self.reasons)))


@dataclass(frozen=True, slots=True)
class Previewer:
    """Asks the relay's own core.

    `status` returns a push's status in the ledger, by its key and the moment before which a settlement does
    not count; None if there is none.
    """

    translator: Translator
    status: Callable[[str, float], str | None]
    now: Callable[[], float]
    force: bool = False

    def ask(self, letter: DeadLetter) -> Preview:
        """Tell what would become of a message."""
        try:
            outgoing = revived(letter, self.now(), force=self.force)
        except PayloadTooLarge as exc:
            return Preview(Counter({UNREADABLE: 1}), (exc.detail,))
        if not outgoing:
            return Preview(Counter({UNREADABLE: 1}), ("nothing in it is an event: it would stay",))
        outcomes: Counter[str] = Counter()
        reasons: list[str] = []
        titles: list[str] = []
        for message in outgoing:
            for task, event in self._tasks(letter, message):
                if isinstance(task, Receipt):
                    outcomes[task.outcome] += 1
                    code = f"{task.error_code}: " if task.error_code else ""
                    reasons.append(f"{code}{task.detail or ''}")
                    continue
                outcome = self._outcome(task, event)
                outcomes[outcome] += 1
                titles += [task.wording.title] if outcome in _DESCRIPTIONS else []
        return Preview(outcomes, tuple(reasons), tuple(dict.fromkeys(titles)))

    def _tasks(self, letter: DeadLetter, message: Outgoing) -> Iterator[tuple[Push | Receipt, Event]]:
        source: str | None = None
        try:
            came = unwrap_sqs(record(letter.message_id, message.body, message.attributes, letter.sent_at))
            source = came.source
            recogniser = Recogniser(self.translator.sources, self.translator.routing, self.now)
            event = came if isinstance(came, Event) else recogniser.recognise(came)
        except Exception as exc:  # noqa: BLE001 (it is the answer)
            nobody = Event("unknown", "-", "", {}, 0.0, "")
            yield Receipt.failure(exc, source=source), nobody
            return
        if event.source.startswith("."):
            # The relay's own: what it says lies in the ledger, and no source's folder has the name.
            alone = f"{len(event.only)} of a refused digest's pushes, each alone"
            detail = alone if is_for_single_pushes(event) else "the end of a digest: one push of it all"
            yield Receipt.of(event, Outcome.PARKED, detail=detail), event
            return
        for task in self.translator.translate(event):
            yield task, event

    def _outcome(self, push: Push, event: Event) -> str:
        if push.max_age is not None and self.now() - event.received_at > push.max_age:
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
    from push_relay.adapters.catalog import Catalog, read_routing_file  # noqa: PLC0415 (slow to import)

    return Translator(Catalog(sources), read_routing_file(config))
