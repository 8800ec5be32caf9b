"""The functions have 512 MiB, and the largest possible invocations use less than 440 of them."""

import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from front_door import api_gateway_v2, request
from invocations import notification, sqs_batch, sqs_record
from memory_probe import SECRET, TESTS
from push_relay.core.inbound.items import MAX_ITEMS
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.queue_format import MAX_EVENT, MAX_MESSAGE
from push_relay.core.strict_json import MAX_PARTS
from signers import mac

#: The rest is for the runtime's own client.
LIMIT_MIB = 440
#: Parts that use the most memory for their size. An emoji makes every character of its text 4 bytes large.
CHAIN = '{"":' * 90 + "0" + "}" * 90
NEST = "[" * 90 + "]" * 90
OBJECT = '{"":0}'
EMOJI = '"' + "x" * 100_000 + '\\ud83d\\ude00"'
WORDS = '"' + "x" * 1_000 + '\\ud83d\\ude00"'
ACCENTS = '"' + "é" * 1_000 + '"'


def document(size: int, unit: str, filling: str = WORDS, parts: int = MAX_PARTS - 10_000) -> str:
    """Return an object of at most this size: as many units as `parts` allows, then texts."""
    per_unit = unit.count("[") + unit.count("{") + 1
    units = min(parts // per_unit, size // (len(unit.encode()) + 1) - 1)
    text = f'{{"a":[{",".join([unit] * units)}'
    texts = max(0, size - len(text.encode()) - 10) // (len(filling.encode()) + 1)
    return f"{text}{''.join([',' + filling] * texts)}]}}"


def measured(function: str, invocation: dict[str, Any], directory: Path, event: str = "") -> dict[str, Any]:
    """Handle an invocation in a separate process. Print and return the memory that it used."""
    file = directory / "invocation.json"
    file.write_text(json.dumps(invocation))
    probe = [sys.executable, str(TESTS / "memory_probe.py"), function, str(file), event]
    run = subprocess.run(probe, capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
    seen: dict[str, Any] = json.loads(run.stdout)
    print(f"{function}: {seen['before']} MiB before, {seen['peak']} at most, of {LIMIT_MIB}")  # noqa: T201
    return seen


@pytest.mark.parametrize(
    "unit", [CHAIN, NEST, OBJECT, WORDS, ACCENTS], ids=["chain", "nest", "object", "words", "accents"]
)
def test_receive_stays_within_its_memory_limit(unit: str, tmp_path: Path) -> None:
    """The request is signed and accepted, so it goes through parsing, validation and packing."""
    body = document(MAX_BODY, unit).encode()
    headers = {"x-hub-signature-256": "sha256=" + mac(SECRET, body).hex()}
    seen = measured("receive", api_gateway_v2(request(body, headers), encoded=True), tmp_path)
    assert seen["status"] == 202
    assert seen["peak"] < LIMIT_MIB


def items() -> str:
    """Return a list of as many items as are allowed, with as many parts as are allowed."""
    each = document(MAX_BODY // MAX_ITEMS - 2, CHAIN, parts=(MAX_PARTS - 10_000) // MAX_ITEMS)
    return f"[{','.join([each] * MAX_ITEMS)}]"


def elements() -> str:
    """Return XML of texts that hold 4 bytes for each character."""
    text = f"<t>{'x' * 1_000}\U0001f600</t>"
    return f"<r>{text * (MAX_BODY // len(text.encode()) - 1)}</r>"


@pytest.mark.parametrize(
    ("event", "body"), [("", items()), ('format = "xml"', elements())], ids=["a list", "XML"]
)
def test_receive_stays_within_its_memory_limit_with_other_bodies(
    event: str, body: str, tmp_path: Path
) -> None:
    """Each item of a list is an event, and is packed as a message of its own."""
    headers = {"x-hub-signature-256": "sha256=" + mac(SECRET, body.encode()).hex()}
    invocation = api_gateway_v2(request(body.encode(), headers), encoded=True)
    seen = measured("receive", invocation, tmp_path, event)
    assert seen["status"] == 202
    assert seen["peak"] < LIMIT_MIB


def plain(number: int, unit: str) -> dict[str, Any]:
    """Return a message of a program."""
    return sqs_record(document(MAX_MESSAGE, unit), source="planted", message_id=f"m-{number}")


def through_sns(number: int, unit: str) -> dict[str, Any]:
    """Return a message of SNS with a text of 256 KiB, which is SNS's limit."""
    named = {"MessageAttributes": {"source": {"Type": "String", "Value": "planted"}}}
    given = notification(document(2**18, unit), MessageId=f"sns-{number}", **named)
    return sqs_record(given, message_id=f"m-{number}")


def queued(number: int, unit: str, *, size: int = MAX_MESSAGE, filling: str = WORDS) -> dict[str, Any]:
    """Return a queued event, which `receive` may have written, or anyone else who may send to the queue."""
    ids = {"id": f"e-{number}", "identity": f"i-{number}", "correlation_id": "c"}
    fields = {
        "source": "planted",
        "type": "",
        "received_at": 1.8e9,
        "headers": {},
        "query": {},
        "data": "DATA",
    }
    written = json.dumps(ids | fields)
    body, version = written.replace('"DATA"', document(size - len(written), unit, filling)), "1"
    if size > MAX_MESSAGE:
        body, version = base64.b64encode(zlib.compress(body.encode(), 1)).decode(), "1+zlib"
    assert len(body) <= MAX_MESSAGE
    attributes = {"push-relay-event": {"stringValue": version, "dataType": "String"}}
    return sqs_record(body, message_id=f"m-{number}") | {"messageAttributes": attributes}


WORST = {
    "a program's objects": lambda number: plain(number, CHAIN),
    "a program's words": lambda number: plain(number, WORDS),
    "objects through SNS": lambda number: through_sns(number, CHAIN),
    "queued objects": lambda number: queued(number, CHAIN),
    "compressed objects and words": lambda number: queued(number, CHAIN, size=MAX_EVENT, filling=EMOJI),
    "compressed words": lambda number: queued(number, EMOJI, size=MAX_EVENT, filling=EMOJI),
}


@pytest.mark.parametrize("kind", WORST)
def test_deliver_stays_within_its_memory_limit_with_ten_of_the_worst_messages(
    kind: str, tmp_path: Path
) -> None:
    """Each message is read and parked, so it is packed again."""
    seen = measured("deliver", sqs_batch(*map(WORST[kind], range(10))), tmp_path)
    assert seen["outcomes"] == ["vendor_throttled"] * 10
    assert seen["peak"] < LIMIT_MIB
