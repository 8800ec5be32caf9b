"""A sender's proof never leaves the relay: not in the queue, a log line, a metric, an answer or an exception.

The secrets and proofs of every scheme are canaries, in accepted and in rejected requests through every
gateway. So are the tokens of handshakes, the callers' addresses, and the contents of forms and of
compressed bodies.
"""

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fakes import Captured, World, captured
from front_door import GATEWAYS, Gateway, request, world, world_of
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.queue_format import pack
from push_relay.settings import DeliveryMode
from signers import CASES, Case, mac
from sns_sender import TOPIC, Request, b64, certificates, sns_message, sns_signed

WORD = "canary"
KEYED = {"token", "basic"}
#: A caller's address that no allow-list contains.
ADDRESS = "192.0.2.77"
MODES = pytest.mark.parametrize("mode", DeliveryMode)


def with_canaries(case: Case) -> Case:
    """Return a case with secrets that can be searched for. Secrets in a fixed format are not changed."""
    match case.verify["scheme"]:
        case "sns-http":
            return case
        case "standard-webhooks":
            if case.name.endswith("v1a"):
                return case
            keys = [
                b"whsec_" + base64.b64encode(word) for word in (b"canary-secret-is-24-long", b"canary" * 4)
            ]
            return replace(case, secret=keys[0], other=keys[1])
        case "basic":
            return replace(case, secret=b"canary-user:canary-password", other=b"canary-user:canary-guess")
    return replace(case, secret=b"canary-secret", other=b"canary-guess")


def proofs(case: Case, *requests: Request) -> set[str]:
    """Return the secrets and proofs of a case in every encoding in which they might appear."""
    found = {case.secret.decode(), case.other.decode()} if case.verify["scheme"] != "sns-http" else set()
    for sent in requests:
        found.add(case.proof.read(sent))
    found |= {part for text in [*found] for part in (text.partition(":")[2], text.rpartition("=")[2])}
    found |= {quote(text, safe="") for text in found} | {b64(text.encode()) for text in found}
    return {text for text in found if len(text) > 7}


def all_output(here: World, output: Captured, answers: list[dict[str, Any]]) -> str:
    """Return everything that has left the relay, except the calls to the vendor."""
    queued = [pack(queued[0]).body for queued in here.messages.queued]
    dead = [
        f"{each.body}{each.attributes}{each.error_code}{each.event_id}" for each in here.messages.dead_letters
    ]
    return "\n".join([output.text, *queued, *dead, *(json.dumps(answer) for answer in answers)])


@MODES
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_secret_and_no_proof_leaves_the_relay(case: Case, mode: DeliveryMode, tmp_path: Path) -> None:
    """Requests are genuine, forged, stale or malformed, or meet a failing queue or secret, in both modes."""
    marked = with_canaries(case)
    sent = [marked.genuine(), marked.genuine(secret=marked.other), marked.genuine(1_700_000_000)]
    broken = replace(sent[0], body=b"{canary")
    with captured(samples=False) as output:
        here = world_of(tmp_path, marked, telemetry=output.telemetry)
        here.intake = replace(here.intake, forward=here.forward(mode))
        answers = [
            here.receive(gateway(each, encoded=encoded))
            for gateway in GATEWAYS
            for each in (*sent, broken)
            for encoded in (False, True)
        ]
        here.messages.error = RuntimeError(marked.secret.decode())
        answers += [here.receive(gateway(sent[0])) for gateway in GATEWAYS]
        here.secrets.missing = True
        answers += [here.receive(gateway(sent[0])) for gateway in GATEWAYS]
    text_of_all = all_output(here, output, answers)
    assert [text for text in proofs(marked, *sent) if text in text_of_all] == []
    assert len(output.logs) >= len(answers)
    if case.verify["scheme"] in KEYED:
        assert WORD not in output.text


def test_the_search_finds_a_canary(tmp_path: Path) -> None:
    """Every canary is part of its request, and one in a log line is found. Otherwise no test could fail."""
    for case in map(with_canaries, CASES):
        sent = case.genuine()
        written = json.dumps([sent.body.decode(), dict(sent.headers), dict(sent.query), sent.url])
        assert any(text in written or json.dumps(text)[1:-1] in written for text in proofs(case, sent))
    token = with_canaries(next(case for case in CASES if case.name == "token header"))
    with captured() as output:
        here = world_of(tmp_path, token, telemetry=output.telemetry)
        output.telemetry.trouble("x", error_code="x", detail=token.secret.decode())
    assert "canary-secret" in all_output(here, output, [])


