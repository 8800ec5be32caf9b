"""The steps for a source's handshake, and the secrets that senders have sent."""

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from threading import Event as Flag
from typing import Final

from push_relay.core.rules.source import Source
from push_relay.core.trust.handshakes.row import HARMLESS, Row
from push_relay.core.trust.handshakes.rows import ROWS
from push_relay.core.trust.handshakes.setup import SETUP, WAITING_CODE, setup_hash
from relayctl.deadletters.dead_letter import DeadLetter, DeadLetterSummary, Filter
from relayctl.deadletters.listing import iso_time
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.deadletters.scan import scan_queue

#: Bytes of the random value in the URL.
_SETUP_BYTES: Final = 24


@dataclass(frozen=True, slots=True, repr=False)
class ReceivedSecret:
    """A secret that a sender has sent. `since`: when, in seconds since the epoch."""

    secret: str
    since: float

    def line(self) -> str:
        """Return the line to print."""
        return f"{iso_time(self.since)}  {self.secret}"


def describe(source: Source, url: str | None) -> list[str]:
    """Return the steps for a source's handshake; empty if it has none.

    url  the stack's output `WebhookUrl`, if it is known
    """
    if source.handshake is None:
        return []
    rows = ROWS.get(source.handshake, ())
    if any(row.brings for row in rows):
        return list(_setup_steps(source.name, url, token_urlsafe(_SETUP_BYTES)))
    return list(_steps(source, rows))


def received_secret(dead_letter: DeadLetter, since: float) -> ReceivedSecret | None:
    """Return the secret of a message; None if it is not the relay's, or unsafe to print."""
    document = dead_letter.document()
    secret = document.get("secret") if isinstance(document, dict) else None
    if not dead_letter.moved_by_relay or not isinstance(secret, str) or not re.fullmatch(HARMLESS, secret):
        return None
    return ReceivedSecret(secret, since)


def read_secrets(
    queue: DeadLetterQueue,
    source: str,
    stop: Flag,
    show: Callable[[str], None],
    *,
    keep: bool,
) -> list[ReceivedSecret]:
    """Return the secrets that wait for a source. Each is shown, and then its message is deleted.

    stop  ends the pass early
    keep  whether the messages stay in the queue
    """
    found: list[ReceivedSecret] = []

    def read(dead_letter: DeadLetter, summary: DeadLetterSummary) -> None:
        if secret := received_secret(dead_letter, summary.since):
            found.append(secret)
            show(secret.line())
            # A secret that nobody has seen must not be lost.
            if not keep:
                queue.delete(dead_letter)

    scan_queue(queue, Filter(error_code=WAITING_CODE, source=source), time.time, stop, read)
    return found


def report(source: str, found: Sequence[ReceivedSecret], *, kept: bool) -> Iterator[str]:
    """Yield what to do with the secrets that were found."""
    secrets = list(dict.fromkeys(each.secret for each in found))
    if not secrets:
        yield f"No secret waits for `{source}`."
        yield "Either the sender has not asked yet, or its URL does not have the right value."
        return
    if len(secrets) > 1:
        yield f"WARNING: {len(secrets)} different secrets came with the URL. Somebody else may know the URL."
        yield "Store only the secret that the sender itself shows or accepts; if in doubt, begin again."
    yield f"Store it in the signing secrets, without `{SETUP}`, so that no further one is taken:"
    yield from (f"    {json.dumps({source: {'secret': secret}})}" for secret in secrets)
    yield "If the source has a secret that is still in use, store a list: the old one and the new one."
    yield "The message was kept in the dead-letter queue." if kept else "The message was deleted."


def _setup_steps(name: str, url: str | None, value: str) -> Iterator[str]:
    base = (url or "WEBHOOK_URL").replace("{source}", name)
    yield f"The sender of `{name}` chooses the signing secret and sends it when the webhook is made."
    yield ""
    yield "1. Store this member in the signing secrets. If the source has a `secret`, keep it:"
    yield f"       {json.dumps({name: {SETUP: setup_hash(value)}})}"
    yield "2. Make the webhook at the sender with this URL, which nobody else may know:"
    yield f"       {base}?{SETUP}={value}"
    yield "3. Read the secret, and store it as the command prints it:"
    yield f"       relayctl handshake {name} --stack STACK"


def _steps(source: Source, rows: Sequence[Row]) -> Iterator[str]:
    methods = list(dict.fromkeys(row.method for row in rows)) or [
        "POST" if source.handshake == "sns" else "OPTIONS"
    ]
    yield f"The source `{source.name}` answers the handshake `{source.handshake}` ({', '.join(methods)})."
    settings = sorted({name for row in rows for name in row.settings})
    if settings:
        yield "Store these settings with its signing secret, each with the value that the sender has:"
        yield f"    {json.dumps({source.name: {'secret': '...', **dict.fromkeys(settings, '...')}})}"
    if any(row.signs for row in rows):
        yield "The source's secret signs the answer: store it first. Of several, the first one is used."
    if any(row.signed for row in rows):
        yield "The question is signed as events are: store the secret first."
