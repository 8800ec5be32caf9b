"""Make an exchange with the receive path from bytes, and check it. The fuzzer and other tests use it.

The bytes are one of FLAGS, one that chooses the sender, then lines `name: value` (headers, and `:method` and
`:query`), an empty line, and the body. Thus the fuzzer's changes still make requests, and seeds are easy to
write. With RAW, the rest of the bytes is a whole invocation, as JSON.
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
from push_relay.core.trust.handshakes.registry import all_handshakes
from push_relay.entrypoints import http_endpoint
from push_relay.settings import DeliveryMode
from signers import CASES, FORM_BODY, JSON_BODY, NOW, Case
from sns_sender import TOPIC, URL, Request, certificates

#: 2xx, every rejection, the answers before there is an event, and the one for an unreadable certificate. No
#: part of the relay's surroundings fails, so a 500 or any other 5xx is a mistake.
STATUSES = {200, 202, 204, 404, 405, verdict(CredentialsUnavailable).status} | {
    verdict(error).status for error in CODES.values() if verdict(error).outcome is Outcome.REJECTED
}
EVENTS = ROOT / "events"
_HEADER = re.compile(r"[\x20-\x7e]*")
_RSA = "sns-http"
_TWILIO = "twilio"


class Flag(IntFlag):
    """The treatment of a request, in the first byte. Its two lowest bits choose the gateway, or RAW.

    TAMPERED alone means that another sender's secret signs. FORGED means a change after the signing.
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
    """A sender: the name of its source, its way of signing, and whether the source accepts it unverified."""

    source: str
    case: Case | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """An invocation, and whether it is genuine: only a genuine one may be queued or delivered."""

    invocation: Any
    genuine: bool
    mode: DeliveryMode = DeliveryMode.QUEUE


class Bench:
    """A relay in each mode, with the shipped sources and one for every scheme that the tests can sign."""

    def __init__(self, directory: Path) -> None:
        self.senders = list(_plant(directory))
        self.worlds = {mode: self._world(mode, directory) for mode in DeliveryMode}

    def exchange(self, content: bytes) -> Exchange | None:
        """Read bytes as an exchange. Return None if they are not one."""
        if len(content) < 2:
            return None
        flags, sender = Flag(content[0]), self.senders[content[1] % len(self.senders)]
        if flags & Flag.RAW == Flag.RAW:
            with suppress(ValueError, RecursionError):
                return Exchange(json.loads(content[2:]), genuine=False)
            return None
        return self._request(flags, sender, content[2:])

    def check(self, exchange: Exchange) -> dict[str, Any]:
        """Let the relay answer, and check the conditions that always hold. Raise AssertionError otherwise."""
        world = self.worlds[exchange.mode]
        _reset(world)
        answer = world.receive(exchange.invocation)
        status = answer["statusCode"]
        assert status in STATUSES, (status, answer["body"], [r.detail for r in world.witness.receipts])
        _check_content(world, answer)
        accepted = bool(
            world.messages.queued or world.messages.kept or world.vendor.calls or world.sns.confirmed
        )
        assert exchange.genuine or not accepted, "an event without a valid proof was accepted"
        unproven = not exchange.genuine and status in {200, 202, 204}
        assert not unproven or _needs_no_proof(exchange.invocation) or _is_question(world), answer
        _check_outcomes(world, answer)
        assert world.witness.flushes == 1
        return answer

    def _request(self, flags: Flag, sender: Sender, content: bytes) -> Exchange:
        head, _, body = content.partition(b"\n\n")
        fields = _lines(head)
        method, query = fields.pop(":method", "POST"), dict(parse_qsl(fields.pop(":query", "")))
        if Flag.COMPRESSED in flags:
            body, fields = gzip.compress(body, 1, mtime=0), fields | {"content-encoding": "gzip"}
        request = Request(body, fields, query)
        genuine = sender.unverified
        if flags & (Flag.SIGNED | Flag.TAMPERED) and sender.case:
            secret = sender.case.secret if Flag.SIGNED in flags else sender.case.other
            # The sender's own form reader may refuse a body that is not text, and then nothing is signed.
            with suppress(ValueError):
                signed = sender.case.genuine(NOW, body=body, secret=secret)
                request = replace(signed, headers=fields | signed.headers, query=query | signed.query)
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
        """Yield seeds: the files in events/, the examples of sources, bodies for all schemes, handshakes."""
        for file in sorted(EVENTS.glob("*.json")):
            yield bytes([Flag.RAW, 0]) + file.read_bytes()
        for number, sender in enumerate(self.senders):
            for index, (headers, body) in enumerate(_contents(sender)):
                for flags in _VARIANTS[index % len(_VARIANTS)]:
                    yield bytes([flags | index % len(GATEWAYS), number]) + headers + b"\n\n" + body


