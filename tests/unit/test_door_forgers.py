"""Forgers with ideas: proofs made nearly right, shown elsewhere, or under another source's secret."""

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
#: Cases whose proof is computed of the body by a shared key.
COMPUTED = [
    case for case in CASES if case.covers == "bytes" and case.secret != b"sns" and "v1a" not in case.name
]
ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)

type Forge = Callable[[Case], Iterator[Request]]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """Return a world for each case, made once."""
    return {case.name: world_of(tmp_path_factory.mktemp("case"), case) for case in CASES}


def shut_out(here: World, invocations: Iterator[dict[str, Any]]) -> int:
    """Hold each to a 401, of which nothing is queued or confirmed; return how many there were."""
    here.messages.queued.clear()
    here.sns.confirmed.clear()
    here.witness.receipts.clear()
    answers = [here.receive(invocation) for invocation in invocations]
    assert {answer["statusCode"] for answer in answers} <= {401}
    assert here.witness.outcomes == [Outcome.REJECTED] * len(answers)
    assert not here.messages.queued
    assert not here.sns.confirmed
    return len(answers)


# --- proofs that are nearly right ------------------------------------------------------------------------


def _spelt(case: Case, value: bytes) -> Iterator[str]:
    """Spell a digest in each way in which a scheme might have it."""
    right = case.proof.read(case.genuine())
    prefix = next((p for p in ("sha256=", "v1=", "v0=", "v1,", "SIG ") if right.startswith(p)), "")
    for text in (value.hex(), base64.b64encode(value).decode()):
        yield prefix + text


def _hashed(case: Case) -> Iterator[Request]:
    """Take a plain hash for an HMAC, or the key for the message."""
    body, secret = case.body, case.secret
    contents = (body, b"", secret, secret + body, body + secret, case.written(NOW).encode() + body)
    for content in contents:
        for digest in ("sha256", "sha1", "sha512", "md5"):
            for text in _spelt(case, hashlib.new(digest, content).digest()):
                yield case.proof.write(case.genuine(), text)
    for text in _spelt(case, hmac.digest(body, secret, "sha256")):
        yield case.proof.write(case.genuine(), text)


def _nearly_the_secret(case: Case) -> Iterator[Request]:
    """Sign with the secret as somebody may have copied it."""
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
        except UnicodeDecodeError:  # a token is a text
            continue


def _another_digest(case: Case) -> Iterator[Request]:
    """Sign rightly, by another digest, or a part of the right one."""
    if case in COMPUTED:
        right = case.proof.read(case.genuine())
        for digest in ("sha1", "sha384", "sha512", "sha3_256", "md5"):
            for text in _spelt(case, hmac.digest(case.secret, case.body, digest)):
                yield case.proof.write(case.genuine(), text)
        for text in (right[: len(right) // 2], right[:12], right[:-1], right * 2, right + "\0"):
            yield case.proof.write(case.genuine(), text)


def _words(case: Case) -> Iterator[Request]:
    """Say what a careless comparison, template, log or query would take for something."""
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
    """Write the same text of a body in another form of Unicode, or another charset."""
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
    """Show a proof of less than what is sent, or of more."""
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
    """Show the right proof under nearly the right name, in a cookie, in the query, in the body."""
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
    _another_digest,
    _words,
    _normalised,
    _part_of_the_body,
    _shown_elsewhere,
)


@EVERY
@ANY_GATEWAY
@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.__name__.strip("_"))
def test_an_idea_is_met_with_401(case: Case, gateway: Gateway, idea: Forge, worlds: dict[str, World]) -> None:
    """For every scheme, through every gateway."""
    shut_out(worlds[case.name], (gateway(request) for request in idea(case)))


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.__name__.strip("_"))
def test_every_idea_is_tried(idea: Forge) -> None:
    """An idea that makes no request would be met with anything."""
    assert sum(1 for case in CASES for _ in idea(case)) >= 3 * len(COMPUTED) >= 30


# --- what only a gateway could send --------------------------------------------------------------------


@EVERY
def test_a_proof_that_is_no_text_is_refused(case: Case, worlds: dict[str, World]) -> None:
    """The invocation is JSON, in which a header could be anything."""
    if case.proof.kind == "json":
        return
    field = {"headers": "headers", "query": "queryStringParameters"}[case.proof.kind]
    right = getattr(case.genuine(), case.proof.kind)[case.proof.name]
    invocation = api_gateway_v2(case.genuine())
    junk = (None, True, 7, [], [right], {}, {"value": right}, [[right]])
    changed = (invocation | {field: invocation[field] | {case.proof.name: value}} for value in junk)
    assert shut_out(worlds[case.name], changed) == len(junk)
    listed = api_gateway_v1(case.genuine())
    many = "multiValueHeaders" if case.proof.kind == "headers" else "multiValueQueryStringParameters"
    name = next(name for name in listed[many] if name.lower() == case.proof.name)
    empty = (
        listed | {many: listed[many] | {name: value}} for value in ([None], [[right]], [{"a": right}], [])
    )
    assert shut_out(worlds[case.name], empty) == 4


@EVERY
@ANY_GATEWAY
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POSTS", ""])
def test_a_genuine_request_by_another_method_is_no_webhook(
    case: Case, gateway: Gateway, method: str, worlds: dict[str, World]
) -> None:
    """405, whatever a header says of the method."""
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
def test_a_source_has_one_name(name: str, worlds: dict[str, World]) -> None:
    """404: no other spelling leads to its door, nor to the relay's own events."""
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
def test_another_source_s_secret_opens_nothing(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """Both lie in one secret, by name; who holds one source's is nobody to the other."""
    here = world_of(tmp_path, case)
    text = json.dumps({"other": case.other.decode(), PLANTED: case.secret.decode(), "planted2": "x", "": "y"})
    held = StoredSigningSecrets(CachedSecret(lambda: text, here.clock.now, here.clock.monotonic))
    here.change_door(Door(held, here.sns.certificate))
    assert shut_out(here, iter([gateway(case.genuine(secret=case.other))])) == 1
    assert here.receive(gateway(case.genuine()))["statusCode"] == 202


@ANY_GATEWAY
def test_sns_s_raw_delivery_is_not_signed(gateway: Gateway, worlds: dict[str, World]) -> None:
    """Its headers are anybody's to write."""
    case = next(case for case in CASES if case.name == "sns-http version 2")
    message = json.loads(case.genuine().body)
    headers = {
        "x-amz-sns-rawdelivery": "true",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-topic-arn": message["TopicArn"],
        "x-amz-sns-message-id": message["MessageId"],
    }
    shut_out(worlds[case.name], iter([gateway(Request(message["Message"].encode(), headers))]))


@ANY_GATEWAY
def test_a_notification_is_no_confirmation(gateway: Gateway, worlds: dict[str, World]) -> None:
    """Nor the other way round: the type is signed, and says which fields are."""
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
    assert shut_out(worlds[case.name], requests) == len(forged)
