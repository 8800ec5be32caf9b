"""Make an exchange with the receive path from bytes, and check it. The fuzzer and other tests use it.

The bytes are one of FLAGS, two that choose the sender, then lines `name: value` (headers, and `:method` and
`:query`), an empty line, and the body. Thus the fuzzer's changes still make requests, and seeds are easy to
write. With RAW, the rest of the bytes is a whole invocation of `receive`, as JSON. With RAW and SIGNED it is
a text that reaches `deliver` through AWS, in the way that the sender's number chooses.
"""

import base64
import gzip
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntFlag
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fakes import World
from front_door import GATEWAYS
from fuzz.messages import WAYS, Delivery
from fuzz.senders import Planting, Sender
from jwt_senders import jwk, jwks, rsa_key
from push_relay.core.errors import CODES, CredentialsUnavailable
from push_relay.core.outcomes import Outcome, verdict
from push_relay.core.trust.fetched_keys import FetchedKeys
from push_relay.entrypoints import http_endpoint
from push_relay.settings import DeliveryMode
from sns_sender import Request, certificates
from token_providers import certificate

#: 2xx, every rejection, the answers before there is an event, and the one for an unreadable certificate. No
#: part of the relay's surroundings fails, so a 500 or any other 5xx is a mistake.
STATUSES = {200, 202, 204, 404, 405, verdict(CredentialsUnavailable).status} | {
    verdict(error).status for error in CODES.values() if verdict(error).outcome is Outcome.REJECTED
}
_HEADER = re.compile(r"[\x20-\x7e]*")
#: Bytes before a request: its flags, and the number of its sender.
_HEAD_BYTES = 3


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
    DELIVERED = RAW | SIGNED


@dataclass(frozen=True, slots=True)
class Exchange:
    """An invocation, and whether it is genuine: only a genuine one may be queued or delivered.

    delivered  it is one of `deliver`, which AWS alone may invoke, and not of `receive`
    """

    invocation: Any
    genuine: bool
    mode: DeliveryMode = DeliveryMode.QUEUE
    delivered: bool = False


class Bench:
    """A relay in each mode, with the shipped sources and one for every scheme that the tests can sign."""

    def __init__(self, directory: Path) -> None:
        self.senders = Planting(directory).senders()
        self.worlds = {mode: self._world(mode, directory) for mode in DeliveryMode}
        self._delivery = Delivery()

    def exchange(self, content: bytes) -> Exchange | None:
        """Read bytes as an exchange. Return None if they are not one."""
        if len(content) < _HEAD_BYTES:
            return None
        flags, number, rest = Flag(content[0]), int.from_bytes(content[1:_HEAD_BYTES]), content[_HEAD_BYTES:]
        if flags & Flag.DELIVERED == Flag.DELIVERED:
            way = WAYS[number % len(WAYS)]
            return Exchange(way(rest.decode("utf-8", "replace")), genuine=False, delivered=True)
        if flags & Flag.RAW == Flag.RAW:
            with suppress(ValueError, RecursionError):
                return Exchange(json.loads(rest), genuine=False)
            return None
        return self._request(flags, self.senders[number % len(self.senders)], rest)

    def run(self, content: bytes) -> None:
        """Read bytes as an exchange and check it, if they are one. Raise AssertionError if a check fails."""
        exchange = self.exchange(content)
        if exchange and exchange.delivered:
            self._delivery.check(exchange.invocation)
        elif exchange:
            self.check(exchange)

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
        method, query = fields.pop(":method", ""), dict(parse_qsl(fields.pop(":query", "")))
        if Flag.COMPRESSED in flags:
            body, fields = gzip.compress(body, 1, mtime=0), fields | {"content-encoding": "gzip"}
        request = Request(body, fields, query)
        genuine = sender.unverified
        if flags & (Flag.SIGNED | Flag.TAMPERED):
            signed = sender.signed(body, right=Flag.SIGNED in flags)
            if signed is not None:
                request = replace(signed, headers=fields | signed.headers, query=query | signed.query)
                genuine = Flag.SIGNED in flags
        if flags & Flag.FORGED == Flag.FORGED and request.body:
            request = replace(request, body=bytes([request.body[0] ^ 1]) + request.body[1:])
            genuine = genuine and sender.covers_less
        url = urlsplit(request.url)._replace(path=f"/webhooks/{sender.source}").geturl()
        request = replace(request, url=url)
        gateway = GATEWAYS[int(flags & Flag.RAW)]
        invocation = gateway(request, method=method or request.method, encoded=Flag.ENCODED in flags)
        if Flag.FLIPPED in flags:
            invocation["isBase64Encoded"] = not invocation["isBase64Encoded"]
            genuine = genuine and (sender.covers_less or not request.body)
        mode = DeliveryMode.DIRECT if Flag.DIRECT in flags else DeliveryMode.QUEUE
        return Exchange(invocation, genuine, mode)

    def _world(self, mode: DeliveryMode, directory: Path) -> World:
        world = World(mode=mode, sources=directory / "sources", routes=directory / "relay.toml")
        held = {sender.source: sender.secret for sender in self.senders if sender.secret}
        world.secrets.secrets = tuple(dict.fromkeys(held.values()))
        world.secrets.by_source = {source: (secret,) for source, secret in held.items()}
        world.secrets.settings_by_source = {
            sender.source: dict(sender.settings) for sender in self.senders if sender.settings
        }
        world.secrets.by_source |= {sender.source: () for sender in self.senders if sender.fetched}
        world.sns.certificates = dict(certificates())
        named, published = certificate(rsa_key()), jwks(jwk(rsa_key(), kid="one"))
        keys = FetchedKeys(
            lambda address: named if "paypal" in address else published,
            world.clock.now,
            world.clock.monotonic,
        )
        world.change_door(replace(world.intake.door, keys=keys))
        return world


def head_of(headers: Mapping[str, str], query: Mapping[str, str]) -> bytes:
    """Write the lines of a head."""
    lines = {":query": urlencode(query)} if query else {}
    return "\n".join(f"{name}: {value}" for name, value in {**lines, **headers}.items()).encode()


def _lines(head: bytes) -> dict[str, str]:
    pairs = (line.partition(b": ") for line in head.split(b"\n"))
    return {
        name.decode("latin-1").strip().lower(): value.decode("utf-8", "surrogateescape")
        for name, _, value in pairs
        if name
    }


def _reset(world: World) -> None:
    """Clear the records of a relay instead of making a new one, which is slow."""
    world.messages.clear()
    world.ledger.items.clear()
    world.vendor.calls.clear()
    world.sns.confirmed.clear()
    world.sns.fetched.clear()
    world.witness.__init__()  # type: ignore[misc]


def _check_content(world: World, answer: Mapping[str, Any]) -> None:
    """Check an answer's format: valid headers, valid JSON, and no secret anywhere."""
    for name, value in answer["headers"].items():
        assert _HEADER.fullmatch(name), name
        assert _HEADER.fullmatch(value), (name, value)
    body = answer["body"]
    assert isinstance(body, str)
    if "json" in answer["headers"].get("Content-Type", ""):
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