_MULTIPART = (
    b'--b1\r\nContent-Disposition: form-data; name="note"\r\n\r\na\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{"note": "b"}\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n'
    b"Content-Type: image/png\r\n\r\n\xff\r\n"
    b"--b1--\r\n"
)
#: Its claims are {"note":"a","id":"1"}. Nobody has signed it: the senders sign the body that holds it.
_JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJub3RlIjoiYSIsImlkIjoiMSJ9.c2ln"
#: Sources that sign as GitHub does, by the keys of `[event]` that are tried here alone.
_MORE_EVENTS: dict[str, dict[str, str]] = {
    "each": {"each": "data.alerts"},
    "each-of-a-list": {"each": "data[].alerts[]"},
    "encoded": {"format": "xml", "form_field": "payload", "form_field_encoding": "base64"},
    "member": {"format": "jwt", "form_field": "payload"},
    "part": {"format": "multipart", "form_field": "payload"},
    "lines-in-a-field": {"format": "ndjson", "form_field": "payload"},
}

#: The treatment of seeds, in turn: signed, forged, and every other way once.
_VARIANTS = (
    (Flag.SIGNED, Flag.TAMPERED, Flag(0)),
    (Flag.SIGNED | Flag.DIRECT, Flag.FORGED, Flag(0)),
    (Flag.SIGNED | Flag.ENCODED, Flag.SIGNED | Flag.FLIPPED),
    (Flag.SIGNED | Flag.COMPRESSED, Flag.SIGNED | Flag.COMPRESSED | Flag.DIRECT),
)


def _covers_less(sender: Sender) -> bool:
    """Return whether a sender's proof does not cover the body, or only its fields. A token, for example."""
    return sender.unverified or (sender.case is not None and sender.case.covers != "bytes")


def _lines(head: bytes) -> dict[str, str]:
    pairs = (line.partition(b": ") for line in head.split(b"\n"))
    return {
        name.decode("latin-1").strip().lower(): value.decode("utf-8", "surrogateescape")
        for name, _, value in pairs
        if name
    }


def _contents(sender: Sender) -> Iterator[tuple[bytes, bytes]]:
    """Yield heads and bodies for a source. The first one has another sender's proof, to be changed."""
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