# --- handshakes, addresses, forms --------------------------------------------------------------------

GITHUB = next(case for case in CASES if case.name == "github")
QUERY_TOKEN = {"scheme": "token", "query": "token"}
SECRET = b"canary-secret"


def signed(body: bytes, **headers: str) -> Request:
    """Sign a body as GitHub does."""
    signature = "sha256=" + mac(SECRET, body).hex()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(body, {"x-hub-signature-256": signature, **named})


def scenes() -> Iterator[tuple[dict[str, Any], Request, int]]:
    """Yield a source, a request to it, and the status of the answer."""
    url = "https://sns.eu-west-1.amazonaws.com/?Token=canary-token"
    slack = b'{"type": "url_verification", "token": "canary-token", "challenge": 7}'
    zoom = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "canary token"}}'
    form = b"payload=canary&token=canary-token"
    github: dict[str, Any] = {"verify": GITHUB.verify}
    yield {**github, "top": 'handshake = "slack"'}, signed(slack), 400
    yield {**github, "top": 'handshake = "zoom"'}, signed(zoom), 400
    sns = {"verify": {"scheme": "sns-http"}, "event": 'format = "sns"', "top": 'handshake = "sns"'}
    sns["policy"] = f'topics = ["{TOPIC}"]'
    yield sns, _confirming(url), 503
    yield sns, _confirming("canary://"), 400
    graph = {"verify": QUERY_TOKEN, "top": 'handshake = "microsoft-graph"'}
    yield graph, request(b"{}", {}, {"validationToken": "canary-\u00e9", "token": SECRET.decode()}), 400
    yield graph, request(b"{}", {}, {"validationToken": "canary-token", "token": "canary-guess"}), 401
    yield {**github, "event": 'form_field = "payload"'}, signed(form, content_type=_FORM), 400
    yield {**github, "event": 'form_field = "other"'}, signed(form, content_type=_FORM), 400
    yield github, signed(form, content_type="canary/type; charset=canary"), 415
    yield github, signed(gzip.compress(form), content_encoding="gzip"), 400
    yield github, signed(form, content_encoding="gzip"), 400
    yield github, signed(b"{}", content_encoding="canary"), 415
    yield {**github, "policy": 'allow_ips = ["198.51.100.0/24"]'}, signed(b"{}", cookie="canary"), 403


_FORM = "application/x-www-form-urlencoded"


def _confirming(url: str) -> Request:
    asked = {"Type": "SubscriptionConfirmation", "Token": "canary-token", "SubscribeURL": url}
    return sns_signed(sns_message(b"canary", Subject=None, **asked), b"sns")


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
@pytest.mark.parametrize(("source", "sent", "status"), [*scenes()])
def test_no_part_of_a_rejected_request_leaves_the_relay(
    gateway: Gateway, source: dict[str, Any], sent: Request, status: int, tmp_path: Path
) -> None:
    """This includes tokens, the caller's address, the body, its content type and its encoding."""

    def fail(_url: str) -> None:
        raise CredentialsUnavailable("SNS did not take the confirmation (Fake)")

    with captured() as output:
        here = world(tmp_path, **source, telemetry=output.telemetry)
        here.secrets.secrets = (SECRET,)
        here.sns.confirm = fail  # type: ignore[method-assign]
        here.sns.certificates = dict(certificates())
        answer = here.receive(gateway(sent, caller=ADDRESS))
    assert answer["statusCode"] == status
    text = all_output(here, output, [answer])
    assert WORD not in text
    assert ADDRESS not in text
    assert len(output.logs) == len(output.metrics) == 1


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
def test_only_the_document_of_an_accepted_webhook_is_queued(gateway: Gateway, tmp_path: Path) -> None:
    """Headers, query parameters, cookies and the caller's address are dropped unless a rule reads them."""
    case = with_canaries(next(case for case in CASES if case.name == "token query"))
    sent = case.genuine()
    sent = replace(sent, headers={"cookie": "canary-cookie", "authorization": "Bearer canary-bearer"})
    with captured() as output:
        here = world_of(tmp_path, case, telemetry=output.telemetry)
        assert here.receive(gateway(sent, caller=ADDRESS))["statusCode"] == 202
    text = all_output(here, output, [])
    assert WORD not in text
    assert ADDRESS not in text
