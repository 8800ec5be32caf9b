"""Answers the questions that are rows of data (`row.py`)."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from push_relay.core.errors import (
    CredentialsUnavailable,
    HandshakeNotFound,
    HandshakeRefused,
    MalformedRequest,
)
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.strict_json import parse
from push_relay.core.trust.handshakes.base import HandshakeRequest, Reply
from push_relay.core.trust.handshakes.row import ANY, MAX_QUESTION, PRINTABLE, Row
from push_relay.core.trust.schemes.proof import fits

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_SETTING = re.compile(r"\{setting:([a-z-]+)\}")
#: The status of a setting that does not fit, by its error.
_REFUSALS: Final = {403: HandshakeRefused, 404: HandshakeNotFound}
_ABSENT: Final = object()
_NO_SETTINGS: Final[Mapping[str, str]] = {}
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, repr=False)
class Means:
    """The values of an answer, beside the request. It has no repr, so that it cannot be logged.

    settings  the source's settings by name
    key       the source's key; empty if it has none
    url       the webhook's URL, without a query
    """

    settings: Mapping[str, str] = _NO_SETTINGS
    key: bytes = b""
    url: str = ""


@dataclass(slots=True)
class Question:
    """A request that may be a question. Its body is parsed when a row first needs it."""

    request: HandshakeRequest
    _document: Any = _ABSENT

    def at(self, place: str) -> Any:
        """Return what a place of the request holds, or _ABSENT."""
        kind, _, name = place.partition(":")
        if kind == "query":
            return self.request.query.get(name, _ABSENT)
        if kind == "header":
            return self.request.headers.get(name, _ABSENT)
        found: Any = self.document
        for step in name.split("/")[1:]:
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                found = found.get(step, _ABSENT) if isinstance(found, dict) else _ABSENT
        return found

    @property
    def document(self) -> Any:
        """The body's JSON value; None if it is not JSON, or larger than any question."""
        if self._document is _ABSENT:
            self._document = None
            if len(self.request.body) <= MAX_QUESTION:
                with suppress(MalformedRequest):
                    self._document = parse(self.request.body)
        return self._document

    def has_only(self, members: frozenset[str]) -> bool:
        """Return whether the whole body is empty, or a JSON object with no others than these members."""
        if not self.request.body.strip():
            return True
        return isinstance(self.document, dict) and members.issuperset(self.document)


def answer_proven(rows: Sequence[Row], request: HandshakeRequest, key: bytes) -> Reply | None:
    """Answer a request that is proven; None if it carries an event. Raises MalformedRequest."""
    question, wrong = Question(request), None
    for row in rows:
        if not _holds(row, question, Means()):
            continue
        # Markup in a text is the sender's own, which has proven itself; a text that is signed stays strict.
        try:
            return _reply(row if row.signs else row._replace(pattern=PRINTABLE), question, Means(key=key))
        except MalformedRequest as exc:
            wrong = exc
    if wrong:
        raise wrong
    return None


def answer_unproven(row: Row, request: HandshakeRequest, means: Means) -> Reply:
    """Answer a request of a row's method that comes without a proof.

    Raises HandshakeRefused if it is not the row's question or a setting does not fit, MalformedRequest if its
    challenge must not be sent back, and CredentialsUnavailable if a setting or key is missing.
    """
    question = Question(request)
    if not _holds(row, question, means):
        raise _REFUSALS[row.refused]("the request is not the handshake that the source expects")
    return _reply(row, question, means)


def is_question(row: Row, request: HandshakeRequest) -> bool:
    """Return whether a POST without a proof is exactly a row's question, so that it cannot be an event."""
    question = Question(request)
    elsewhere = [place for place in row.trigger if not place.startswith("json:")]
    return (
        row.body is not None
        and all(question.at(place) is not _ABSENT for place in elsewhere)
        and all(question.at(place) is _ABSENT for place in row.absent)
        and question.has_only(row.body)
        and all(_is_safe(row, question.at(place)) for place in _free(row))
    )


