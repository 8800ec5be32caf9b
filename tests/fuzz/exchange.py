"""Bytes become one exchange with the receive path, and what has to hold of each: for the fuzzer, and without.

The bytes: one of FLAGS, one that chooses the sender, then lines `name: value` (`:method` and `:query` beside
headers), an empty line, and the body. So what the fuzzer cuts and joins stays a request, and a seed is easily
written. With RAW the rest is the whole invocation, as JSON.
"""

import base64
import gzip
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntFlag
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fakes import ROOT, SHIPPED, SHIPPED_ROUTES, World
from front_door import GATEWAYS
from push_relay.core.errors import CODES, CredentialsUnavailable
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.outcomes import Outcome, verdict
from push_relay.core.trust.handshakes.registry import HANDSHAKES
from push_relay.entrypoints import http_endpoint
from push_relay.settings import DeliveryMode
from signers import CASES, FORM_BODY, JSON_BODY, NOW, Case
from sns_sender import TOPIC, URL, Request, certificates

#: 2xx, every refusal, what is answered before there is an event, and a certificate that cannot be read. The
#: world is well: 500 is a surprise, and so is any other 5xx.
STATUSES = {200, 202, 404, 405, verdict(CredentialsUnavailable).status} | {
    verdict(error).status for error in CODES.values() if verdict(error).outcome is Outcome.REJECTED
}
EVENTS = ROOT / "events"
_HEADER = re.compile(r"[\x20-\x7e]*")
_RSA = "sns-http"
_TWILIO = "twilio"


class Flag(IntFlag):
    """What is done with a request, by the first byte; its two lowest bits choose the gateway, or RAW.

    TAMPERED alone is signed with another's secret; with SIGNED, changed after it was signed: FORGED.
    """

    RAW = 3
    SIGNED = 4
    TAMPERED = 8
    ENCODED = 16
    COMPRESSED = 32
    DIRECT = 64
    FLIPPED = 128
    FORGED = SIGNED | TAMPERED


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: a source's name, how it signs, and whether it is let in without."""

    source: str
    case: Case | None = None
    open_to_all: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """An invocation, and whether it is a genuine one: only what is may be queued or delivered."""

    invocation: Any
    genuine: bool
    mode: DeliveryMode = DeliveryMode.QUEUE


class Bench:
    """A relay in each mode, with the shipped sources and one for every scheme that the tests can sign."""

    def __init__(self, directory: Path) -> None:
        self.senders = list(_plant(directory))
        self.worlds = {mode: self._world(mode, directory) for mode in DeliveryMode}

    def exchange(self, content: bytes) -> Exchange | None:
        """Read bytes as an exchange; None where they are none."""
        if len(content) < 2:
            return None
        flags, sender = Flag(content[0]), self.senders[content[1] % len(self.senders)]
        if flags & Flag.RAW == Flag.RAW:
            with suppress(ValueError, RecursionError):
                return Exchange(json.loads(content[2:]), genuine=False)
            return None
        return self._request(flags, sender, content[2:])

    def check(self, exchange: Exchange) -> dict[str, Any]:
        """Let the relay answer, and hold the answer against what always has to be. Raises AssertionError."""
        world = self.worlds[exchange.mode]
        _forget(world)
        answer = world.receive(exchange.invocation)
        status = answer["statusCode"]
        assert status in STATUSES, (status, answer["body"], [r.detail for r in world.witness.receipts])
        _check_words(world, answer)
        let_in = bool(world.messages.queued or world.vendor.calls or world.sns.confirmed)
        assert exchange.genuine or not let_in, "an event was let in that nobody signed"
        assert exchange.genuine or status not in {200, 202} or _asks(exchange.invocation), answer
        told = (world.witness.receipts, world.witness.accepted_events, world.witness.handshakes)
        assert sum(map(bool, told)) <= 1, "several outcomes"
        assert any(told) or status in {200, 404, 405}, "no outcome"
        assert world.witness.flushes == 1
        return answer

    def _request(self, flags: Flag, sender: Sender, content: bytes) -> Exchange:
        head, _, body = content.partition(b"\n\n")
        told = _lines(head)
        method, query = told.pop(":method", "POST"), dict(parse_qsl(told.pop(":query", "")))
        if Flag.COMPRESSED in flags:
            body, told = gzip.compress(body, 1, mtime=0), told | {"content-encoding": "gzip"}
        request = Request(body, told, query)
        genuine = sender.open_to_all
        if flags & (Flag.SIGNED | Flag.TAMPERED) and sender.case:
            secret = sender.case.secret if Flag.SIGNED in flags else sender.case.other
            # The sender's own form reader may refuse what is no text; then nothing is signed.
            with suppress(ValueError):
                signed = sender.case.genuine(NOW, body=body, secret=secret)
                request = replace(signed, headers=told | signed.headers, query=query | signed.query)
                genuine = Flag.SIGNED in flags
        if flags & Flag.FORGED == Flag.FORGED and request.body:
            request = replace(request, body=bytes([request.body[0] ^ 1]) + request.body[1:])
            genuine = genuine and _covers_less(sender)
        request = replace(request, url=request.url.replace("planted", sender.source))
        gateway = GATEWAYS[int(flags & Flag.RAW)]
        invocation = gateway(request, method=method, encoded=Flag.ENCODED in flags)
        if Flag.FLIPPED in flags:
            invocation["isBase64Encoded"] = not invocation["isBase64Encoded"]
            genuine = genuine and (_covers_less(sender) or not request.body)
        mode = DeliveryMode.DIRECT if Flag.DIRECT in flags else DeliveryMode.QUEUE
        return Exchange(invocation, genuine, mode)

    def _world(self, mode: DeliveryMode, directory: Path) -> World:
        world = World(mode=mode, sources=directory / "sources", routes=directory / "relay.toml")
        secrets = dict.fromkeys(sender.case.secret for sender in self.senders if sender.case)
        world.secrets.secrets = tuple(secrets)
        world.secrets.by_source = {
            sender.source: (sender.case.secret,) for sender in self.senders if sender.case
        }
        world.sns.certificates = dict(certificates())
        return world

    def seeds(self) -> Iterator[bytes]:
        """Return seeds: every event in events/, every source's examples, every scheme's body, handshakes."""
        for file in sorted(EVENTS.glob("*.json")):
            yield bytes([Flag.RAW, 0]) + file.read_bytes()
        for number, sender in enumerate(self.senders):
            for index, (headers, body) in enumerate(_contents(sender)):
                for flags in _VARIANTS[index % len(_VARIANTS)]:
                    yield bytes([flags | index % len(GATEWAYS), number]) + headers + b"\n\n" + body


