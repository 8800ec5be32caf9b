"""An event as the page shows it: a line of the list, and the whole story, as JSON.

The story follows the pipeline: request, verification, schema, message rules, routes, pushes, the vendor's
answers, receipts. If the request did not go through the recorder, the parts that need it are null.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from push_relay.core.delivery.encoding import Credentials, encode
from push_relay.core.errors import RelayError
from push_relay.core.push import Push, Wording
from push_relay.core.push_format import PushFormat
from push_relay.core.rules.routing import Routing
from relayctl.page.history import Entry
from relayctl.page.masking import MASK, Masks
from relayctl.page.requests import Answer, Request
from relayctl.page.verification import Proof, steps
from relayctl.preview.explanation import TriedRecipient, TriedRoute
from relayctl.preview.result import PreviewedEvent, PreviewedFile
from relayctl.receipts.json_line import line_json
from relayctl.receipts.line import LogLine
from relayctl.receipts.reasons import reason_of
from sandbox.record import Call

type Json = dict[str, Any]

#: Characters of a body that the page gets.
_MOST_BODY_CHARS: Final = 200_000
#: Keys of a log line that are shown elsewhere, or are the same in every line of an event.
_USUAL_KEYS: Final = frozenset({"kind", "stack", "at", "outcome", "reason", "correlation_id", "event_ids"})


@dataclass(frozen=True, slots=True)
class StoryWriter:
    """Writes stories.

    routing     the routes that the functions use
    masks       what is hidden of the event's request
    proof       how the event's source verifies
    company_id  the vendor's id of the organisation
    calls       the calls to the vendor that could be the event's
    start_routes  the routes to start with of the event's source, as its folder has them; empty for none
    """

    routing: Routing
    masks: Masks
    proof: Proof
    company_id: int
    calls: Sequence[Call] = ()
    start_routes: str = ""

    def story(self, entry: Entry) -> Json:
        """Return the whole story of an entry."""
        previewed, explained = entry.previewed, entry.explained
        story = {
            **line_of(entry),
            "request": self._request(entry.request) if entry.request else None,
            "message": entry.message,
            "answer": self._answer(entry.answer) if entry.answer else None,
            "verification": self._verification(entry),
            "skipped": list(explained.skipped) if explained else [],
            "explained": explained_event(previewed) if previewed else None,
            "pushes": [self._push(push, route) for push, route in previewed.pushes] if previewed else [],
            "calls": [call.as_json() for call in self._own_calls(previewed)],
            "start_routes": self.start_routes,
            "receipts": [_receipt(line) for line in entry.logged.lines],
        }
        # A secret may also be in the data, or in words that a rule made of it.
        return {name: self.masks.value(value) for name, value in story.items()}

    def _request(self, request: Request) -> Json:
        from urllib.parse import parse_qsl

        body = self.masks.body(request.body)
        return {
            "method": request.method,
            "path": request.path,
            "query": self.masks.pairs("query", parse_qsl(request.query, keep_blank_values=True)),
            "headers": self.masks.pairs("header", request.headers),
            "body": None if body is None else body[:_MOST_BODY_CHARS],
            "bytes": len(request.body),
            "is_cut": body is not None and len(body) > _MOST_BODY_CHARS,
        }

    def _answer(self, answer: Answer) -> Json:
        return {
            "status": answer.status,
            "headers": self.masks.pairs("answer", answer.headers),
            "body": self.masks.text(answer.body.decode("utf-8", errors="replace"))[:_MOST_BODY_CHARS],
            "ms": round(answer.secs * 1000),
        }

    def _verification(self, entry: Entry) -> list[Json] | None:
        if entry.request is None or entry.answer is None:
            return None
        policy = self.routing.policy(entry.request.source)
        code = str(entry.answer.problem.get("code") or "")
        # The answer to a list has the code of its worst item, and the request itself was accepted.
        refused = entry.answer.status >= 400  # noqa: PLR2004 (RFC 9110, 15)
        done = steps(self.proof, policy, code if refused else "", is_answered=True)
        return [step._asdict() for step in done]

    def _push(self, push: Push, route: int) -> Json:
        account = self.routing.accounts.get(push.account)
        credentials = Credentials(self.company_id, MASK)
        written: Json = {}
        for push_format in PushFormat:
            try:
                root = account.xml_root if account else "Push"
                written[push_format.value] = encode(push, credentials, push_format, xml_root=root).decode()
            except RelayError as exc:
                written[push_format.value] = exc.detail
        return {
            "to": f"{push.recipient.kind}:{push.recipient.value}",
            "account": push.account,
            "format": account.format.value if account else None,
            "route": route,
            "batch_secs": push.batch_secs,
            **wording_json(push.wording),
            **written,
        }

    def _own_calls(self, previewed: PreviewedEvent | None) -> Iterable[Call]:
        """Return the calls of this event: others of its request have the same correlation id."""
        if previewed is None or not previewed.pushes:
            return self.calls
        wanted = {(each.push.wording.title, each.push.recipient.value) for each in previewed.pushes}
        own = [call for call in self.calls if _shown_to(call) & wanted]
        return own or ([] if previewed.event and wanted else self.calls)


def _shown_to(call: Call) -> set[tuple[str, str]]:
    push = call.push or {}
    return {
        (str(push.get("Title")), str(push[name]))
        for name in ("UserId", "UserEmail", "UserExternalId")
        if name in push
    }


def line_of(entry: Entry) -> Json:
    """Return an entry as a line of the list."""
    return {
        "number": entry.number,
        "version": entry.version,
        "at": moment(entry.at),
        "source": entry.source,
        "id": entry.event_id,
        "type": entry.type,
        "verdict": str(entry.verdict),
        "code": entry.error_code,
        "reason": entry.reason,
        "title": title_of(entry.previewed),
        "label": entry.label,
        "via": "webhook" if entry.request else "queue" if entry.message is not None else "log",
        "recipients": len(entry.previewed.pushes) if entry.previewed else None,
        "of": len(entry.explained.events) if entry.explained else None,
        "position": entry.position,
    }


def moment(at: float) -> str:
    """Return seconds since the epoch in ISO 8601 and UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def title_of(previewed: PreviewedEvent | None) -> str:
    """Return the title of the event's wording; empty if it has none."""
    if previewed is None:
        return ""
    if previewed.pushes:
        return previewed.pushes[0].push.wording.title
    return previewed.messages[0].wording.title if previewed.messages else ""


