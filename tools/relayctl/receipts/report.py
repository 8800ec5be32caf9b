"""Log lines, and the stories of events, on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED
from relayctl.deadletters.dead_letter import DeadLetterSummary
from relayctl.preview.selection import relative
from relayctl.receipts.line import LineKind, LogLine
from relayctl.receipts.reasons import is_answered_503, parts_of, reason_of, utc, verdict_of
from relayctl.receipts.route_texts import RouteTexts
from relayctl.receipts.story import Story, Waiting

#: The colour of each outcome, and of each verdict without one.
_STYLES: Final[Mapping[str, str]] = {
    Outcome.DELIVERED: "green",
    Outcome.DUPLICATE: "cyan",
    Outcome.FILTERED: "cyan",
    Outcome.EXPIRED: "yellow",
    Outcome.PARKED: "yellow",
    Outcome.REJECTED: "red",
    Outcome.FAILED: "bold red",
    Waiting.QUEUED: "yellow",
    LineKind.TROUBLE: "bold red",
    LineKind.UNSUBSCRIBED: "bold red",
    LineKind.INVALID_ITEM: "red",
}
#: The widest word: an outcome, or the kind of a line.
_WORD_CHARS: Final = 12
_FILTERED_BY_RULES: Final = "no message rule holds for it"


def show_line(console: Console, line: LogLine) -> None:
    """Print a line of a log as it grows: time (UTC), outcome, source, event and reason."""
    moment = datetime.fromtimestamp(line.at, UTC).strftime("%H:%M:%S")
    word = line.outcome.value if line.outcome else line.kind.value
    text = Text.assemble(
        (f"{moment}  ", "dim"),
        (f"{word:<{_WORD_CHARS}} ", _STYLES.get(word, "")),
        f"{line.source or '-'}  ",
        (f"{_name(line)}  ", "dim"),
        _described(line),
    )
    console.print(text, soft_wrap=True)
    for place, reason in parts_of(line):
        console.print(Text(f"{'':<{10 + _WORD_CHARS}} {_part(place, reason)}", "dim"), soft_wrap=True)


def show_story(
    console: Console, story: Story, texts: RouteTexts, dead_letters: Sequence[DeadLetterSummary] = ()
) -> None:
    """Print the story of an event, its verdict, and what to do next."""
    heading = Text.assemble((f"{story.source or 'unknown'}  ", "bold"), story.event_id or "(no event)")
    console.print(heading, soft_wrap=True)
    if story.correlation_ids:
        console.print(Text(f"  correlation id {', '.join(story.correlation_ids)}", "dim"), soft_wrap=True)
    for line in story.lines:
        word = line.outcome.value if line.outcome else line.kind.value
        text = Text.assemble(
            (f"  {utc(line.at)}  {line.function:<7}  ", "dim"),
            (f"{word:<{_WORD_CHARS}} ", _STYLES.get(word, "")),
            _described(line, texts),
        )
        console.print(text, soft_wrap=True)
    show_verdict(console, story, texts, dead_letters)


def show_verdict(
    console: Console, story: Story, texts: RouteTexts, dead_letters: Sequence[DeadLetterSummary] = ()
) -> None:
    """Print the verdict on an event, who was left out, and what to do next."""
    verdict = Text.assemble(
        "  => ", (story.verdict.value, _STYLES.get(story.verdict, "bold")), f": {verdict_of(story)}"
    )
    console.print(verdict, soft_wrap=True)
    for note in (*_notes(story, texts), *_steps(story, dead_letters)):
        console.print(Text(f"     {note}"), soft_wrap=True)


def _name(line: LogLine) -> str:
    if len(line.event_ids) > 1:
        return f"{line.event_ids[0]} and {len(line.event_ids) - 1} more"
    return line.event_ids[0] if line.event_ids else line.correlation_id or "-"


def _described(line: LogLine, texts: RouteTexts | None = None) -> str:
    """Return the reason of a line, with the push that it is about."""
    facts = [line.route] if line.route else []
    if texts and (text := texts.text_of(line.route)):
        facts[0] = f"{line.route} = {text}"
    if line.account not in (None, "default"):
        facts.append(f"account {line.account}")
    if (line.attempt or 1) > 1:
        facts.append(f"attempt {line.attempt}")
    if line.latency_ms is not None:
        facts.append(f"{line.latency_ms:.0f} ms")
    return reason_of(line) + (f" [{', '.join(facts)}]" if facts else "")


def _notes(story: Story, texts: RouteTexts) -> Iterator[str]:
    """Yield who was left out, with the texts that this machine's files have at those places."""
    parts = list(dict.fromkeys(part for line in story.lines for part in parts_of(line)))
    has_text = False
    for place, reason in parts:
        text = texts.text_of(place)
        has_text = has_text or text is not None
        yield _part(place, reason) + (f": {text}" if text else "")
    deciding = story.deciding
    if deciding and deciding.route is None and (text := texts.text_of(deciding.about_route)):
        has_text = True
        yield f"{deciding.about_route}: {text}"
    if deciding and deciding.outcome is Outcome.FILTERED and deciding.detail == _FILTERED_BY_RULES:
        for number, condition in enumerate(texts.conditions_of(story.source), start=1):
            has_text = True
            yield f"message[{number}].when does not hold: {condition}"
    if has_text:
        files = f"{relative(texts.config)} and {relative(texts.sources)}"
        yield f"(the texts are those of {files} on this machine)"


def _part(place: str | None, reason: str) -> str:
    return f"{place} {reason}" if place else reason


#: What to do next, by the verdict.
_NEXT_STEPS: Final[Mapping[str, str]] = {
    Outcome.FILTERED: "to try other routes or rules: relayctl preview FILE (docs/preview.md)",
    Outcome.DUPLICATE: "if it was a new event: docs/troubleshooting.md, section 2",
    Outcome.EXPIRED: "to see why it waited: the receipts before (docs/troubleshooting.md, section 4)",
    Outcome.PARKED: "remove the cause, and it is sent without your help; for the time now: relayctl waiting"
    " (docs/troubleshooting.md, section 6)",
    Waiting.QUEUED: "if that does not change: docs/troubleshooting.md, section 8",
}


def _steps(story: Story, dead_letters: Sequence[DeadLetterSummary]) -> Iterator[str]:
    deciding = story.deciding
    for dead_letter in dead_letters:
        yield (
            f"dead letter {dead_letter.id} ({dead_letter.error_code}), since {utc(dead_letter.since)}:"
            f" relayctl dead --show {dead_letter.id[:8]}"
        )
    if dead_letters or story.is_dead:
        yield "a dead letter: remove the cause (docs/errors.md), deploy, then: relayctl replay"
    elif story.verdict in (Outcome.REJECTED, Outcome.FAILED) or (deciding and is_answered_503(deciding)):
        yield "what to do first for each error code: docs/errors.md"
    elif deciding and deciding.error_code == BATCHED:
        yield "nothing to do: it is sent when the window ends"
    elif step := _NEXT_STEPS.get(story.verdict):
        yield step