#: What is done with seeds, in turn: as it is, forged, and every other way once.
_VARIANTS = (
    (Flag.SIGNED, Flag.TAMPERED, Flag(0)),
    (Flag.SIGNED | Flag.DIRECT, Flag.FORGED, Flag(0)),
    (Flag.SIGNED | Flag.ENCODED, Flag.SIGNED | Flag.FLIPPED),
    (Flag.SIGNED | Flag.COMPRESSED, Flag.SIGNED | Flag.COMPRESSED | Flag.DIRECT),
)


def _covers_less(sender: Sender) -> bool:
    """Tell whether a sender's proof leaves the body open, or reads it by its fields: a token does."""
    return sender.open_to_all or (sender.case is not None and sender.case.covers != "bytes")


def _lines(head: bytes) -> dict[str, str]:
    pairs = (line.partition(b": ") for line in head.split(b"\n"))
    return {
        name.decode("latin-1").strip().lower(): value.decode("utf-8", "surrogateescape")
        for name, _, value in pairs
        if name
    }


def _contents(sender: Sender) -> Iterator[tuple[bytes, bytes]]:
    """Yield heads and bodies that a source may be sent; first another's proof, as text to change."""
    if sender.case:
        forged = sender.case.genuine(NOW, secret=sender.case.other)
        yield "\n".join(f"{name}: {value}" for name, value in forged.headers.items()).encode(), forged.body
    for file in sorted((SHIPPED / sender.source).glob("examples/*.request.json")):
        example = json.loads(file.read_bytes())
        body = b"" if example["body"] is None else json.dumps(example["body"]).encode()
        yield "\n".join(f"{name}: {value}" for name, value in example["headers"].items()).encode(), body
    yield b"content-type: application/json; charset=utf-8", JSON_BODY
    yield b"content-type: application/x-www-form-urlencoded", FORM_BODY + b"&payload=%7B%7D"
    yield b"content-type: application/json", b"[" + JSON_BODY + b"]"
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


