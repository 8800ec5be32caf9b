"""The parts of which answers are made: problem details, receipts, a source's own answer.

Every error is a problem detail (RFC 9457) with a stable code of docs/errors.md; none quotes the request.
"""

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from push_relay.core.errors import CODES, RelayError, Violation
from push_relay.core.outcomes import Disposition, Outcome, verdict, verdict_of_code
from push_relay.core.push import Receipt
from push_relay.core.rules.answer import FixedAnswer

#: Seconds that a sender is asked to wait if no better value is known.
RETRY_AFTER_SECS = 60

type Response = dict[str, Any]
#: An encoder is made once, because `json.dumps` makes one for each call.
_JSON = json.JSONEncoder(separators=(",", ":"))


def gravity(receipt: Receipt) -> tuple[bool, bool]:
    """Return whether a push is dead-lettered, and whether it waits: in a queue or in a batch window."""
    return receipt.disposition is Disposition.DEAD_LETTER, receipt.outcome is Outcome.PARKED


def shown(receipt: Receipt) -> dict[str, str]:
    """Return a receipt as a sender sees it."""
    fields = {
        "outcome": receipt.outcome,
        "error_code": receipt.error_code,
        "detail": _public_detail(receipt),
    }
    return {name: value for name, value in fields.items() if value}


def _public_detail(receipt: Receipt) -> str | None:
    """Return the detail that a sender may read. The place of an unknown exception is for the log alone."""
    return None if receipt.error_code == RelayError.code else receipt.detail


def safe_detail(error: Exception) -> str:
    """Return the detail of an error that its sender can correct; empty for any other error.

    A detail that only the deployer needs (a missing secret) is for the log: anybody may be asking.
    """
    is_theirs = verdict(error).status < HTTPStatus.INTERNAL_SERVER_ERROR
    return error.detail if isinstance(error, RelayError) and is_theirs else ""


def details(status: int, code: str, detail: str) -> dict[str, Any]:
    """Write a problem detail (RFC 9457); its type is a name, not an address that anybody serves."""
    title = verdict_of_code(code).title if code in CODES else HTTPStatus(status).phrase
    optional = {"detail": detail} if detail else {}
    return {
        "type": f"urn:push-relay:error:{code}",
        "title": title,
        "status": status,
        "code": code,
        **optional,
    }


def retry_after(seconds: float | None) -> dict[str, str]:
    """Return the header that asks a sender to wait."""
    return {"Retry-After": str(max(1, math.ceil(seconds if seconds is not None else RETRY_AFTER_SECS)))}


def respond(
    status: int, body: Mapping[str, Any], correlation_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a JSON document, which is a problem detail if the status is one of an error."""
    problem = status >= HTTPStatus.BAD_REQUEST
    given = {
        "Content-Type": "application/problem+json" if problem else "application/json",
        "Cache-Control": "no-store",
        "X-Correlation-Id": correlation_id,
        **(headers or {}),
    }
    text = _JSON.encode(body)
    return {"statusCode": int(status), "headers": given, "body": text, "isBase64Encoded": False}


def accepted(response: Response, answer: FixedAnswer) -> Response:
    """Return the answer to an accepted request: its source's own, if it has one."""
    if answer.status is None:
        return response
    headers = {name: value for name, value in response["headers"].items() if name != "Content-Type"}
    if answer.body:
        headers |= {"Content-Type": answer.content_type, "X-Content-Type-Options": "nosniff"}
    return {**response, "statusCode": answer.status, "headers": headers, "body": answer.body}


def listed(violations: Sequence[Violation]) -> list[dict[str, str]]:
    """Return violations as a sender sees them."""
    return [{"pointer": violation.pointer, "rule": violation.rule} for violation in violations]
