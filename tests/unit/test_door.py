"""Verification over HTTP: for every scheme, the genuine sender is accepted and every forger is rejected."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from attacks import ATTACKS, Attack
from fakes import World, captured
from front_door import GATEWAYS, PLANTED, Gateway, api_gateway_v1, api_gateway_v2, world, world_of
from push_relay.core.errors import CODES, SignatureInvalid, Stale, Unauthenticated
from push_relay.core.inbound.request import MAX_OPEN_BODY
from push_relay.core.outcomes import Outcome
from signers import CASES, WORD, Case
from sns_sender import NOW, Request

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
#: An attack with at most so many requests sends each through all gateways. A larger one alternates.
MAX_FOR_ALL_GATEWAYS = 60
#: The only details that a forger receives, by error code.
DETAILS = {
    "signature_missing": "the request is not signed",
    "signature_invalid": "the signature does not fit the request",
    "stale": "the request was signed too long ago, or in the future",
}
#: The confirmation of a subscription is excluded: it is answered and not queued.
EVENTS = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name != "sns-http confirmation"], ids=lambda case: case.name
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """Return a relay for each case. They are created once."""
    return {case.name: world_of(tmp_path_factory.mktemp("case"), case) for case in CASES}


@pytest.fixture
def here(case: Case, worlds: dict[str, World]) -> World:
    """Return the case's relay, without any record of earlier requests."""
    known = worlds[case.name]
    known.messages.queued.clear()
    known.witness.receipts.clear()
    known.sns.confirmed.clear()
    known.secrets.refetches = 0
    return known


def assert_refused(answer: dict[str, Any], kind: type[Unauthenticated], case: Case | None = None) -> None:
    """Check that a refusal reveals nothing about the request. Only the scheme `basic` asks for a password."""
    asks = case is not None and case.verify["scheme"] == "basic"
    challenge = {"WWW-Authenticate": 'Basic realm="push-relay", charset="UTF-8"'} if asks else {}
    code = json.loads(answer["body"])["code"]
    assert issubclass(CODES[code], kind)
    problem = {
        "type": f"urn:push-relay:error:{code}",
        "title": "Unauthorized",
        "status": 401,
        "code": code,
        "detail": DETAILS[code],
    }
    assert answer == {
        "statusCode": 401,
        "headers": {
            "Content-Type": "application/problem+json",
            "Cache-Control": "no-store",
            "X-Correlation-Id": "req-1",
            **challenge,
        },
        "body": json.dumps(problem, separators=(",", ":")),
        "isBase64Encoded": False,
    }


@EVERY
@ANY_GATEWAY
@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
def test_a_genuine_request_is_accepted(here: World, case: Case, gateway: Gateway, *, encoded: bool) -> None:
    """It is queued, or the subscription is confirmed. The secret is not read again."""
    answer = here.receive(gateway(case.genuine(), encoded=encoded))
    confirms = case.name == "sns-http confirmation"
    assert answer["statusCode"] == (200 if confirms else 202)
    assert len(here.messages.queued) == (not confirms)
    assert len(here.sns.confirmed) == confirms
    assert here.secrets.refetches == 0
    assert not here.witness.receipts


@EVERY
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused(here: World, case: Case, attack: Attack) -> None:
    """It is answered with a 401 and the attack's own code, and is counted as rejected. Nothing is queued."""
    for answer in _answers(here, [*attack.forge(case)]):
        assert_refused(answer, attack.refusal, case)
    assert set(here.witness.outcomes) <= {Outcome.REJECTED}
    assert not here.messages.queued
    assert not here.sns.confirmed


def _answers(here: World, forged: list[Request]) -> Iterator[dict[str, Any]]:
    turns = cycle(GATEWAYS)
    for request in forged:
        for gateway in GATEWAYS if len(forged) <= MAX_FOR_ALL_GATEWAYS else [next(turns)]:
            before = len(here.witness.receipts)
            yield here.receive(gateway(request))
            assert len(here.witness.receipts) == before + 1


@EVERY
@ANY_GATEWAY
def test_a_request_with_a_wrong_base64_flag_is_rejected(here: World, case: Case, gateway: Gateway) -> None:
    """The decoded bytes differ from the signed ones. If the body is not signed, it cannot be parsed."""
    for encoded in (True, False):
        invocation = gateway(case.genuine(), encoded=encoded)
        answer = here.receive(invocation | {"isBase64Encoded": not encoded})
        assert answer["statusCode"] in ({400, 415} if case.covers == "nothing" or not encoded else {401})
    assert here.witness.outcomes == [Outcome.REJECTED] * 2
    assert not here.messages.queued