def _plant(directory: Path) -> Iterator[Sender]:
    """Make source folders and a relay.toml in a directory, and yield their senders."""
    sources = directory / "sources"
    sources.mkdir()
    config = [SHIPPED_ROUTES.read_text("utf-8")]
    for folder in sorted(path for path in SHIPPED.iterdir() if path.is_dir()):
        (sources / folder.name).symlink_to(folder.resolve())
        table = tomllib.loads((folder / "source.toml").read_text("utf-8")).get("verify", {})
        yield Sender(folder.name, next((c for c in CASES if _normal(c.verify) == _normal(table)), None))
    # `sns`, like the format of its name, belongs to its own scheme only.
    handshakes = {name: each for name, each in all_handshakes().items() if name != "sns"}
    unsigned = [name for name, handshake in handshakes.items() if not handshake.signs]
    formats = [name for name in FORMATS if name != "sns"]
    github = next(case for case in CASES if case.verify["scheme"] == "github")
    for name, event in _MORE_EVENTS.items():
        _folder(sources / name, github.verify, handshake="slack", **event)
        yield Sender(name, github)
    for number, case in enumerate(CASES):
        # Twilio signs the URL, in which its senders have this name here.
        name = URL.partition("?")[0].rpartition("/")[2] if case.verify["scheme"] == _TWILIO else f"s{number}"
        is_sns = case.verify["scheme"] == _RSA
        # A handshake that signs its answers needs a scheme that signs.
        names = unsigned if case.verify["scheme"] in {"token", "basic"} else list(handshakes)
        if case.covers != "bytes" and formats[number % len(formats)] == "jwt":
            # A JWT is read only if a proof covers it.
            formats = [*formats[1:], formats[0]]
        about = {
            "handshake": "sns" if is_sns else names[number % len(names)],
            "format": "sns" if is_sns else formats[number % len(formats)],
            "form_field": "" if is_sns else ("*", "payload", "")[number % 3],
        }
        if not (sources / name).exists():
            _folder(sources / name, case.verify, **about)
            config.append(f'[source.{name}]\ntopics = ["{TOPIC}"]\n')
            config.append(f'[[route]]\nsource = "{name}"\nto = ["external:4711"]\n')
        yield Sender(name, case)
    for name, policy, unverified in (
        ("open", "unverified = true", True),
        ("closed", "unverified = false", False),
        ("fenced", 'unverified = true\nallow_ips = ["192.0.2.0/24"]', False),
    ):
        _folder(sources / name, {"scheme": "none"}, handshake="slack", format="json", form_field="*")
        config.append(f"[source.{name}]\n{policy}\n")
        yield Sender(name, unverified=unverified)
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


def _reset(world: World) -> None:
    """Clear the records of a relay instead of making a new one, which is slow."""
    world.messages.queued.clear()
    world.messages.kept.clear()
    world.messages.dead_letters.clear()
    world.ledger.items.clear()
    world.vendor.calls.clear()
    world.sns.confirmed.clear()
    world.witness.__init__()  # type: ignore[misc]


def _check_content(world: World, answer: Mapping[str, Any]) -> None:
    """Check an answer's format: valid headers, valid JSON, and no secret anywhere."""
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


def _is_question(world: World) -> bool:
    """Return whether a question was answered that its source accepts without a proof."""
    sources = [world.sources.named(name) for name, _ in world.witness.handshakes]
    return any(row.method == "POST" for source in sources for row in source.handshake_rules.unproven)


def _check_outcomes(world: World, answer: Mapping[str, Any]) -> None:
    """Check that each event has exactly one outcome, and a request without an event has none."""
    witness, status = world.witness, answer["statusCode"]
    fields = (witness.receipts, witness.accepted_events, witness.handshakes, witness.empty_requests)
    is_json = "json" in answer["headers"].get("Content-Type", "")
    listed = json.loads(answer["body"]).get("events") if is_json else None
    if listed is None:
        assert sum(map(bool, fields)) <= 1, "several outcomes"
        assert any(fields) or status in {200, 404, 405}, "no outcome"
        return
    # Each event of these sources becomes one push.
    outcomes = len(witness.receipts) + len(witness.accepted_events) + len(witness.kept_items)
    assert outcomes == len(listed), "an event has no outcome, or several"
    assert len(witness.accepted_events) == len(world.messages.queued)
    assert len(witness.kept_items) == len(world.messages.kept)
    assert bool(listed) is not bool(witness.empty_requests)
    assert {entry["status"] for entry in listed} <= {"accepted", *Outcome}


def _needs_no_proof(invocation: Any) -> bool:
    """Return whether a request needs no proof: the health check, and questions by other methods than POST."""
    context = invocation["requestContext"]
    http = context.get("http") if isinstance(context, dict) else None
    method = (http.get("method") if isinstance(http, dict) else None) or invocation.get("httpMethod")
    return isinstance(method, str) and method.upper() in {"GET", "HEAD", "OPTIONS"}