def value_at(place: str, request: HandshakeRequest) -> str:
    """Return the text at a place of a question that was recognised."""
    return str(Question(request).at(place))


def is_signed_for_anybody(rows: Sequence[Row], text: bytes) -> bool:
    """Return whether a text could be a challenge that one of the rows signs for a stranger.

    A source signs only such texts in its answers, and accepts no event whose signed content is one, so that
    no answer is of use as an event's signature.
    """
    return any(row.signs and re.fullmatch(rb"[%s]*" % row.alphabet.encode(), text) for row in rows)


def _free(row: Row) -> list[str]:
    return [place for place, wanted in row.trigger.items() if wanted == ANY]


def _is_safe(row: Row, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(row.pattern, value) is not None


def _holds(row: Row, question: Question, means: Means) -> bool:
    """Return whether a request is a row's question. Settings are compared in constant time."""
    fixed = {place: wanted for place, wanted in row.trigger.items() if wanted != ANY}
    present = fixed or row.trigger
    return all(
        _fits(question.at(place), wanted, means) if place in fixed else question.at(place) is not _ABSENT
        for place, wanted in present.items()
    ) and all(question.at(place) is _ABSENT for place in row.absent)


def _fits(value: object, wanted: object, means: Means) -> bool:
    named = _SETTING.fullmatch(wanted) if isinstance(wanted, str) else None
    if not named:
        # `True` is equal to 1 and to nothing that a sender means.
        return type(value) is type(wanted) and value == wanted
    expected = _setting(means, named[1])
    return isinstance(value, str) and value.isascii() and fits([value], [expected.encode("utf-8")])


def _setting(means: Means, name: str) -> str:
    if not (value := means.settings.get(name)):
        raise CredentialsUnavailable(f"the source's handshake needs its setting `{name}`")
    return value


def _reply(row: Row, question: Question, means: Means) -> Reply:
    if not all(_is_safe(row, question.at(place)) for place in _free(row)):
        what = "a text that can be signed" if row.signs else "a short text of characters that are sent back"
        raise MalformedRequest(f"the handshake's token is not {what}")

    def fill(template: object) -> object:
        if not isinstance(template, str):
            return template
        return _PLACEHOLDER.sub(lambda found: _value(found[1], row, question, means), template)

    headers = {name: str(fill(template)) for name, template in row.headers.items()}
    if row.json is not None:
        body = json.dumps({name: fill(template) for name, template in row.json.items()})
        return Reply(body, headers=headers, status=row.status)
    return Reply(str(fill(row.text)), TEXT, headers, status=row.status)


def _value(placeholder: str, row: Row, question: Question, means: Means) -> str:
    kind, _, rest = placeholder.partition(":")
    match kind:
        case "setting":
            return _setting(means, rest)
        case "sha256-hex":
            parts = [
                means.url if part == "url" else _value(part, row, question, means) for part in rest.split("+")
            ]
            return hashlib.sha256("".join(parts).encode("utf-8")).hexdigest()
        case "hmac-sha256-hex":
            return _sign(row, question.at(rest), means, "sha256").hex()
        case "hmac-sha1-hex":
            return _sign(row, question.at(rest), means, "sha1").hex()
        case "hmac-sha256-base64":
            import base64  # noqa: PLC0415 (for one provider)

            return base64.b64encode(_sign(row, question.at(rest), means, "sha256")).decode("ascii")
    return str(question.at(placeholder))


def _sign(row: Row, challenge: str, means: Means, hash_name: str) -> bytes:
    """Sign a challenge. Raises CredentialsUnavailable without a key, and MalformedRequest for other texts."""
    content = challenge.encode("utf-8")
    if not is_signed_for_anybody((row,), content):
        raise MalformedRequest("the handshake's token is not a text that can be signed")
    if not means.key:
        raise CredentialsUnavailable("the source's handshake needs a signing secret")
    key = hashlib.sha1(means.key, usedforsecurity=False).digest() if row.derive == "sha1" else means.key
    return hmac.digest(key, content, hash_name)
