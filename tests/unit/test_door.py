"""The door, through the front: for every scheme the genuine sender is let in, and no forger is."""

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
#: Up to so many forged requests are sent through every gateway; of more, each through the next one.
FEW = 60
#: The whole of what a forger is told, by code.
TOLD = {
    "signature_missing": "the request is not signed",
    "signature_invalid": "the signature does not fit the request",
    "stale": "the request was signed too long ago, or in the future",
}
#: A confirmation is answered and not queued.
EVENTS = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name != "sns-http confirmation"], ids=lambda case: case.name
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """Return a world for each case, made once."""
    return {case.name: world_of(tmp_path_factory.mktemp("case"), case) for case in CASES}


@pytest.fixture
def here(case: Case, worlds: dict[str, World]) -> World:
    """Return the case's world; what happened in it before is forgotten."""
    known = worlds[case.name]
    known.messages.queued.clear()
    known.witness.receipts.clear()
    known.sns.confirmed.clear()
    known.secrets.refetches = 0
    return known


def refused(answer: dict[str, Any], kind: type[Unauthenticated], case: Case | None = None) -> None:
    """Hold a refusal to the letter: nothing in it depends on the request. Only `basic` asks for a proof."""
    asks = case is not None and case.verify["scheme"] == "basic"
    challenge = {"WWW-Authenticate": 'Basic realm="push-relay", charset="UTF-8"'} if asks else {}
    code = json.loads(answer["body"])["code"]
    assert issubclass(CODES[code], kind)
    problem = {
        "type": f"urn:push-relay:error:{code}",
        "title": "Unauthorized",
        "status": 401,
        "code": code,
        "detail": TOLD[code],
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
    """202 and queued, or the confirmation that was asked for; the secret is not read again."""
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
    """401 with the table's code, counted as rejected; nothing queued, confirmed, or told of the request."""
    for answer in _answers(here, [*attack.forge(case)]):
        refused(answer, attack.refusal, case)
    assert set(here.witness.outcomes) <= {Outcome.REJECTED}
    assert not here.messages.queued
    assert not here.sns.confirmed


def _answers(here: World, forged: list[Request]) -> Iterator[dict[str, Any]]:
    turns = cycle(GATEWAYS)
    for request in forged:
        for gateway in GATEWAYS if len(forged) <= FEW else [next(turns)]:
            before = len(here.witness.receipts)
            yield here.receive(gateway(request))
            assert len(here.witness.receipts) == before + 1


@EVERY
@ANY_GATEWAY
def test_the_base64_flag_flipped_lets_nothing_in(here: World, case: Case, gateway: Gateway) -> None:
    """Other bytes than were signed; where the body is not covered, nothing that could be read."""
    for encoded in (True, False):
        invocation = gateway(case.genuine(), encoded=encoded)
        answer = here.receive(invocation | {"isBase64Encoded": not encoded})
        assert answer["statusCode"] in ({400, 415} if case.covers == "nothing" or not encoded else {401})
    assert here.witness.outcomes == [Outcome.REJECTED] * 2
    assert not here.messages.queued


def _twice(invocation: dict[str, Any], case: Case) -> Iterator[dict[str, Any]]:
    """Give the proof twice, as a REST API lists it: under one name, and under one in another case."""
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
    """Which of them a reader takes must not matter: both the same, one empty, one wrong."""
    for invocation in _twice(api_gateway_v1(case.genuine()), case):
        refused(here.receive(invocation), Unauthenticated, case)
    assert not here.messages.queued


@pytest.mark.parametrize(
    "event_id", ["", " ", "msg.planted", "msg_planted, x", "msg planted", "é", "x" * 257]
)
def test_an_id_that_no_sender_writes_is_refused_like_any_forgery(tmp_path: Path, event_id: str) -> None:
    """Signed or not; and the answer does not tell that it was the id."""
    case = next(case for case in CASES if case.name == "standard-webhooks v1")
    genuine = case.genuine()
    here = world_of(tmp_path, case)
    for gateway in GATEWAYS:
        sent = replace(genuine, headers={**genuine.headers, "webhook-id": event_id})
        refused(here.receive(gateway(sent)), SignatureInvalid)


@ANY_GATEWAY
def test_only_a_rest_api_s_lists_count_where_it_has_them(gateway: Gateway, tmp_path: Path) -> None:
    """A header that the single-valued table alone names was never sent."""
    case = CASES[0]
    invocation = gateway(replace(case.genuine(), headers={}))
    invocation["headers"] |= case.genuine().headers
    answer = world_of(tmp_path, case).receive(invocation)
    assert answer["statusCode"] == (401 if gateway is api_gateway_v1 else 202)


# --- replays -------------------------------------------------------------------------------------------


def _delivered(here: World) -> list[Outcome]:
    """Deliver what is queued, and tell what became of it."""
    for event, _ in here.messages.queued:
        here.witness.receipts.extend(here.relay.deliver([event], here.time_left)[0])
    return here.witness.outcomes


def _unsigned(request: Request, number: int) -> Request:
    """Dress a captured request up as another: a fresh delivery id, another type, another query."""
    fresh = {
        "x-github-delivery": f"fresh-{number}",
        "x-github-event": f"other-{number}",
        "x-request-id": f"fresh-{number}",
        "idempotency-key": f"fresh-{number}",
    }
    return replace(request, headers={**request.headers, **fresh})


@EVENTS
@ANY_GATEWAY
def test_a_replay_is_accepted_and_is_no_second_push(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """The same signed content under fresh unsigned ids: 202, then `duplicate`."""
    here = world_of(tmp_path, case)
    for number in range(3):
        assert here.receive(gateway(_unsigned(case.genuine(), number)))["statusCode"] == 202
    assert _delivered(here) == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert len(here.vendor.calls) == 1


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.verify["scheme"] == "twilio"], ids=lambda case: case.name
)
@ANY_GATEWAY
def test_a_replay_under_another_port_is_no_second_push(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """Twilio signs the address with its port or without, so both fit: they are one event all the same."""
    here = world_of(tmp_path, case)
    genuine = case.genuine()
    for host in ("relay.example.com", "relay.example.com:443", "relay.example.com:8443"):
        replayed = replace(genuine, url=genuine.url.replace("relay.example.com", host))
        assert here.receive(gateway(replayed))["statusCode"] == 202
    assert _delivered(here) == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE]