def _twice(invocation: dict[str, Any], case: Case) -> Iterator[dict[str, Any]]:
    """Yield the proof twice, as a REST API lists it: under one name, or under names in different case."""
    field = {"headers": "multiValueHeaders", "query": "multiValueQueryStringParameters"}[case.proof.kind]
    given = invocation[field]
    name = next(name for name in given if name.lower() == case.proof.name)
    for values in ([*given[name]] * 2, ["", *given[name]], [*given[name], ""], [*given[name], "x"]):
        yield invocation | {field: given | {name: values}}
    if case.proof.kind == "headers":
        yield invocation | {field: given | {name.lower(): given[name]}}
        yield invocation | {field: {name.lower(): ["x"]} | given}


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.proof.kind != "json"], ids=lambda case: case.name
)
def test_a_proof_given_twice_is_refused(here: World, case: Case) -> None:
    """A proxy and the relay could choose different values, even if one is empty or both are equal."""
    for invocation in _twice(api_gateway_v1(case.genuine()), case):
        assert_refused(here.receive(invocation), Unauthenticated, case)
    assert not here.messages.queued


@pytest.mark.parametrize(
    "event_id", ["", " ", "msg.planted", "msg_planted, x", "msg planted", "é", "x" * 257]
)
def test_an_invalid_id_is_refused_like_any_forgery(tmp_path: Path, event_id: str) -> None:
    """The answer does not reveal that the id is the reason."""
    case = next(case for case in CASES if case.name == "standard-webhooks v1")
    genuine = case.genuine()
    here = world_of(tmp_path, case)
    for gateway in GATEWAYS:
        sent = replace(genuine, headers={**genuine.headers, "webhook-id": event_id})
        assert_refused(here.receive(gateway(sent)), SignatureInvalid)


@ANY_GATEWAY
def test_only_the_multi_value_headers_of_a_rest_api_count(gateway: Gateway, tmp_path: Path) -> None:
    """They are complete, so a header that is only in the single-value table was never sent."""
    case = CASES[0]
    invocation = gateway(replace(case.genuine(), headers={}))
    invocation["headers"] |= case.genuine().headers
    answer = world_of(tmp_path, case).receive(invocation)
    assert answer["statusCode"] == (401 if gateway is api_gateway_v1 else 202)


# --- replays -------------------------------------------------------------------------------------------


def _delivered(here: World) -> list[Outcome]:
    """Deliver the queued events, and return their outcomes."""
    for event, _ in here.messages.queued:
        here.witness.receipts.extend(here.relay.deliver([event], here.time_left)[0])
    return here.witness.outcomes


def _unsigned(request: Request, number: int) -> Request:
    """Return a captured request with other unsigned headers, so that it looks like another event."""
    fresh = {
        "x-github-delivery": f"fresh-{number}",
        "x-github-event": f"other-{number}",
        "x-request-id": f"fresh-{number}",
        "idempotency-key": f"fresh-{number}",
    }
    return replace(request, headers={**request.headers, **fresh})


@EVENTS
@ANY_GATEWAY
def test_a_replay_is_accepted_but_not_pushed_again(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """Its signed content is the same, so the ledger reports it as a duplicate. Unsigned ids do not count."""
    here = world_of(tmp_path, case)
    for number in range(3):
        assert here.receive(gateway(_unsigned(case.genuine(), number)))["statusCode"] == 202
    assert _delivered(here) == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert len(here.vendor.calls) == 1


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.verify["scheme"] == "twilio"], ids=lambda case: case.name
)
@ANY_GATEWAY
def test_a_replay_under_another_port_is_not_pushed_again(
    case: Case, gateway: Gateway, tmp_path: Path
) -> None:
    """Twilio signs the URL with or without its port, so both are accepted, and both are the same event."""
    here = world_of(tmp_path, case)
    genuine = case.genuine()
    for host in ("relay.example.com", "relay.example.com:443", "relay.example.com:8443"):
        replayed = replace(genuine, url=genuine.url.replace("relay.example.com", host))
        assert here.receive(gateway(replayed))["statusCode"] == 202
    assert _delivered(here) == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE]


TWILIO = [case for case in CASES if case.verify["scheme"] == "twilio"]


@ANY_GATEWAY
@pytest.mark.parametrize("case", TWILIO, ids=lambda case: case.name)
def test_the_url_behind_a_proxy_can_be_configured(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """The sender signs the proxy's public URL, which the request lacks. Forgers are still rejected."""
    genuine = case.genuine()
    address = genuine.url.partition("?")[0]
    sent = replace(genuine, url=genuine.url.replace(address, address.replace("https://", "https://inner.")))
    unaware = world_of(tmp_path / "unaware", case)
    assert_refused(unaware.receive(gateway(sent)), SignatureInvalid)
    aware = world_of(tmp_path / "aware", case, policy=f'url = "{address}"')
    assert aware.receive(gateway(sent))["statusCode"] == 202
    assert_refused(aware.receive(gateway(replace(sent, body=b"a=b"))), SignatureInvalid)


STRIPE = next(case for case in CASES if case.name == "stripe")


@pytest.mark.parametrize("joined", ["{right},v1={wrong}", "v1={wrong},{right}"])
def test_one_valid_signature_of_stripe_is_enough(joined: str, tmp_path: Path) -> None:
    """Stripe sends several while a secret is rotated. An HTTP API joins repeated headers in the same way."""
    here, genuine = world_of(tmp_path, STRIPE), STRIPE.genuine()
    right, wrong = genuine.headers["stripe-signature"], "ab" * 32
    twice = {"stripe-signature": joined.format(right=right, wrong=wrong)}
    assert here.receive(api_gateway_v2(replace(genuine, headers=twice)))["statusCode"] == 202
    forged = {"stripe-signature": f"{right.partition(',')[0]},v1={wrong},v1={wrong}"}
    assert_refused(here.receive(api_gateway_v2(replace(genuine, headers=forged))), SignatureInvalid)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.stamp and case.proof.kind != "json"], ids=lambda case: case.name
)
def test_a_sender_s_second_attempt_is_not_pushed_again(case: Case, tmp_path: Path) -> None:
    """It is signed again with a new timestamp, but it is the same event."""
    here = world_of(tmp_path, case)
    for moment in (NOW - 20, NOW):
        assert here.receive(api_gateway_v2(case.genuine(moment)))["statusCode"] == 202
    assert _delivered(here) == [Outcome.DELIVERED, Outcome.DUPLICATE]


