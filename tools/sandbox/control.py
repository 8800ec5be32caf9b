"""The sandbox's page and its control API, with which a person or a test controls the sandbox.

No other web page can use the control API: the Host must be this machine (against DNS rebinding), a browser's
request must come from the sandbox's own page, and a body must be JSON, which a plain form cannot send.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.account import Account, Refusal
from sandbox.faults import FaultOrder, Faults, WrongOrderError, check_status_and_retry_after
from sandbox.record import Record

PREFIX: Final = "/_sandbox/"
#: Everything below this path belongs to the extension.
EXTENSION_PREFIX: Final = f"{PREFIX}extension"
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
#: An event stream sends a summary at least this often, so that a broken connection is noticed.
SUMMARY_INTERVAL_SECS: Final = 15.0
#: How many earlier calls a new event stream begins with.
EARLIER_CALLS: Final = 300
_PAGE: Final = Path(__file__).parent / "page"
_PAGE_FILES: Final = ("style.css", "phone.js", "log.js", "stream.js", "icon.svg")
_LEAD: Final = "The vendor's contract, held strictly. Nothing leaves this machine."
_DEFAULT_CALLS: Final = 1_000
#: Python is slow to read an integer of thousands of digits, and no count has that many.
_MAX_DIGITS: Final = 15
#: The headers of every answer of the page and its API.
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Extension:
    """The part of the page that another program adds. The HTML is its own and trusted; it contains no data.

    title, lead  the page's heading, and the sentence below it
    head         HTML for the document's head
    panels       HTML of panels in front of the calls
    app          answers everything below `EXTENSION_PREFIX`, after requests of other sites were refused
    """

    title: str
    lead: str
    head: str
    panels: str
    app: ASGIApp


class WrongRequestError(Exception):
    """A request to the control API is invalid. The text contains the reason."""


@dataclass(frozen=True, slots=True)
class LocalOnly:
    """Refuses requests for other hosts and from other web pages."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse one request, or pass it on (ASGI)."""
        response = _refuse_other_sites(Request(scope))
        if response is not None:
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _refuse_other_sites(request: Request) -> Response | None:
    host = request.headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in LOCAL_HOSTS:
        return _error(421, "the Host must be 127.0.0.1 or localhost")
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return _error(403, "a page of another origin cannot use the sandbox")
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return _error(403, "a page of another site cannot use the sandbox")
    return None


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, HEADERS)


def _json(content: object, status: int = 200) -> Response:
    return JSONResponse(content, status, HEADERS)


async def _body(request: Request) -> Any:
    """Return the body's JSON value. Raises WrongRequestError."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise WrongRequestError("Content-Type must be application/json")
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise WrongRequestError("the body is not JSON") from None


async def _object(request: Request, allowed: frozenset[str]) -> dict[str, Any]:
    """Return the body's JSON object, which may have the allowed members only. Raises WrongRequestError."""
    body = await _body(request)
    if not isinstance(body, dict) or set(body) - allowed:
        raise WrongRequestError(f"the body must be an object with only {', '.join(sorted(allowed))}")
    return body


