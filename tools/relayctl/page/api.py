"""The HTTP interface of the relay's part of the page, below the sandbox's `/_sandbox/extension`.

The sandbox refuses other hosts (DNS rebinding) and other web pages before this. Everything but the page's own
files needs the page's key too, which is only in the address that `relayctl run` prints: a program of another
user of this machine can open a connection to it, but must not read requests or write files.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from relayctl.page.explainer import Explainer
from relayctl.page.history import Entry, History
from relayctl.page.masking import Masks
from relayctl.page.reloader import Reloader
from relayctl.page.sending import Choice, Sending, read_pasted
from relayctl.page.story import StoryWriter, line_of, moment, previewed_file
from relayctl.page.verification import Proof
from relayctl.page.wording import CannotEditError, ChangedOnDiskError, Wording, read_texts
from relayctl.sending import CannotSendError
from sandbox.connection import wait_for_disconnect
from sandbox.control import EXTENSION_PREFIX, HEADERS, Extension
from sandbox.record import Record

#: The header that has the page's key.
KEY_HEADER: Final = "x-page-key"
STATIC: Final = Path(__file__).parent / "static"
#: The files of the page; each is served by its name.
FILES: Final = (
    "relay.css",
    "relay.js",
    "events.js",
    "story.js",
    "steps.js",
    "send.js",
    "wording.js",
    "dom.js",
)
_LONGEST_WAIT_SECS: Final = 25.0
_MOST_BODY_BYTES: Final = 12 * 1024 * 1024

type Handler = Callable[[Request], Awaitable[Response]]


class WrongRequestError(Exception):
    """A request to this interface is invalid. The text contains the reason."""


@dataclass(frozen=True, slots=True)
class PageApi:
    """The handlers.

    key         the page's key
    company_id  the vendor's id of the organisation
    secrets     returns texts that are never shown in a story
    """

    key: str
    company_id: int
    secrets: Callable[[], tuple[str, ...]]
    history: History
    record: Record
    explainer: Explainer
    sending: Sending
    wording: Wording
    reloader: Reloader

    def extension(self) -> Extension:
        """Return what is added to the sandbox's page."""
        head = [f'<link rel="stylesheet" href="{EXTENSION_PREFIX}/page/relay.css">']
        head.append(f'<script type="module" src="{EXTENSION_PREFIX}/page/relay.js"></script>')
        return Extension(
            title="Push Relay",
            lead="Every event on its way to the phone. Nothing leaves this machine.",
            head="\n  ".join(head),
            panels=(STATIC / "panels.html").read_text("utf-8"),
            app=self.app(),
        )

    def app(self) -> Starlette:
        """Return the application."""
        routes = [
            *(Route(f"/page/{name}", _static(name)) for name in FILES),
            Route("/events", self._guarded(self.events), methods=["GET"]),
            Route("/events", self._guarded(self.clear), methods=["DELETE"]),
            Route("/events/{number:int}", self._guarded(self.event), methods=["GET"]),
            Route("/examples", self._guarded(self.examples), methods=["GET"]),
            Route("/examples/{source}/{name}", self._guarded(self.example), methods=["GET"]),
            Route("/secrets/{source}", self._guarded(self.secret), methods=["GET"]),
            Route("/send", self._guarded(self.send), methods=["POST"]),
            Route("/preview", self._guarded(self.preview), methods=["POST"]),
            Route("/sources/{name}", self._guarded(self.read_source), methods=["GET"]),
            Route("/sources/{name}", self._guarded(self.save_source), methods=["PUT"]),
            Route("/sources/{name}/preview", self._guarded(self.preview_source), methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            offered = request.headers.get(KEY_HEADER, "")
            if not hmac.compare_digest(offered.encode(), self.key.encode()):
                return _error(403, "the page's key is missing: open the address that `relayctl run` prints")
            try:
                return await handler(request)
            except (WrongRequestError, CannotSendError, CannotEditError) as exc:
                return _error(409 if isinstance(exc, ChangedOnDiskError) else 400, str(exc))

        return guarded

    # --- events ---------------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        """Return what has changed after a version. With `wait`, wait for a change first."""
        after, run = _number(request, "after"), request.query_params.get("run", "")
        if run != self.history.run:
            after = 0
        elif "wait" in request.query_params:
            await self._change(request, after)
        version, changed, removed = self.history.changes(after)
        return _json(
            {
                "run": self.history.run,
                "version": version,
                "events": [line_of(entry) for entry in changed],
                "removed": removed,
                "state": self._state(),
            }
        )

    async def _change(self, request: Request, after: int) -> None:
        """Wait until something changes, or until the page is closed."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        end = self.history.follow(lambda: loop.call_soon_threadsafe(changed.set))
        waiting = {asyncio.ensure_future(changed.wait()), asyncio.ensure_future(wait_for_disconnect(request))}
        try:
            if self.history.wait(after, 0) <= after:
                await asyncio.wait(waiting, timeout=_LONGEST_WAIT_SECS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end()
            for task in waiting:
                task.cancel()

    def _state(self) -> dict[str, Any]:
        state = self.reloader.state
        return {
            "phase": state.phase,
            "since": moment(state.since),
            "secs": round(state.secs, 1),
            "findings": [str(finding) for finding in state.findings],
        }

    async def event(self, request: Request) -> Response:
        """Return the whole story of an event."""
        entry = self.history.get(request.path_params["number"])
        if entry is None:
            return _error(404, "the event is no longer kept")
        return _json(await run_in_threadpool(self._story, entry))

    def _story(self, entry: Entry) -> dict[str, Any]:
        name = entry.request.source if entry.request else entry.source
        sources, routing = self.explainer.current()
        proof = Proof.read(self.explainer.files.sources / name) if name in sources.names() else Proof(None)
        calls = [
            call
            for call in self.record.calls()
            if call.correlation_id and call.correlation_id == entry.correlation_id
        ]
        masks = Masks(proof.masked_places, self.secrets())
        start_routes = self.wording.start_routes(entry.source)
        writer = StoryWriter(routing, masks, proof, self.company_id, calls, start_routes)
        return writer.story(entry)

    async def clear(self, _request: Request) -> Response:
        """Delete the events, and the calls with what the phone shows."""
        self.history.clear()
        self.record.clear()
        return _json({})

    # --- sending --------------------------------------------------------------------------------------

    async def examples(self, _request: Request) -> Response:
        """Return the sources with their examples."""
        return _json(
            {
                "sources": await run_in_threadpool(self.sending.examples),
                "url": self.sending.recorder.url("{source}"),
            }
        )

    async def example(self, request: Request) -> Response:
        """Return an example in the form in which a request is pasted."""
        source, name = request.path_params["source"], request.path_params["name"]
        return _json(await run_in_threadpool(self.sending.example, source, name))

    async def secret(self, request: Request) -> Response:
        """Return the local signing secret of a source, which a person gives to a sender."""
        return _json({"secret": self.sending.secrets.get(request.path_params["source"], "")})

    async def send(self, request: Request) -> Response:
        """Send what was chosen, and return the numbers of its events."""
        choice = await _choice(request)
        entries, note = await run_in_threadpool(self.sending.send, choice)
        return _json({"events": [entry.number for entry in entries], "note": note})

    async def preview(self, request: Request) -> Response:
        """Preview what was chosen."""
        choice = await _choice(request)
        return _json(previewed_file(await run_in_threadpool(self.sending.preview, choice)))

    # --- wording --------------------------------------------------------------------------------------

    async def read_source(self, request: Request) -> Response:
        """Return a source's files and examples."""
        return _json(await run_in_threadpool(self.wording.read, request.path_params["name"]))

    async def preview_source(self, request: Request) -> Response:
        """Preview an edited copy of a source."""
        body = await _object(request)
        texts, examples = read_texts(body.get("files")), body.get("examples", [])
        if not isinstance(examples, list) or not all(isinstance(name, str) for name in examples):
            raise WrongRequestError("`examples` must be a list of names")
        name = request.path_params["name"]
        return _json(await run_in_threadpool(self.wording.preview, name, texts, examples))

    async def save_source(self, request: Request) -> Response:
        """Save a source's files."""
        body = await _object(request)
        texts, versions = read_texts(body.get("files")), read_texts(body.get("versions"))
        name = request.path_params["name"]
        return _json(await run_in_threadpool(self.wording.save, name, texts, versions))


async def _choice(request: Request) -> Choice:
    body = await _object(request)
    texts = {name: body.get(name, "") for name in ("source", "example", "body", "headers", "query")}
    flags = {name: body.get(name, True) for name in ("sign", "as_new")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise WrongRequestError("source, example, body, headers and query must be texts")
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise WrongRequestError("sign and as_new must be true or false")
    pasted = None
    if not texts["example"]:
        pasted = read_pasted(texts["body"], texts["headers"], texts["query"])
    return Choice(texts["source"], texts["example"], pasted, **flags)


async def _object(request: Request) -> dict[str, Any]:
    """Return the body's JSON object. Raises WrongRequestError."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise WrongRequestError("Content-Type must be application/json")
    content = await request.body()
    if len(content) > _MOST_BODY_BYTES:
        raise WrongRequestError("the body is too large")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise WrongRequestError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise WrongRequestError("the body must be an object")
    return body


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):  # noqa: PLR2004 (no count is longer)
        raise WrongRequestError(f"{name} must be an integer of at least 0")
    return int(text)


def _json(content: object, status: int = 200) -> Response:
    return JSONResponse(content, status, HEADERS)


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


def _static(name: str) -> Handler:
    async def serve(_request: Request) -> Response:
        return FileResponse(STATIC / name, headers=HEADERS)

    return serve