TWILIO = [case for case in CASES if case.verify["scheme"] == "twilio"]


@ANY_GATEWAY
@pytest.mark.parametrize("case", TWILIO, ids=lambda case: case.name)
def test_behind_a_proxy_the_deployer_tells_the_address(case: Case, gateway: Gateway, tmp_path: Path) -> None:
    """The sender has signed the one that it calls; a forger is turned away there too."""
    genuine = case.genuine()
    address = genuine.url.partition("?")[0]
    sent = replace(genuine, url=genuine.url.replace(address, address.replace("https://", "https://inner.")))
    unaware = world_of(tmp_path / "unaware", case)
    refused(unaware.receive(gateway(sent)), SignatureInvalid)
    aware = world_of(tmp_path / "aware", case, policy=f'url = "{address}"')
    assert aware.receive(gateway(sent))["statusCode"] == 202
    refused(aware.receive(gateway(replace(sent, body=b"a=b"))), SignatureInvalid)


STRIPE = next(case for case in CASES if case.name == "stripe")


@pytest.mark.parametrize("joined", ["{right},v1={wrong}", "v1={wrong},{right}"])
def test_of_stripes_several_signatures_one_has_to_fit(joined: str, tmp_path: Path) -> None:
    """An HTTP API joins two headers by a comma, as Stripe itself does while a secret is rotated."""
    here, genuine = world_of(tmp_path, STRIPE), STRIPE.genuine()
    right, wrong = genuine.headers["stripe-signature"], "ab" * 32
    twice = {"stripe-signature": joined.format(right=right, wrong=wrong)}
    assert here.receive(api_gateway_v2(replace(genuine, headers=twice)))["statusCode"] == 202
    forged = {"stripe-signature": f"{right.partition(',')[0]},v1={wrong},v1={wrong}"}
    refused(here.receive(api_gateway_v2(replace(genuine, headers=forged))), SignatureInvalid)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.stamp and case.proof.kind != "json"], ids=lambda case: case.name
)
def test_the_sender_s_own_second_attempt_is_no_second_push(case: Case, tmp_path: Path) -> None:
    """Signed anew at another time: the same event."""
    here = world_of(tmp_path, case)
    for moment in (NOW - 20, NOW):
        assert here.receive(api_gateway_v2(case.genuine(moment)))["statusCode"] == 202
    assert _delivered(here) == [Outcome.DELIVERED, Outcome.DUPLICATE]