@dataclass(frozen=True, slots=True)
class Control:
    """The handlers of the control API."""

    account: Account
    record: Record
    faults: Faults
    extension: Extension | None = None

    def app(self) -> ASGIApp:
        """Return the application for the page and for all paths under `/_sandbox/`."""
        routes = [
            Route("/", self.page),
            *(Route(f"{PREFIX}page/{name}", _page_file(name)) for name in _PAGE_FILES),
            Route(f"{PREFIX}health", self.health),
            Route(f"{PREFIX}summary", self.summary),
            Route(f"{PREFIX}calls", self.calls, methods=["GET"]),
            Route(f"{PREFIX}calls", self.clear_calls, methods=["DELETE"]),
            Route(f"{PREFIX}events", self.events),
            Route(f"{PREFIX}faults", self.list_faults, methods=["GET"]),
            Route(f"{PREFIX}faults", self.order_faults, methods=["POST"]),
            Route(f"{PREFIX}faults", self.clear_faults, methods=["DELETE"]),
            Route(f"{PREFIX}credentials", self.change_credentials, methods=["PUT"]),
            Route(f"{PREFIX}limits", self.change_limits, methods=["PUT"]),
            *([Mount(EXTENSION_PREFIX, self.extension.app)] if self.extension else ()),
        ]
        handlers = {WrongRequestError: _answer_wrong, WrongOrderError: _answer_wrong}
        return LocalOnly(Starlette(routes=routes, exception_handlers=handlers))

    async def page(self, _request: Request) -> Response:
        """Return the page, with the extension's panels."""
        added = self.extension
        texts = {
            "title": escape(added.title if added else "Push API sandbox"),
            "lead": escape(added.lead if added else _LEAD),
            "head": added.head if added else "",
            "panels": added.panels if added else "",
        }
        page = Template((_PAGE / "index.html").read_text("utf-8"))
        return HTMLResponse(page.substitute(texts), headers=HEADERS)

    def counters(self) -> dict[str, Any]:
        """Return the counters, the limits and the fault orders as JSON."""
        limits = self.account.limits
        return {
            **asdict(self.record.counts),
            **asdict(self.account.usage()),
            "last": self.record.last,
            "limits": asdict(limits),
            "orders": [order.as_json() for order in self.faults.in_force()],
        }

    async def health(self, _request: Request) -> Response:
        """Answer that the sandbox is running."""
        return _json({"status": "ok"})

    async def summary(self, _request: Request) -> Response:
        """Return the counters."""
        return _json(self.counters())

    async def calls(self, request: Request) -> Response:
        """Return the calls after the number `after`, oldest first, at most `limit` (default: 1,000)."""
        after = _number(request, "after", 0)
        limit = _number(request, "limit", _DEFAULT_CALLS)
        calls = self.record.calls(after)
        listed = [call.as_json() for call in calls[:limit]]
        return _json({"calls": listed, "more": len(calls) > limit, "last": self.record.last})

    async def clear_calls(self, _request: Request) -> Response:
        """Delete the recorded calls. The account's count of today does not change."""
        self.record.clear()
        return _json(self.counters())

    async def list_faults(self, _request: Request) -> Response:
        """Return the fault orders that are not used up."""
        return _json([order.as_json() for order in self.faults.in_force()])

    async def order_faults(self, request: Request) -> Response:
        """Add one fault order or a list of them. If one of them is invalid, none is added."""
        body = await _body(request)
        orders = [FaultOrder.read(order) for order in (body if isinstance(body, list) else [body])]
        self.faults.add(orders)
        self.record.announce()
        return _json([order.as_json() for order in self.faults.in_force()], 201)

    async def clear_faults(self, _request: Request) -> Response:
        """Delete all fault orders."""
        self.faults.clear()
        self.record.announce()
        return _json([])

    async def change_credentials(self, request: Request) -> Response:
        """Accept only the given credentials from now on."""
        wanted = await _object(request, frozenset({"company_id", "integration_key"}))
        company_id, key = wanted.get("company_id"), wanted.get("integration_key")
        if type(company_id) is not int or not isinstance(key, str) or not key:
            raise WrongRequestError("company_id must be an integer and integration_key a non-empty string")
        self.account.change_credentials(company_id, key)
        return _json({"company_id": company_id})

    async def change_limits(self, request: Request) -> Response:
        """Change the given limits, and the answers to calls beyond them."""
        members = frozenset({"daily_calls", "connections", "over_quota", "over_connections", "calls_today"})
        wanted = await _object(request, members)
        calls_today = _limit(wanted.pop("calls_today", None))
        changed = {
            name: _refusal(value) if name.startswith("over_") else _limit(value)
            for name, value in wanted.items()
        }
        self.account.limits = replace(self.account.limits, **changed)  # type: ignore[arg-type] # by its name
        if calls_today is not None:
            self.account.set_calls_today(calls_today)
        self.record.announce()
        return _json(self.counters())

    async def events(self, request: Request) -> Response:
        """Stream the calls as server-sent events. The stream resumes after `Last-Event-ID`."""
        stream = self._follow(request.headers.get("last-event-id", ""))
        return StreamingResponse(stream, headers=HEADERS, media_type="text/event-stream")

    async def _follow(self, last_event_id: str) -> AsyncIterator[str]:
        """Yield an event `call` for each call, and an event `summary` after them.

        An event's id is `<run>-<number>`. If `last_event_id` is of another run or missing, the stream begins
        with an event `cleared` and the most recent calls, so that the page shows what the record contains.
        """
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        clearings = self.record.clearings
        run, _, number = last_event_id.rpartition("-")
        after = int(number) if run == self.record.run and number.isdecimal() else None

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self.record.followed_by(wake):
            yield "retry: 1000\n\n"
            if after is None:
                after = max(0, self.record.last - EARLIER_CALLS)
                yield _event("cleared", {})
            while True:
                changed.clear()
                if clearings != self.record.clearings:
                    clearings = self.record.clearings
                    yield _event("cleared", {})
                for call in self.record.calls(after):
                    after = call.number
                    yield _event("call", call.as_json(), f"{self.record.run}-{after}")
                yield _event("summary", self.counters())
                with suppress(TimeoutError):
                    async with asyncio.timeout(SUMMARY_INTERVAL_SECS):
                        await changed.wait()


def _event(name: str, content: object, number: str | None = None) -> str:
    """Return one event (WHATWG HTML, 9.2.5). JSON contains no line break, so one data line is enough."""
    identity = f"id: {number}\n" if number else ""
    return f"{identity}event: {name}\ndata: {json.dumps(content)}\n\n"


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise WrongRequestError(f"{name} must be an integer of at least 0")
    return int(text)


def _limit(value: object) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise WrongRequestError("a limit must be an integer of at least 0, or null for no limit")
    return value


def _refusal(value: object) -> Refusal:
    if not isinstance(value, dict) or set(value) - {"status", "retry_after"}:
        raise WrongRequestError("over_quota and over_connections must be objects with status and retry_after")
    if "status" in value and value["status"] is None:  # the check below allows None, for fault orders
        raise WrongRequestError("status must be an integer from 200 to 599")
    check_status_and_retry_after(value.get("status"), value.get("retry_after"))
    return Refusal(**value)


async def _answer_wrong(_request: Request, exc: Exception) -> Response:
    return _error(400, str(exc))


def _page_file(name: str) -> Any:
    async def serve(_request: Request) -> Response:
        return FileResponse(_PAGE / name, headers=HEADERS)

    return serve