def _plant(directory: Path) -> Iterator[Sender]:
    """Make source folders and a relay.toml in a directory, and return who sends to them."""
    sources = directory / "sources"
    sources.mkdir()
    config = [SHIPPED_ROUTES.read_text("utf-8")]
    for folder in sorted(path for path in SHIPPED.iterdir() if path.is_dir()):
        (sources / folder.name).symlink_to(folder.resolve())
        table = tomllib.loads((folder / "source.toml").read_text("utf-8")).get("verify", {})
        yield Sender(folder.name, next((c for c in CASES if _normal(c.verify) == _normal(table)), None))
    handshakes = [
        name for name in HANDSHAKES if name != "sns"
    ]  # it goes with its scheme alone, as its format
    formats = [name for name in FORMATS if name != "sns"]
    for number, case in enumerate(CASES):
        # Twilio signs the address, in which its senders here have this name.
        name = URL.partition("?")[0].rpartition("/")[2] if case.verify["scheme"] == _TWILIO else f"s{number}"
        is_sns = case.verify["scheme"] == _RSA
        about = {
            "handshake": "sns" if is_sns else handshakes[number % len(handshakes)],
            "format": "sns" if is_sns else formats[number % len(formats)],
            "form": "" if is_sns else ("*", "payload", "")[number % 3],
        }
        if not (sources / name).exists():
            _folder(sources / name, case.verify, **about)
            config.append(f'[source.{name}]\ntopics = ["{TOPIC}"]\n')
            config.append(f'[[route]]\nsource = "{name}"\nto = ["external:4711"]\n')
        yield Sender(name, case)
    for name, policy, open_to_all in (
        ("open", "unverified = true", True),
        ("closed", "unverified = false", False),
        ("fenced", 'unverified = true\nallow_ips = ["192.0.2.0/24"]', False),
    ):
        _folder(sources / name, {"scheme": "none"}, handshake="slack", format="json", form="*")
        config.append(f"[source.{name}]\n{policy}\n")
        yield Sender(name, open_to_all=open_to_all)
    yield from (Sender("nosuch"), Sender(".."), Sender("S0"))
    (directory / "relay.toml").write_text("\n".join(config), "utf-8")


def _folder(folder: Path, verify: Mapping[str, Any], *, handshake: str, **event: str) -> None:
    folder.mkdir()
    head = [f'title = "{folder.name}"', 'docs = "tests/fuzz"', f'handshake = "{handshake}"', "[verify]"]
    lines = [*head, *(f"{key} = {json.dumps(value)}" for key, value in verify.items()), "[event]"]
    lines += [f'{key} = "{value}"' for key, value in event.items() if value]
    lines += ['id = "data.id || headers.\\"webhook-id\\""', 'type = "data.type"']
    lines += ["[[message]]", 'title = "{{ data.note }}"', 'body = "{{ data.name }} {{ query.shop }}"']
    (folder / "source.toml").write_text("\n".join(lines), "utf-8")
    schema = {"type": "object", "properties": {"note": {"type": "string", "pattern": "^[^<]*$"}}}
    (folder / "schema.json").write_text(json.dumps(schema), "utf-8")


def _normal(table: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value).lower() for key, value in table.items()}


def _forget(world: World) -> None:
    """Let a relay forget what it was asked, as a new one would know nothing: making one is slow."""
    world.messages.queued.clear()
    world.messages.dead_letters.clear()
    world.ledger.items.clear()
    world.vendor.calls.clear()
    world.sns.confirmed.clear()
    world.witness.__init__()  # type: ignore[misc]


def _check_words(world: World, answer: Mapping[str, Any]) -> None:
    """Hold an answer's own form: headers that are headers, JSON that is JSON, and no secret anywhere."""
    for name, value in answer["headers"].items():
        assert _HEADER.fullmatch(name), name
        assert _HEADER.fullmatch(value), (name, value)
    body = answer["body"]
    assert isinstance(body, str)
    if "json" in answer["headers"]["Content-Type"]:
        content = json.loads(body)
        assert answer["statusCode"] < 400 or content["code"] in {
            *CODES,
            http_endpoint.NOT_FOUND,
            http_endpoint.METHOD_NOT_ALLOWED,
        }
    written = body + "".join(answer["headers"].values())
    for secret in world.secrets.secrets:
        assert secret.decode("latin-1") not in written, "a secret is in the answer"
        assert base64.b64encode(secret).decode() not in written, "a secret is in the answer"


def _asks(invocation: Any) -> bool:
    """Tell whether a request may be answered without a proof: health, and CloudEvents' preflight."""
    context = invocation["requestContext"]
    http = context.get("http") if isinstance(context, dict) else None
    asked = (http.get("method") if isinstance(http, dict) else None) or invocation.get("httpMethod")
    return isinstance(asked, str) and asked.upper() in {"GET", "OPTIONS"}
