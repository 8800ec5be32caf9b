"""From an example to what is sent: a request that is signed as its sender signs, or a message of AWS."""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.core.errors import ConfigurationInvalid, CredentialsUnavailable
from push_relay.core.queue_format import QUEUE_ATTRIBUTE
from push_relay.core.rules.routing import Routing
from push_relay.core.rules.source import Source
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from relayctl import senders
from relayctl.examples import Example, aws_message
from relayctl.preview.inputs import Input, InputError
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.result import EMPTY, HANDSHAKE, PreviewedFile
from relayctl.preview.stand_ins import PreviewClock, door_maker
from relayctl.sending import CannotSendError
from relayctl.sending.changes import Change, changed
from relayctl.sending.freshness import Seen, freshened
from relayctl.targets import Target
from relayctl.webhook import Webhook

_ORIGIN_QUEUE = "sqs-queue"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The request or the message that is sent.

    request     the signed request, for a webhook
    url         the URL that it is sent to
    message     the message for the relay's queue, for an example that AWS delivers, with its attributes
    message_id  the id of the message in its envelope; None if it has none
    made_new    what was changed to make its events new
    notes       warnings for the person who sends it
    is_new      False if it is known to be a duplicate of the same example
    without_events  whether it is a question of the sender's, or an empty request
    """

    request: Webhook | None = None
    url: str = ""
    message: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    message_id: str | None = None
    made_new: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_new: bool = True
    without_events: bool = False


def prepare(target: Target, example: Example, changes: Sequence[Change], *, as_is: bool) -> Prepared:
    """Return what is sent for an example. Raises CannotSendError and StackError.

    as_is  whether it is sent without a change that makes it a new event
    """
    request = example.request
    if example.through_aws:
        request, notes = changed(request, changes, None)
        return _message(request, notes)
    return _Webhooks(target, example).prepared(request, changes, as_is=as_is)


def _message(request: Webhook, notes: Sequence[str]) -> Prepared:
    """Return the message for the queue. It is always new, because each message of AWS has a new id."""
    message_id = str(uuid.uuid4())
    try:
        body = aws_message(request, message_id, datetime.now(UTC))
    except ValueError as exc:
        raise CannotSendError("the example's body is not what AWS could deliver") from exc
    queue = request.headers.get(_ORIGIN_QUEUE)
    has_envelope = body != request.body.decode()
    return Prepared(
        message=body,
        attributes=((QUEUE_ATTRIBUTE, queue),) if queue and not has_envelope else (),
        message_id=message_id if has_envelope else None,
        notes=tuple(notes),
    )


class _Webhooks:
    """Prepares webhooks of one source."""

    def __init__(self, target: Target, example: Example) -> None:
        self._example = example
        self._source = _source(target, example.source)
        self._routing = _routing(target)
        self._url = target.fact("WebhookUrl").replace("{source}", example.source)
        policy = self._routing.policy(example.source)
        self._called = senders.called_url(self._url, policy.url)
        self._secret = _secret(target, example)
        self._previewer = self._make_previewer(target)

    def prepared(self, request: Webhook, changes: Sequence[Change], *, as_is: bool) -> Prepared:
        """Return the signed request of an example."""
        if request.url and not request.query:
            request = replace(request, query=dict(parse_qsl(urlsplit(request.url).query)))
        request, notes = changed(request, changes, self._source.body_format)
        made_new: tuple[str, ...] = ()
        is_new = True
        if not as_is:
            event_id = self._source.rules.event_id
            fresh = freshened(request, event_id, self._source.body_format, self._look)
            request, made_new, is_new = fresh
        signed = self._signed(request, time.time())
        status = self._preview(signed, time.time()).status
        return Prepared(
            request=signed,
            url=self._url,
            made_new=made_new,
            notes=tuple(notes),
            is_new=is_new,
            without_events=status in (HANDSHAKE, EMPTY),
        )

    def _signed(self, request: Webhook, now: float) -> Webhook:
        try:
            return senders.sign(
                request,
                self._example.verify,
                self._secret,
                now,
                event=self._example.event,
                url=self._called,
            )
        except senders.CannotSignError as exc:
            raise CannotSendError(
                f"{self._example.label} cannot be signed: {exc}. Without a proof: relayctl preview "
                f"{self._example.file}"
            ) from exc

    def _look(self, request: Webhook, later_secs: float) -> Seen:
        now = time.time() + later_secs
        return Seen.of(self._preview(self._signed(request, now), now).events)

    def _preview(self, signed: Webhook, now: float) -> PreviewedFile:
        previewer = self._previewer(PreviewClock(now))
        content = replace(signed, url=self._called, path="")
        try:
            return previewer.preview(Input(self._example.label, content, self._example.source))
        except InputError as exc:
            raise CannotSendError(str(exc)) from exc

    def _make_previewer(self, target: Target) -> Callable[[PreviewClock], Previewer]:
        sources = LayeredSources(target.sources)
        secrets = json.dumps({self._example.source: self._secret})

        def make(clock: PreviewClock) -> Previewer:
            door = door_maker(secrets, None, clock)
            return Previewer(sources, self._routing, door, clock, self._example.source)

        return make


def _source(target: Target, name: str) -> Source:
    try:
        source = Catalog(target.sources).named(name)
        source.raise_mistakes()
    except ConfigurationInvalid as exc:
        raise CannotSendError(exc.detail) from exc
    return source


def _routing(target: Target) -> Routing:
    try:
        return read_routing_file(target.config)
    except ConfigurationInvalid as exc:
        raise CannotSendError(exc.detail) from exc


def _secret(target: Target, example: Example) -> str:
    """Return the secret with which the stack verifies the source's requests; empty if it needs none."""
    from botocore.exceptions import BotoCoreError, ClientError

    if not senders.needs_secret(example.verify):
        return ""
    arn = target.fact("SigningSecretsArn")
    try:
        text = target.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except (BotoCoreError, ClientError) as exc:
        raise CannotSendError(
            f"{example.label} cannot be signed: the signing secrets of the stack {target.stack} cannot be "
            f"read with your credentials, which need secretsmanager:GetSecretValue on {arn}: {exc}"
        ) from exc
    except KeyError:
        raise CannotSendError(f"{example.label} cannot be signed: {arn} holds no text") from None
    stored = StoredSigningSecrets(CachedSecret(lambda: text, time.time, time.monotonic))
    try:
        # Of several, the first one is the one that senders use from now on.
        return stored.of(example.source)[0].decode()
    except CredentialsUnavailable as exc:
        raise CannotSendError(f"{example.label} cannot be signed: {exc.detail} ({arn})") from exc
