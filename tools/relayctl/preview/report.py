"""The preview of a file as a text for people, at most 80 columns wide."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from push_relay.core.delivery.ledger import LEDGER_MEMORY_SECS
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import clean_line, clean_text
from push_relay.core.push import Wording
from relayctl.preview.explanation import Condition, Explanation, TriedRecipient, TriedRoute, TriedRule
from relayctl.preview.result import PreviewedEvent, PreviewedFile
from relayctl.preview.stand_ins import ADDRESS, PROOF, SECRET, SETTINGS, SUBSCRIPTION

_WIDTH: Final = 80
#: The column in which the text begins, after the label.
_INDENT: Final = 12
_SKIPPED: Final = {
    PROOF: "the proof, because there are no --secrets: the request may be forged. The identity is "
    "shown as if the proof covered the body",
    ADDRESS: "the sender's address, because an example has none (`allow_ips`)",
    SECRET: "keeping the handshake's secret, which would wait in the dead-letter queue",
    SETTINGS: "the settings that are stored beside the secret, because there are no --secrets: the answer "
    "is the one without them",
    SUBSCRIPTION: "the confirmation of the subscription, because a preview calls no network",
}
#: Headers that every answer has.
_USUAL_HEADERS: Final = frozenset({"Cache-Control", "X-Content-Type-Options", "X-Correlation-Id"})
_UNITS: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def report(preview: PreviewedFile) -> str:
    """Return the text, which ends with a line feed."""
    return "\n".join(_lines(preview)) + "\n"


def _lines(preview: PreviewedFile) -> Iterator[str]:
    yield f"{clean_line(preview.file)}: {preview.status}"
    if preview.verified is not None:
        yield from _row("proof", "fits" if preview.verified else "does not fit")
    for number, event in enumerate(preview.events, start=1):
        if len(preview.events) > 1:
            yield f"  -- event {number} of {len(preview.events)}: {event.outcome.value}"
        yield from _event(event)
    if preview.answer:
        yield from _answer(preview.answer)
    for step in preview.skipped:
        yield from _row("skipped", _SKIPPED[step])


def _fallback(previewed: PreviewedEvent) -> str:
    if not previewed.is_fallback:
        return ""
    reason = (
        f"there is no route for {previewed.unrouted}, which would take it"
        if previewed.unrouted
        else "no other source's match rule fits"
    )
    return f", a fallback source: {reason}"


def _event(previewed: PreviewedEvent) -> Iterator[str]:
    event, receipt = previewed.event, previewed.receipt
    yield from _row("source", (previewed.source or "not known") + _fallback(previewed))
    if event is None:
        yield from _row("refused", f"{receipt.error_code}: {receipt.detail}")
    for violation in previewed.violations:
        yield from _row("", f"{violation.pointer or '(the document)'} breaks `{violation.rule}`")
    if event is None:
        return
    yield from _row("schema", "fits")
    yield from _row("event", f"{_type(event.type)}, id {event.id}")
    yield from _row("identity", clean_line(event.identity))
    if previewed.explanation:
        kind = "an id" if event.has_unique_id else "a hash of the content"
        yield from _row("", f"{kind}, {_memory(previewed.explanation.remember_secs)}")
        yield from _explanation(previewed.explanation, can_write=bool(previewed.messages))
    for message in previewed.messages:
        if not previewed.pushes:
            yield from _row("words", f"of message rule {message.rule}")
            yield from _wording(message.wording)
    for push in previewed.pushes:
        target = f"{push.push.recipient.kind}:{push.push.recipient.value}"
        batch = push.push.batch_secs
        collected = f", collected for {duration_in_words(batch)} into one push" if batch is not None else ""
        yield from _row(
            "push", f"to {clean_line(target)}, account {push.push.account}, route {push.route}{collected}"
        )
        yield from _wording(push.push.wording)
    for each in previewed.receipts:
        if each.outcome is not Outcome.DELIVERED:
            code = f"{each.error_code}: " if each.error_code else ""
            yield from _row(each.outcome.value, f"{code}{each.detail or ''}")


def _type(event_type: str | None) -> str:
    if event_type is None:
        return "of a type that cannot be evaluated"
    return f"type {clean_line(event_type)}" if event_type else "without a type"


def _memory(secs: float | None) -> str:
    if secs is None:
        return f"remembered for {duration_in_words(LEDGER_MEMORY_SECS)}, as long as the ledger remembers"
    return f"remembered for {duration_in_words(secs)}"


def _explanation(why: Explanation, *, can_write: bool) -> Iterator[str]:
    for rule in why.rules:
        yield from _row(f"message {rule.number}", _rule(rule, can_write=can_write))
    if why.writing_rule is None:
        yield from _row("messages", "no message rule applies: nobody is notified")
    for route in why.routes:
        yield from _route(route)
    if not why.routes:
        yield from _row("routes", "relay.toml has no route for this source: nobody is notified")


def _rule(rule: TriedRule, *, can_write: bool) -> str:
    match rule.condition:
        case Condition.HOLDS:
            verb = (
                "skips the event"
                if rule.skip
                else "writes"
                if can_write
                else "applies, and its words cannot be written"
            )
            return verb if rule.when is None else f"{verb}: its condition holds: {_code(rule.when)}"
        case Condition.FALSE:
            return f"does not: its condition is false: {_code(rule.when)}"
        case Condition.FAILED:
            return f"does not: its condition cannot be evaluated on this event: {_code(rule.when)}"


def _route(tried: TriedRoute) -> Iterator[str]:
    label = f"route {tried.number}"
    match tried.condition:
        case Condition.FALSE:
            yield from _row(label, f"no: its condition is false: {_code(tried.when)}")
        case Condition.FAILED:
            yield from _row(label, f"no: its condition cannot be evaluated: {_code(tried.when)}")
        case Condition.HOLDS:
            yield from _row(label, "yes" if tried.applies else "no: it leads to nobody")
            for part in tried.to:
                yield from _row("", _part(part))


def _part(part: TriedRecipient) -> str:
    if part.recipient is None:
        return f"{_code(part.text)}: {part.reason}"
    resolved = f"{part.recipient.kind}:{part.recipient.value}"
    return f"to {clean_line(resolved)}" + ("" if resolved == part.text else f", by {_code(part.text)}")


def _wording(wording: Wording) -> Iterator[str]:
    yield from _row("  title", clean_line(wording.title))
    for number, line in enumerate(clean_text(wording.body).split("\n")):
        yield from _row("" if number else "  body", line)
    sound = {None: "left to the vendor", True: "yes", False: "no"}[wording.sound]
    secs = wording.expiry_secs
    expiry = "left to the vendor" if secs is None else f"after {duration_in_words(secs)}"
    yield from _row("", f"(sound: {sound}; disappears: {expiry})")


def _answer(response: Mapping[str, Any]) -> Iterator[str]:
    yield from _row("answer", f"{response['statusCode']} {clean_line(response.get('body') or '(no body)')}")
    for name, value in (response.get("headers") or {}).items():
        if name not in _USUAL_HEADERS:
            yield from _row("", clean_line(f"{name}: {value}"))


def _code(text: str | None) -> str:
    return f"`{clean_line(text or '')}`"


def duration_in_words(secs: float) -> str:
    """Return a duration in the largest unit that divides it."""
    fitting = [unit for unit in _UNITS if secs >= unit[1] and secs % unit[1] == 0]
    unit, size = (fitting or _UNITS[-1:])[0]
    count = f"{secs / size:g}"
    return f"{count} {unit}{'' if count == '1' else 's'}"


def _row(label: str, text: str) -> list[str]:
    """Return a text beside its label, wrapped."""
    head = f"  {label}".ljust(_INDENT + 1)
    return textwrap.wrap(
        text or "-",
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    ) or [head.rstrip()]