def explained_event(previewed: PreviewedEvent) -> Json:
    """Return why an event becomes what it becomes."""
    event, why = previewed.event, previewed.explanation
    return {
        "outcome": previewed.outcome.value,
        "code": previewed.receipt.error_code,
        "detail": previewed.receipt.detail,
        "violations": [{"pointer": each.pointer, "rule": each.rule} for each in previewed.violations],
        "event": event
        and {"id": event.id, "type": event.type, "identity": event.identity, "data": event.data},
        "is_fallback": previewed.is_fallback,
        "unrouted": previewed.unrouted,
        "rules": [
            {
                "number": rule.number,
                "when": rule.when,
                "condition": rule.condition.value,
                "skip": rule.skip,
            }
            for rule in (why.rules if why else ())
        ],
        "writing_rule": why.writing_rule if why else None,
        "remember_secs": why.remember_secs if why else None,
        "routes": [_route(tried) for tried in (why.routes if why else ())],
        "messages": [
            {"rule": message.rule, **wording_json(message.wording)} for message in previewed.messages
        ],
        "receipts": [
            {"outcome": each.outcome.value, "code": each.error_code, "detail": each.detail}
            for each in previewed.receipts
        ],
    }


def previewed_file(preview: PreviewedFile) -> Json:
    """Return the preview of a request or message that was not sent."""
    return {
        "status": str(preview.status),
        "answer": _previewed_answer(preview.answer),
        "verified": preview.verified,
        "skipped": list(preview.skipped),
        "events": [
            {
                **explained_event(event),
                "source": event.source,
                "title": title_of(event),
                "pushes": [
                    {
                        "to": f"{push.recipient.kind}:{push.recipient.value}",
                        "route": route,
                        **wording_json(push.wording),
                    }
                    for push, route in event.pushes
                ],
            }
            for event in preview.events
        ],
    }


def _previewed_answer(answer: Mapping[str, Any] | None) -> Json | None:
    return {"status": answer["statusCode"], "body": answer.get("body") or ""} if answer else None


def wording_json(wording: Wording) -> Json:
    """Return a wording."""
    return {
        "title": wording.title,
        "body": wording.body,
        "sound": wording.sound,
        "expiry_secs": wording.expiry_secs,
    }


def _route(tried: TriedRoute) -> Json:
    return {
        "number": tried.number,
        "when": tried.when,
        "condition": tried.condition.value,
        "applies": tried.applies,
        "to": [_recipient(part) for part in tried.to],
    }


def _recipient(part: TriedRecipient) -> Json:
    found = part.recipient
    return {
        "text": part.text,
        "recipient": f"{found.kind}:{found.value}" if found else None,
        "reason": part.reason,
    }


def _receipt(line: LogLine) -> Json:
    """Return a log line: its kind, its reason, and its keys that are not the same in every line."""
    fields = {name: value for name, value in line_json(line, "").items() if name not in _USUAL_KEYS}
    return {
        "kind": line.kind.value,
        "at": moment(line.at),
        "outcome": line.outcome.value if line.outcome else None,
        "reason": reason_of(line),
        "fields": {name: value for name, value in fields.items() if value not in (None, [])},
    }
