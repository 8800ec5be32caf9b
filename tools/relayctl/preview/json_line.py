"""The preview of a file as one line of JSON: docs/preview.md, docs/schemas/preview.schema.json."""

import json
from collections.abc import Mapping
from typing import Any

from push_relay.core.push import Wording
from relayctl.preview.result import PreviewedEvent, PreviewedFile, PreviewedPush


def json_line(preview: PreviewedFile) -> str:
    """Return the line, without its line feed. It is ASCII, so that every terminal and pipe can hold it."""
    return json.dumps(
        {
            "file": preview.file,
            "status": preview.status,
            "answer": _answer(preview.answer) if preview.answer else None,
            "events": [_event(event) for event in preview.events],
            "verified": preview.verified,
            "skipped": list(preview.skipped),
        }
    )


def _answer(response: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": response["statusCode"],
        "headers": dict(response.get("headers") or {}),
        "body": response.get("body") or "",
    }


def _event(previewed: PreviewedEvent) -> dict[str, Any]:
    event = previewed.event
    return {
        "source": previewed.source,
        "id": previewed.id,
        "type": (event and event.type) or None,
        "identity": event.identity if event else None,
        "outcome": previewed.outcome.value,
        "error_code": previewed.receipt.error_code,
        "detail": previewed.receipt.detail,
        "violations": [{"pointer": each.pointer, "rule": each.rule} for each in previewed.violations],
        "messages": [{"rule": each.rule, **wording_object(each.wording)} for each in previewed.messages],
        "pushes": [_push(push) for push in previewed.pushes],
    }


def _push(previewed: PreviewedPush) -> dict[str, Any]:
    push = previewed.push
    recipient = f"{push.recipient.kind}:{push.recipient.value}"
    return {
        "account": push.account,
        "to": recipient,
        "route": previewed.route,
        **wording_object(push.wording),
    }


def wording_object(wording: Wording) -> dict[str, Any]:
    """Return a wording as an object of JSON."""
    return {
        "title": wording.title,
        "body": wording.body,
        "sound": wording.sound,
        "expiry_secs": wording.expiry_secs,
    }
