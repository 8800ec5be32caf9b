"""The inputs from which the fuzzer starts."""

import json
import re
from collections.abc import Iterator
from typing import Any

from fakes import ROOT, SHIPPED
from front_door import GATEWAYS
from fuzz.exchange import Flag, head_of
from fuzz.messages import TEXTS, WAYS
from fuzz.senders import SETUP_VALUE, Sender
from push_relay.core.trust.handshakes.row import ANY, Row
from push_relay.core.trust.handshakes.rows import ROWS
from signers import FORM_BODY, JSON_BODY

EVENTS = ROOT / "events"

_MULTIPART = (
    b'--b1\r\nContent-Disposition: form-data; name="note"\r\n\r\na\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{"note": "b"}\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n'
    b"Content-Type: image/png\r\n\r\n\xff\r\n"
    b"--b1--\r\n"
)
#: Its claims are {"note":"a","id":"1"}. Nobody has signed it: the senders sign the body that holds it.
_JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJub3RlIjoiYSIsImlkIjoiMSJ9.c2ln"
#: Challenges, of which each row accepts one.
_CHALLENGES = ("890e4665-4dfe-4ab1-b689-ed553bceeed0", "20f9f8ed05f77439fe955c977e4c8a53", "1158201444")
#: The treatment of seeds, in turn: signed, forged, and every other way once.
_VARIANTS = (
    (Flag.SIGNED, Flag.TAMPERED, Flag(0)),
    (Flag.SIGNED | Flag.DIRECT, Flag.FORGED, Flag(0)),
    (Flag.SIGNED | Flag.ENCODED, Flag.SIGNED | Flag.FLIPPED),
    (Flag.SIGNED | Flag.COMPRESSED, Flag.SIGNED | Flag.COMPRESSED | Flag.DIRECT),
)


def seeds(senders: list[Sender]) -> Iterator[bytes]:
    """Yield seeds: files in events/, texts, examples of sources, bodies for all schemes, questions."""
    for file in sorted(EVENTS.glob("*.json")):
        yield bytes([Flag.RAW, 0, 0]) + file.read_bytes()
        yield bytes([Flag.RAW | Flag.SIGNED, 0, len(WAYS) - 1]) + file.read_bytes()
    for way in range(len(WAYS)):
        for text in TEXTS:
            yield bytes([Flag.RAW | Flag.SIGNED, 0, way]) + text.encode("utf-8", "surrogatepass")
    for number, sender in enumerate(senders):
        for index, (head, body) in enumerate(_contents(sender)):
            for flags in _VARIANTS[index % len(_VARIANTS)]:
                first = bytes([flags | index % len(GATEWAYS)]) + number.to_bytes(2)
                yield first + head + b"\n\n" + body


def _contents(sender: Sender) -> Iterator[tuple[bytes, bytes]]:
    """Yield heads and bodies for a source. The first one has another sender's proof, to be changed."""
    if forged := sender.signed(right=False):
        yield head_of(forged.headers, forged.query), forged.body
    if sender.provider:
        # A signed body of the sender's own, in each of the ways.
        yield from [(b"", sender.provider.body)] * (len(_VARIANTS) - 1)
    elif sender.holder:
        yield from [(b"", JSON_BODY), (b"", b"[" + JSON_BODY + b"]"), (b"", JSON_BODY)]
    elif sender.asks:
        for row in ROWS[sender.asks]:
            yield _question(row)
    else:
        yield from _examples(sender)
        yield from _bodies()


