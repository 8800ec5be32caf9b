"""A sender of one verification scheme, and the places of its proof. `signers.py` has the list of them."""

import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from push_relay.core.trust.schemes.proof import Evidence
from sns_sender import NOW, TOPIC, Request, certificates

#: The signed content of every body contains this word, so that a forger can change it.
WORD = b"planted"
JSON_BODY = b'{"note": "planted", "at": [1, 2.50], "name": "\\u00e9"}'


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value in a request: a header, a query parameter, or a field of the JSON or form.

    opaque  a pattern whose only group is the part of the value that belongs to the proof
    """

    kind: str
    name: str
    opaque: str = r"(?s)(.*)"

    def read(self, request: Request) -> str:
        """Return the value."""
        found = re.fullmatch(self.opaque, self._value(request))
        assert found
        return found[1]

    def write(self, request: Request, value: str) -> Request:
        """Return the request with another value."""
        current = self._value(request)
        found = re.fullmatch(self.opaque, current)
        assert found
        return self._put(request, current[: found.start(1)] + value + current[found.end(1) :])

    def drop(self, request: Request) -> Request:
        """Return the request without the value."""
        if self.kind == "json":
            document = json.loads(request.body)
            del self._holder(document)[self._steps[-1]]
            return replace(request, body=json.dumps(document).encode())
        if self.kind == "form":
            fields = {name: value for name, value in self._fields(request).items() if name != self.name}
            return replace(request, body=urlencode(fields).encode())
        values = getattr(request, self.kind)
        return self._with(request, {key: values[key] for key in values if key != self.name})

    def twice(self, request: Request, joint: str) -> Request:
        """Return the request with the value twice, joined as API Gateway joins a repeated header."""
        value = self._value(request)
        if self.kind == "form":
            return replace(request, body=request.body + b"&" + urlencode({self.name: value}).encode())
        if self.kind == "json" and len(self._steps) > 1:
            return self._put(request, value + joint + value)
        if self.kind == "json":
            again = f"{{{json.dumps(self.name)}: {json.dumps(value)}, {request.body.decode().lstrip('{ ')}"
            return replace(request, body=again.encode())
        return self._put(request, value + joint + value)

    @property
    def _steps(self) -> list[str]:
        """The steps of a pointer, such as `/items/0/proof`. A name without a slash is one step."""
        return self.name.removeprefix("/").split("/")

    def _holder(self, document: Any) -> Any:
        for step in self._steps[:-1]:
            document = document[int(step) if isinstance(document, list) else step]
        return document

    def _fields(self, request: Request) -> dict[str, str]:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))

    def _value(self, request: Request) -> str:
        if self.kind == "json":
            return str(self._holder(json.loads(request.body))[self._steps[-1]])
        values = self._fields(request) if self.kind == "form" else getattr(request, self.kind)
        return str(values[self.name])

    def _put(self, request: Request, value: str) -> Request:
        if self.kind == "json":
            document = json.loads(request.body)
            self._holder(document)[self._steps[-1]] = value
            return replace(request, body=json.dumps(document).encode())
        if self.kind == "form":
            fields = urlencode(self._fields(request) | {self.name: value}, errors="surrogatepass")
            return replace(request, body=fields.encode())
        return self._with(request, {**getattr(request, self.kind), self.name: value})

    def _with(self, request: Request, values: Mapping[str, str]) -> Request:
        if self.kind == "query":
            return replace(request, query=values)
        return replace(request, headers=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scheme with a sender that has its secret.

    verify   the source folder's `[verify]` table
    sign     (body, secret, timestamp as sent) -> a genuine request
    proof    the place of the proof
    stamp    the place of the timestamp, or None if no timestamp is signed
    written  formats a time as a timestamp
    past, future  seconds by which a timestamp may differ from the clock
    covers   the part of the body that the proof covers: its `bytes`, its `fields`, or `nothing`
    lists    whether several proofs joined by a comma are a valid list, and not a repeated header
    event    the keys of `[event]` that the source needs, in TOML
    same     other texts of the same proof that are accepted: without padding, in the other case
    """

    name: str
    verify: Mapping[str, Any]
    sign: Callable[[bytes, bytes, str], Request]
    secret: bytes
    other: bytes
    proof: Place
    body: bytes = JSON_BODY
    stamp: Place | None = None
    written: Callable[[float], str] = lambda moment: str(int(moment))
    past: int = 300
    future: int = 300
    covers: str = "bytes"
    lists: bool = False
    event_id: str | None = None
    event: str = ""
    same: Callable[[str], Collection[str]] = lambda _right: ()

    def genuine(self, now: float = NOW, *, body: bytes | None = None, secret: bytes | None = None) -> Request:
        """Return a genuine request."""
        return self.sign(self.body if body is None else body, secret or self.secret, self.written(now))

    def evidence(self, now: float = NOW, *secrets: bytes) -> Evidence:
        """Return the receiver's evidence, with the case's secret unless others are given."""
        return Evidence(
            secrets or (self.secret,), now, lambda address: certificates()[address], frozenset({TOPIC})
        )


def mac(secret: bytes, content: bytes, digest: str = "sha256") -> bytes:
    """Return an HMAC."""
    return hmac.new(secret, content, digest).digest()


def case_of(
    name: str, verify: Mapping[str, Any], sign: Callable[..., Request], proof: str | Place, **more: Any
) -> Case:
    """Return a case. A place that is given as a text is a header, and the default secrets are plain texts."""
    given: dict[str, Any] = {"secret": b"planted secret", "other": b"other secret", "proof": proof, **more}
    for key in ("proof", "stamp"):
        if isinstance(given.get(key), str):
            given[key] = Place("headers", given[key])
    return Case(name=name, verify=verify, sign=sign, **given)
