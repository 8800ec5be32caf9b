"""The format of a body: compressed, a form, a list of one, or an SNS notification; signed bytes first."""

import gzip
import json
import tracemalloc
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from front_door import Gateway, api_gateway_v2, request, world_of
from push_relay.core.inbound.body import MAX_FIELDS
from push_relay.core.inbound.request import MAX_BODY
from signed_body import ANY_GATEWAY, BY_NAME, FORM, GITHUB, GZIP, data, github, refused, signed
from sns_sender import NOW, Request, iso_ms, sns_message, sns_signed

# --- gzip ----------------------------------------------------------------------------------------------


@ANY_GATEWAY
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_the_signature_covers_the_compressed_body(gateway: Gateway, coding: str, tmp_path: Path) -> None:
    """A sender signs the bytes that it sends."""
    here = github(tmp_path)
    body = gzip.compress(GITHUB.body)
    assert here.receive(gateway(signed(body, {"content-encoding": coding})))["statusCode"] == 202
    assert data(here) == json.loads(GITHUB.body)


def test_a_signature_over_the_uncompressed_body_is_invalid(tmp_path: Path) -> None:
    """Otherwise a proxy could change the bytes that were signed."""
    sent = signed(gzip.compress(GITHUB.body), GZIP, over=GITHUB.body)
    assert refused(github(tmp_path), sent) == (401, "signature_invalid")


@cache
def bomb(size: int) -> bytes:
    """Compress a JSON document of blanks, which makes it a thousand times smaller."""
    packing = zlib.compressobj(9, wbits=31)
    parts = [packing.compress(b'{"a": "'), *(packing.compress(b" " * 2**20) for _ in range(size // 2**20))]
    return b"".join([*parts, packing.compress(b'"}'), packing.flush()])


@ANY_GATEWAY
def test_a_bomb_is_413_and_is_never_decompressed_beyond_the_limit(gateway: Gateway, tmp_path: Path) -> None:
    """256 MiB in a body of 256 KiB would exhaust the function's memory."""
    here, invocation = github(tmp_path), gateway(signed(bomb(2**28), GZIP))
    tracemalloc.start()
    try:
        answer = here.receive(invocation)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (413, "payload_too_large")
    assert peak < 5 * MAX_BODY
    assert not here.messages.queued


def test_an_unsigned_bomb_is_401(tmp_path: Path) -> None:
    """A body is decompressed only after its signature was verified, so a stranger does not learn its size."""
    assert refused(github(tmp_path), signed(bomb(2**24), GZIP, over=b"")) == (401, "signature_invalid")


@pytest.mark.parametrize("over", [0, 1])
def test_a_body_may_be_decompressed_to_the_limit_and_not_further(over: int, tmp_path: Path) -> None:
    """MAX_BODY applies before and after decompression."""
    text = b'{"a": ""' + b" " * (MAX_BODY - 9 + over) + b"}"
    assert len(text) == MAX_BODY + over
    here = github(tmp_path)
    status = here.receive(api_gateway_v2(signed(gzip.compress(text), GZIP)))["statusCode"]
    assert status == (413 if over else 202)


PACKED = gzip.compress(GITHUB.body, mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        *(PACKED[:-count] for count in (1, 4, 8, 9, len(PACKED) - 1)),
        PACKED + b"\0",
        PACKED + b"planted",
        PACKED + PACKED,
        PACKED[:-8] + b"\0" * 8,
        PACKED[:12] + b"\xff" + PACKED[13:],
        zlib.compress(GITHUB.body),
        gzip.compress(b""),
        gzip.compress(PACKED),
        GITHUB.body,
        b"",
    ],
    ids=range(15),
)
def test_a_compressed_body_that_is_broken_or_continues_is_malformed(body: bytes, tmp_path: Path) -> None:
    """It may be cut off, have bytes after its end or a wrong checksum, be compressed twice or not at all."""
    assert refused(github(tmp_path), signed(body, GZIP)) == (400, "malformed_request")


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "gzip;q=1"])
def test_another_coding_is_415(coding: str, tmp_path: Path) -> None:
    """The relay does not guess at a content coding that it cannot undo."""
    sent = signed(PACKED, {"content-encoding": coding})
    assert refused(github(tmp_path), sent) == (415, "unsupported_media_type")


# --- forms ---------------------------------------------------------------------------------------------


@ANY_GATEWAY
def test_the_form_of_github_has_the_document_in_a_field(gateway: Gateway, tmp_path: Path) -> None:
    """GitHub can send the field `payload` of a form instead of JSON, and signs the form."""
    here = github(tmp_path, 'form_field = "payload"')
    body = urlencode({"payload": '{"note": "planted é"}'}).encode()
    assert here.receive(gateway(signed(body, FORM)))["statusCode"] == 202
    assert data(here) == {"note": "planted é"}


