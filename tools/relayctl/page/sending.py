"""Send an example of a source, or a request that was pasted, or only preview it."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from push_relay.adapters.catalog import Catalog
from push_relay.core.errors import ConfigurationInvalid, UnknownSource
from relayctl import senders
from relayctl.examples import Example, aws_message, examples_of, is_from_aws
from relayctl.page.explainer import Explainer, Files
from relayctl.page.history import Entry, History
from relayctl.page.recorder import Recorder
from relayctl.page.requests import WEBHOOKS, Request
from relayctl.preview.result import PreviewedFile
from relayctl.sending import CannotSendError
from relayctl.sending.freshness import Seen, freshened
from relayctl.webhook import Webhook, read_webhook


class Choice(NamedTuple):
    """The choice of a person on the page.

    example  the name of an example; empty if the request was pasted
    pasted   the pasted request; None for an example
    sign     whether it gets the proof that its sender would add
    as_new   whether it is changed so that the relay takes it for another event than the ones before
    """

    source: str
    example: str = ""
    pasted: Webhook | None = None
    sign: bool = True
    as_new: bool = True


class Sendable(NamedTuple):
    """A request that can be sent, or the body of a message for the queue.

    note  what a person should know about it; empty for nothing
    """

    request: Request | None
    message: str = ""
    note: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends to the local stack.

    files     the deployer's folders, which have the examples
    secrets   the stack's signing secrets, by source
    to_queue  puts a message into the relay's queue, and returns its id
    """

    files: Files
    secrets: Mapping[str, str]
    recorder: Recorder
    explainer: Explainer
    history: History
    to_queue: Callable[[str], str]

    def examples(self) -> list[dict[str, Any]]:
        """Return the sources with their examples, in the order of their names."""
        names = Catalog(self.files.sources).names()
        return [{"source": name, "examples": self._examples(name)} for name in names]

    def _examples(self, source: str) -> list[dict[str, Any]]:
        found = []
        for example in examples_of(self.files.sources, source):
            try:
                through_aws = example.through_aws
            except (OSError, ValueError):
                continue  # `relayctl check` reports it
            found.append({"name": example.name, "through_aws": through_aws})
        return found

    def example(self, source: str, name: str) -> dict[str, Any]:
        """Return an example as texts that can be edited and pasted. Raises CannotSendError."""
        webhook = self._webhook(self._example(Choice(source, name)))
        return {
            "headers": list(webhook.headers.items()),
            "query": urlencode(webhook.query),
            "body": webhook.body.decode("utf-8", errors="replace"),
        }

    def send(self, choice: Choice) -> tuple[list[Entry], str]:
        """Send what was chosen; return the entries of its events, and a note. Raises CannotSendError."""
        sendable = self.sendable(choice)
        if sendable.request is None:
            at = time.time()
            message_id = self.to_queue(sendable.message)
            explained = self.explainer.message(sendable.message, message_id, at)
            return [self.history.add_message(sendable.message, message_id, at, sendable.label, explained)], ""
        answer = self.recorder.forward(replace(sendable.request, at=time.time()))
        _, entries, _ = self.history.changes(0)
        sent = [entry for entry in entries if entry.answer is answer]
        return sent, sendable.note

    def preview(self, choice: Choice) -> PreviewedFile:
        """Return what the relay would do with what was chosen. Raises CannotSendError."""
        sendable = self.sendable(choice._replace(as_new=False))
        if sendable.request is None:
            found = self.explainer.message(sendable.message, str(uuid.uuid4()), time.time())
        else:
            found = self.explainer.request(sendable.request, "preview")
        if found is None:
            raise CannotSendError(f"the source `{choice.source}` has a mistake; `relayctl check` reports it")
        return found

    def sendable(self, choice: Choice) -> Sendable:
        """Return what is sent for a choice. Raises CannotSendError."""
        example = self._example(choice)
        webhook = choice.pasted or self._webhook(example)
        label = "" if choice.pasted else example.label
        if is_from_aws(webhook):
            try:
                message = aws_message(webhook, str(uuid.uuid4()), datetime.now(UTC))
            except ValueError as exc:
                raise CannotSendError("the body is not what AWS could deliver") from exc
            return Sendable(None, message, label=label)
        if not choice.as_new:
            return Sendable(self._request(webhook, example, choice, label), label=label)
        return self._new_event(webhook, example, choice, label)

    @staticmethod
    def _webhook(example: Example) -> Webhook:
        try:
            return example.request
        except (OSError, ValueError) as exc:
            raise CannotSendError(f"the example cannot be read: {exc}") from exc

    def _example(self, choice: Choice) -> Example:
        """Return the example, or for a pasted request one whose tables are used. Raises CannotSendError."""
        if choice.source not in Catalog(self.files.sources).names():
            raise CannotSendError(f"there is no source `{choice.source[:64]}`")
        if choice.pasted is not None:
            return Example(
                choice.source, "pasted", self.files.sources / choice.source / "examples/pasted.request.json"
            )
        found = examples_of(self.files.sources, choice.source)
        example = next((each for each in found if each.name == choice.example), None)
        if example is None:
            raise CannotSendError(f"the source `{choice.source}` has no example `{choice.example}`")
        return example

    def _new_event(self, webhook: Webhook, example: Example, choice: Choice, label: str) -> Sendable:
        """Return the request, changed so little that it is another event with the same words."""

        def look(changed: Webhook, later_secs: float) -> Seen:
            request = self._request(changed, example, choice, label, later_secs)
            explained = self.explainer.request(request, "preview")
            return Seen.of(explained.events if explained else ())

        try:
            source = self.explainer.current()[0].named(choice.source)
            fresh = freshened(webhook, source.rules.event_id, source.body_format, look)
        except (ConfigurationInvalid, UnknownSource):  # the request is refused, new or not
            return Sendable(self._request(webhook, example, choice, label), label=label)
        note = "" if fresh.is_new else "the relay takes it for an event that was sent before"
        return Sendable(self._request(fresh.request, example, choice, label), note=note, label=label)

    def _request(
        self, webhook: Webhook, example: Example, choice: Choice, label: str, later_secs: float = 0.0
    ) -> Request:
        """Return the request as its sender sends it, now or later. Raises CannotSendError."""
        now = time.time() + later_secs
        url = self.recorder.url(choice.source)
        policy = self.explainer.current()[1].policy(choice.source)
        if choice.sign:
            try:
                secret = self.secrets.get(choice.source, "")
                called = senders.called_url(url, policy.url)
                webhook = senders.sign(webhook, example.verify, secret, now, event=example.event, url=called)
            except (senders.CannotSignError, ConfigurationInvalid) as exc:
                raise CannotSendError(f"it cannot be signed: {exc}") from exc
        target = f"{WEBHOOKS}{choice.source}"
        query = urlencode(webhook.query)
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        headers["host"] = urlsplit(url).netloc
        return Request(
            at=now,
            method=webhook.method.upper(),
            target=f"{target}?{query}" if query else target,
            headers=tuple(headers.items()),
            body=webhook.body,
            label=label,
        )


def read_pasted(text: str, headers: str, query: str) -> Webhook:
    """Return a request of the texts that a person has pasted. Raises CannotSendError.

    text     the body, or a whole example: {"headers": {...}, "query": {...}, "body": ...}
    headers  `Name: value`, one in each line
    query    `a=1&b=2`
    """
    pairs = dict(_header(line) for line in headers.splitlines() if line.strip())
    if not pairs and (example := _as_example(text)) is not None:
        return example
    from urllib.parse import parse_qsl

    document = {"headers": pairs, "query": dict(parse_qsl(query.lstrip("?"), keep_blank_values=True))}
    try:
        return read_webhook({**document, "body": text})
    except ValueError as exc:
        raise CannotSendError(str(exc)) from exc


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or not name.isascii() or " " in name.strip():
        raise CannotSendError(
            f"`{line.strip()[:40]}` is not a header such as `Content-Type: application/json`"
        )
    return name.strip().lower(), value.strip()


def _as_example(text: str) -> Webhook | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or "body" not in document or not set(document) & {"headers", "query"}:
        return None
    try:
        return read_webhook(document)
    except ValueError as exc:
        raise CannotSendError(str(exc)) from exc