def _question(row: Row) -> tuple[bytes, bytes]:
    """Return the question that a row answers."""
    challenge = next((text for text in _CHALLENGES if re.fullmatch(row.pattern, text)), "planted")
    headers: dict[str, str] = {":method": row.method}
    query: dict[str, str] = {"setup": SETUP_VALUE} if row.brings else {}
    document: Any = dict.fromkeys(row.body or (), challenge)
    places = dict(row.trigger) | ({row.brings: ANY} if row.brings else {})
    for place, wanted in places.items():
        kind, _, name = place.partition(":")
        value = challenge if wanted == ANY else wanted
        if isinstance(value, str):
            value = re.sub(r"{setting:([a-z-]+)}", r"planted-\1", value)
        if kind == "json":
            document = _with(document, name.split("/")[1:], value)
        else:
            {"header": headers, "query": query}[kind][name] = str(value)
    body = json.dumps(document).encode() if document else b""
    return head_of(headers | {"content-type": "application/json"}, query), body


def _with(document: Any, steps: list[str], value: object) -> Any:
    """Return a document with a value at a pointer."""
    if not steps:
        return value
    inner = document.get(steps[0], {}) if isinstance(document, dict) else {}
    if steps[0] == "0":
        return [_with(inner, steps[1:], value)]
    return {**(document or {}), steps[0]: _with(inner, steps[1:], value)}


def _examples(sender: Sender) -> Iterator[tuple[bytes, bytes]]:
    for file in sorted((SHIPPED / sender.source).glob("examples/*.request.json")):
        example = json.loads(file.read_bytes())
        body = b"" if example["body"] is None else json.dumps(example["body"]).encode()
        yield head_of(example["headers"], {}), body


def _bodies() -> Iterator[tuple[bytes, bytes]]:
    """Yield a body of each format, and requests without an event."""
    yield b"content-type: application/json; charset=utf-8", JSON_BODY
    yield b"content-type: application/x-www-form-urlencoded", FORM_BODY + b"&payload=%7B%7D"
    yield b"content-type: application/json", b"[" + JSON_BODY + b"]"
    yield b"content-type: application/json", b'[{"note":"a"},{"note":7},8,{"note":"b","id":"1"}]'
    yield b"content-type: application/json", b'{"alerts":[{"note":"a"},{"note":"<"},[]]}'
    yield b"content-type: application/json", b"[]"
    yield b"content-type: application/x-ndjson", b'{"note":"a"}\n\n{"note":7}\r\n{"not json\n"x"'
    yield (
        b"content-type: application/cloudevents-batch+json",
        b'[{"specversion":"1.0","id":"1","source":"/","type":"t","data_base64":"e30="},{"id":2}]',
    )
    yield (
        b"content-type: application/xml; charset=utf-8",
        b'<?xml version="1.0" encoding="UTF-8"?><n xmlns:x="u" a="1"><note>a</note><x:i>1</x:i><i/></n>',
    )
    yield b"content-type: application/xml", b'<!DOCTYPE n [<!ENTITY e "x">]><n>&e;</n>'
    yield b"content-type: text/plain", b"The oven is hot.\nTwice."
    yield b"content-type: multipart/form-data; boundary=b1", _MULTIPART
    yield b"content-type: multipart/form-data; boundary=b1", _MULTIPART.replace(b"--b1--", b"--b2--")
    yield b"content-type: application/jwt", _JWT
    yield b"content-type: application/json", b'{"payload":"' + _JWT + b'"}'
    yield (
        b"content-type: application/x-www-form-urlencoded",
        b"payload=PG4%2BPG5vdGU%2BYTwvbm90ZT48L24%2B&a=1&a=2",
    )
    yield b"content-type: application/json\nce-specversion: 1.0\nce-id: 1\nce-type: t\nce-source: /", b"7"
    yield b":method: OPTIONS\nwebhook-request-origin: example.com\nwebhook-request-rate: 120", b""
    yield b":method: GET", b""
    yield b"content-type: text/plain\n:query: validationToken=planted", b""
    yield b"aeg-event-type: SubscriptionValidation", b'[{"data":{"validationCode":"planted"}}]'
    yield b"content-type: application/json", b'{"type":"url_verification","challenge":"planted"}'
    yield (
        b"content-type: application/json",
        b'{"event":"endpoint.url_validation","payload":{"plainToken":"planted"}}',
    )