@EVENTS
def test_different_signed_content_is_a_different_event(case: Case, tmp_path: Path) -> None:
    """If the sender signs an event id, this id decides and not the content."""
    here = world_of(tmp_path, case)
    for body in (case.body, case.body.replace(WORD, b"written")):
        assert here.receive(api_gateway_v2(case.genuine(body=body)))["statusCode"] == 202
    second = Outcome.DUPLICATE if case.event_id else Outcome.DELIVERED
    assert _delivered(here) == [Outcome.DELIVERED, second]


# --- sources without verification, and unknown sources ------------------------------------------------


@ANY_GATEWAY
@pytest.mark.parametrize(
    ("verify", "policy", "status"),
    [
        (None, "", 404),
        (None, "unverified = true", 404),
        ({"scheme": "none"}, "", 404),
        ({"scheme": "none"}, "unverified = false", 404),
        ({"scheme": "none"}, "unverified = true", 202),
        ({"scheme": "github"}, "unverified = true", 401),
    ],
    ids=str,
)
def test_verification_is_disabled_only_by_source_and_deployer_together(
    gateway: Gateway, verify: dict[str, Any] | None, policy: str, status: int, tmp_path: Path
) -> None:
    """The scheme `none` also needs `unverified = true`, which has no effect on any other scheme."""
    here = world(tmp_path, verify, policy=policy)
    answer = here.receive(gateway(Request(b"{}")))
    assert answer["statusCode"] == status
    assert len(here.messages.queued) == (status == 202)


@ANY_GATEWAY
def test_an_unknown_source_is_rejected_before_the_request_is_read(gateway: Gateway, tmp_path: Path) -> None:
    """The answer is a 404 for any body. It is the same for a source that does not accept webhooks."""
    here = world(tmp_path, None)
    for name, body in (("nosuch", b""), ("nosuch", b"\xff"), (PLANTED, b"{}")):
        address = f"https://relay.example.com/webhooks/{name}"
        answer = here.receive(gateway(Request(body, url=address)))
        problem = json.loads(answer["body"])
        assert (answer["statusCode"], problem["code"]) == (404, "unknown_source")
        assert name not in answer["body"]


def test_a_source_without_a_secret_accepts_nothing(tmp_path: Path) -> None:
    """It is a mistake of the deployer. The answer is a 503, so the sender tries again and nothing is lost."""
    here = world_of(tmp_path, CASES[0])
    here.secrets.missing = True
    answer = here.receive(api_gateway_v2(CASES[0].genuine()))
    assert (answer["statusCode"], here.messages.queued) == (503, [])


def test_each_refusal_is_counted(tmp_path: Path) -> None:
    """The metric `Rejected` has the source's name. The log line has the code, but no part of the request."""
    case = next(case for case in CASES if case.name == "slack")
    forged = [
        replace(case.genuine(), headers={}),
        case.genuine(secret=case.other),
        case.genuine(NOW - 10_000),
    ]
    with captured() as output:
        here = world_of(tmp_path, case, telemetry=output.telemetry)
        for request in forged:
            here.receive(api_gateway_v2(request))
    for metric in output.metrics:
        assert (metric["refused"], metric["Rejected"], metric["Received"]) == ({PLANTED: 1}, [1.0], [1.0])
    assert [line["error_code"] for line in output.logs] == [
        "signature_missing",
        "signature_invalid",
        Stale.code,
    ]
    for request in forged:
        assert not any(value in output.text for value in request.headers.values() if len(value) > 2)


@ANY_GATEWAY
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("more", "status"), [(0, 202), (1, 413)])
def test_a_source_without_verification_accepts_smaller_bodies(
    gateway: Gateway, more: int, status: int, tmp_path: Path, *, packed: bool
) -> None:
    """Anyone can make the relay parse its bodies. The limit of verified sources is four times as large."""
    body = b'{"a": "' + b"x" * (MAX_OPEN_BODY - 9 + more) + b'"}'
    headers = {"content-encoding": "gzip"} if packed else {}
    sent = Request(gzip.compress(body) if packed else body, headers)
    here = world(tmp_path, {"scheme": "none"}, policy="unverified = true")
    assert here.receive(gateway(sent))["statusCode"] == status