@EVENTS
def test_another_event_is_another_push(case: Case, tmp_path: Path) -> None:
    """Unless the sender signs that it is the same: an id that is covered counts, and not the content."""
    here = world_of(tmp_path, case)
    for body in (case.body, case.body.replace(WORD, b"written")):
        assert here.receive(api_gateway_v2(case.genuine(body=body)))["statusCode"] == 202
    second = Outcome.DUPLICATE if case.event_id else Outcome.DELIVERED
    assert _delivered(here) == [Outcome.DELIVERED, second]


# --- doors that stand open, and those that are none --------------------------------------------------


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
def test_only_folder_and_deployer_together_open_the_door_to_all(
    gateway: Gateway, verify: dict[str, Any] | None, policy: str, status: int, tmp_path: Path
) -> None:
    """`none` needs both; a source without a scheme takes no webhooks; the word opens no other scheme."""
    here = world(tmp_path, verify, policy=policy)
    answer = here.receive(gateway(Request(b"{}")))
    assert answer["statusCode"] == status
    assert len(here.messages.queued) == (status == 202)


@ANY_GATEWAY
def test_an_unknown_source_is_404_before_anything_of_the_request_is_looked_at(
    gateway: Gateway, tmp_path: Path
) -> None:
    """Whatever it holds; and whoever asks is told as much of a source that takes no webhooks."""
    here = world(tmp_path, None)
    for name, body in (("nosuch", b""), ("nosuch", b"\xff"), (PLANTED, b"{}")):
        address = f"https://relay.example.com/webhooks/{name}"
        answer = here.receive(gateway(Request(body, url=address)))
        told = json.loads(answer["body"])
        assert (answer["statusCode"], told["code"]) == (404, "unknown_source")
        assert name not in answer["body"]


def test_a_source_without_a_secret_lets_nobody_in(tmp_path: Path) -> None:
    """503, since it is the deployer's slip: the sender tries again, and nothing is lost."""
    here = world_of(tmp_path, CASES[0])
    here.secrets.missing = True
    answer = here.receive(api_gateway_v2(CASES[0].genuine()))
    assert (answer["statusCode"], here.messages.queued) == (503, [])


def test_each_refusal_is_counted(tmp_path: Path) -> None:
    """By the metric `Rejected`, under the source's name; the log line tells the code and nothing sent."""
    case = next(case for case in CASES if case.name == "slack")
    forged = [
        replace(case.genuine(), headers={}),
        case.genuine(secret=case.other),
        case.genuine(NOW - 10_000),
    ]
    with captured() as said:
        here = world_of(tmp_path, case, telemetry=said.telemetry)
        for request in forged:
            here.receive(api_gateway_v2(request))
    for metric in said.metrics:
        assert (metric["refused"], metric["Rejected"], metric["Received"]) == ({PLANTED: 1}, [1.0], [1.0])
    assert [line["error_code"] for line in said.logs] == [
        "signature_missing",
        "signature_invalid",
        Stale.code,
    ]
    for request in forged:
        assert not any(value in said.text for value in request.headers.values() if len(value) > 2)


@ANY_GATEWAY
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("more", "status"), [(0, 202), (1, 413)])
def test_an_open_source_takes_smaller_bodies(
    gateway: Gateway, more: int, status: int, tmp_path: Path, *, packed: bool
) -> None:
    """Anybody may have its bodies parsed; a source with a proof takes four times as much."""
    body = b'{"a": "' + b"x" * (MAX_OPEN_BODY - 9 + more) + b'"}'
    headers = {"content-encoding": "gzip"} if packed else {}
    sent = Request(gzip.compress(body) if packed else body, headers)
    here = world(tmp_path, {"scheme": "none"}, policy="unverified = true")
    assert here.receive(gateway(sent))["statusCode"] == status
