"""An unverified sender cannot make the relay work hard, even with a body of 4 MiB."""

import gzip
import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from cpu_cost import cost
from front_door import api_gateway_v2, request, world_of
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.trust.schemes.form import MAX_FORM_BYTES
from push_relay.core.trust.schemes.proof import MAX_PROOF
from push_relay.core.trust.schemes.sns_http import MAX_BYTES
from signers import CASES, Case
from sns_sender import NOW, URL, Request, sns_message, sns_signed

BY_NAME = {case.name: case for case in CASES}
FORM = {"content-type": "application/x-www-form-urlencoded"}
#: The cost that a refusal may have (`cpu_cost.py`). Most cost a tenth of it.
LIMIT = 60


def filled(unit: bytes, size: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return `size` bytes that consist of a repeated unit."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


@cache
def body(name: str, size: int) -> bytes:
    """Return a body of a given size that is expensive to parse."""
    units = {
        "brackets": (b"[" * 90 + b"]" * 90 + b",", b'{"a":[', b"0]}"),
        "open brackets": (b"[", b"", b""),
        "nested objects": (b'{"a":', b"", b""),
        "objects": (b'{"a":1},', b"[", b"0]"),
        "digits": (b"1,", b"[", b"1]"),
        "one number": (b"7", b"", b""),
        "strings": (b'"a",', b"[", b'""]'),
        "escapes": (b"\\u0041", b'{"Signature":"', b'"}'),
        "halves of pairs": (b"\\ud83d", b'{"Signature":"', b'"}'),
        "escaped quotes": (b'\\"', b'{"a":"', b""),
        "quotes": (b'"', b"", b""),
        "fields": (b"a=b&", b"", b"a=b"),
        "escapes of a form": (b"%41", b"a=", b""),
        "plus signs": (b"+", b"a=", b""),
        "zeros, compressed": (b"\0", b"", b""),
    }
    unit, before, after = units[name]
    content = filled(unit, size, before, after)
    return gzip.compress(content * 50)[:size] if "compressed" in name else content


BODIES = (
    "brackets",
    "open brackets",
    "nested objects",
    "objects",
    "digits",
    "one number",
    "strings",
    "escapes",
    "halves of pairs",
    "escaped quotes",
    "quotes",
    "fields",
    "escapes of a form",
    "plus signs",
    "zeros, compressed",
)


def costs(directory: Path, case: Case, sent: Request) -> float:
    """Return the CPU cost of refusing a request, as a multiple of reading 1 MiB of plain JSON."""
    here = world_of(directory, case)
    here.receive(api_gateway_v2(replace(sent, body=b"warm")))
    invocation = api_gateway_v2(sent)
    answers = []
    spent = cost(lambda: answers.append(here.receive(invocation)))
    for answer in answers:
        assert answer["statusCode"] in {401, 413}, answer["body"]
    assert not here.messages.queued
    return spent


#: Each scheme at the relay's size limit, and at its own if it has one. These are the largest bodies that are
#: parsed.
SIZES = [(case, MAX_BODY) for case in CASES] + [
    (case, {"sns-http": MAX_BYTES, "twilio": MAX_FORM_BYTES}[case.verify["scheme"]])
    for case in CASES
    if case.verify["scheme"] in {"sns-http", "twilio"}
]


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("case", "size"), SIZES, ids=lambda value: getattr(value, "name", value))
def test_a_forged_body_is_cheap_to_refuse(case: Case, size: int, name: str, tmp_path: Path) -> None:
    """An attacker chooses the body, so even the most expensive content must be refused quickly."""
    proven = case.genuine(secret=case.other).headers
    compressed = {"content-encoding": "gzip"} if "compressed" in name else {}
    forged = replace(request(body(name, size), {**proven, **compressed}), url=URL)
    assert costs(tmp_path, case, forged) < LIMIT


def test_a_forged_message_of_sns_is_cheap_to_refuse(tmp_path: Path) -> None:
    """Its shape is correct, so it gets as far as a message can without SNS's private key."""
    case = BY_NAME["sns-http version 2"]
    text = "\\u0041" * (MAX_BYTES // 6 - 2_000)
    message = json.loads(sns_signed(sns_message(b"MARK"), b"mallory").body)
    sent = request(json.dumps(message).replace("MARK", text).encode(), {"content-type": "text/plain"})
    assert MAX_BYTES - 20_000 < len(sent.body) <= MAX_BYTES
    assert costs(tmp_path, case, sent) < LIMIT


def test_a_body_with_its_hash_in_the_url_is_cheap_to_refuse(tmp_path: Path) -> None:
    """Anyone can compute the hash, so it does not prove the sender."""
    case = BY_NAME["twilio body hash"]
    content = body("brackets", MAX_BODY)
    url = f"{URL}&bodySHA256={hashlib.sha256(content).hexdigest()}"
    forged = Request(content, {"x-twilio-signature": "x"}, {}, url)
    assert costs(tmp_path, case, forged) < LIMIT


def test_many_signatures_are_cheap_to_refuse(tmp_path: Path) -> None:
    """Some schemes accept several signatures. The header is filled with as many as it can hold."""
    for name in ("pagerduty", "stripe", "standard-webhooks v1", "standard-webhooks v1a"):
        case = BY_NAME[name]
        forged = case.proof.read(case.genuine(secret=case.other))
        joint = " " if name.startswith("standard") else ","
        many = case.proof.write(case.genuine(), joint.join([forged] * (MAX_PROOF // (len(forged) + 1) - 2)))
        sent = replace(many, body=body("digits", MAX_BODY))
        assert costs(tmp_path / name, case, sent) < LIMIT


def test_many_numbered_headers_are_cheap_to_refuse(tmp_path: Path) -> None:
    """The signatures of all headers are of one text, which is made and hashed once for each secret."""
    table = {"scheme": "signed", "signature": "header:X-S", "also": ["header:X-S-{2-100}"]}
    case = replace(BY_NAME["github"], verify=table | {"text": "{header:X-T}.{body}"})
    headers = {f"x-s-{number}": "ab" * 32 for number in range(2, 101)} | {"x-s": "ab" * 32, "x-t": "1"}
    assert costs(tmp_path, case, request(body("digits", MAX_BODY), headers)) < LIMIT / 2


def test_lists_in_many_headers_are_refused_together(tmp_path: Path) -> None:
    """Each group of each list has a text of its own."""
    table = {"scheme": "signed", "signature": "header:X-S", "also": ["header:X-S-{2-100}"], "split": ","}
    table |= {"item": "v1", "timestamp": "item:t", "text": "{timestamp}.{body}"}
    case = replace(BY_NAME["github"], verify=table)
    written = f"t={NOW},v1={'ab' * 32}"
    headers = {f"x-s-{number}": written for number in range(2, 101)} | {"x-s": written}
    assert costs(tmp_path, case, request(body("digits", MAX_BODY), headers)) < LIMIT / 2


def test_huge_headers_are_cheap_to_refuse(tmp_path: Path) -> None:
    """API Gateway accepts 10 KB of headers, but other callers of the function can send more."""
    case = BY_NAME["github"]
    headers = {f"x-{number}": "y" * 40 for number in range(50_000)} | {"x-correlation-id": "z" * MAX_BODY}
    assert (
        costs(tmp_path, case, request(b"{}", headers | dict(case.genuine(secret=case.other).headers))) < LIMIT
    )