def test_a_form_may_be_compressed(tmp_path: Path) -> None:
    """The content type and the content coding are independent."""
    here = github(tmp_path, 'form_field = "payload"')
    assert (
        here.receive(api_gateway_v2(signed(gzip.compress(b"payload={}"), FORM | GZIP)))["statusCode"] == 202
    )


@ANY_GATEWAY
def test_the_fields_of_a_form_can_be_the_document(gateway: Gateway, tmp_path: Path) -> None:
    """Twilio sends all its data as fields. Each value is a text."""
    here = world_of(tmp_path, BY_NAME["twilio form"])
    assert here.receive(gateway(BY_NAME["twilio form"].genuine()))["statusCode"] == 202
    assert data(here) == {"Body": "planted text", "From": "+14158675309", "To": "+18005551212", "Empty": ""}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"payload=%7B%7D&payload=%7B%7D", "malformed_request"),
        (b"other=planted", "malformed_request"),
        (b"payload=planted", "malformed_request"),
        (b"payload=7", "malformed_request"),
        (b"payload=%ff", "malformed_request"),
        ("payload={é}".encode(), "malformed_request"),
        (b"planted", "malformed_request"),
        (b"", "malformed_request"),
        (b"payload={}" + b"".join(b"&f%d=" % n for n in range(MAX_FIELDS)), "malformed_request"),
    ],
    ids=range(9),
)
def test_an_ambiguous_or_empty_form_is_malformed(body: bytes, code: str, tmp_path: Path) -> None:
    """A field may be there twice, be missing, or hold no JSON; or there are too many fields."""
    assert refused(github(tmp_path, 'form_field = "payload"'), signed(body, FORM)) == (400, code)


def test_a_form_is_415_if_the_source_has_no_field_for_it(tmp_path: Path) -> None:
    """A source has to be written for forms to accept them."""
    sent = signed(b"payload=%7B%7D", FORM)
    assert refused(github(tmp_path), sent) == (415, "unsupported_media_type")


# --- lists and SNS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [([{"a": 1}], 202), ([], 400), ([{}, {}], 400), ([1], 400), ({"a": 1}, 400), ([[{}]], 400)],
)
def test_a_list_of_one_is_its_event(body: Any, status: int, tmp_path: Path) -> None:
    """Event Grid sends lists. One answer cannot report on several events."""
    here = github(tmp_path, 'format = "list-of-one"')
    answer = here.receive(api_gateway_v2(signed(json.dumps(body).encode())))
    assert answer["statusCode"] == status
    assert [event.data for event, _ in here.messages.queued] == ([{"a": 1}] if status == 202 else [])


def sns(message: str, **fields: str) -> Request:
    """Return a signed notification as SNS sends it over HTTP."""
    given = sns_message(message.encode(), Timestamp=iso_ms(NOW)) | fields
    return replace(
        request(sns_signed(given, b"sns").body), headers={"content-type": "text/plain; charset=UTF-8"}
    )


@ANY_GATEWAY
def test_the_message_of_a_notification_is_the_event(gateway: Gateway, tmp_path: Path) -> None:
    """SNS does not sign all fields of its envelope, and the relay ignores those that are not signed."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    sent = sns('{"note": "planted"}')
    forged = json.loads(sent.body) | {
        "MessageAttributes": {"source": {"Type": "String", "Value": "another"}},
        "UnsubscribeURL": "https://evil.example/",
    }
    answer = here.receive(gateway(replace(sent, body=json.dumps(forged).encode())))
    assert answer["statusCode"] == 202
    ((event, _),) = here.messages.queued
    assert (event.source, event.data) == ("planted", {"note": "planted"})
    assert "another" not in str(event)
    assert "evil" not in str(event)


@pytest.mark.parametrize("message", ["[]", "", '{"a": 1,}', "{"])
def test_an_sns_message_without_content_or_of_broken_json_is_malformed(message: str, tmp_path: Path) -> None:
    """SNS has signed it, but no source could make words of it."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    assert refused(here, sns(message)) == (400, "malformed_request")


def test_an_sns_message_may_be_a_plain_text(tmp_path: Path) -> None:
    """A person has published it, or an AWS service that writes no JSON."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    assert here.receive(api_gateway_v2(sns("planted")))["statusCode"] == 202
    assert data(here)["text"] == "planted"


def test_an_sns_message_is_read_leniently_and_its_envelope_strictly(tmp_path: Path) -> None:
    """SNS's signature covers the message's text, but only the values of the envelope's fields."""
    here = world_of(tmp_path, BY_NAME["sns-http version 2"])
    assert here.receive(api_gateway_v2(sns('{"a": 1, "a": NaN}')))["statusCode"] == 202
    assert data(here) == {"a": None}
    again = world_of(tmp_path / "again", BY_NAME["sns-http version 2"])
    sent = sns("{}")
    twice = sent.body.replace(b'"Message":', b'"Message": "{}", "Message":')
    assert refused(again, replace(sent, body=twice))[0] == 401
