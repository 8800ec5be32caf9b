"""The signed texts of descriptions, and what crosses from the gateway to the queue."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from described_requests import SECRET, described, refused, signed, verified
from described_senders import DESCRIBED, private_keys
from front_door import GATEWAYS, Gateway, api_gateway_v2, request, world, world_of
from push_relay.core.errors import SignatureInvalid, Stale
from push_relay.core.trust.place import Place
from push_relay.core.trust.schemes.moment import FORMATS
from push_relay.core.trust.schemes.proof import SecretPlace
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.schemes.signed_text import compile_text
from push_relay.core.trust.schemes.values import Values
from push_relay.core.trust.secret_places import remove_secrets
from push_relay.core.trust.verify_base import Verify
from sender_case import Case, mac
from signers import CASES
from sns_sender import NOW, URL, Request, b64

FORM = {"content-type": "application/x-www-form-urlencoded"}
OTHERS = pytest.mark.parametrize(
    "case", [case for case in DESCRIBED if case not in CASES], ids=lambda case: case.name
)
EVERY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)


# --- from the gateway to the queue -------------------------------------------------------------------


@OTHERS
@EVERY_GATEWAY
def test_a_genuine_request_is_queued_and_a_forged_one_is_not(
    case: Case, gateway: Gateway, tmp_path: Path
) -> None:
    """The whole front half has to hand over what a proof in the body or by a public key needs."""
    here = world_of(tmp_path, case)
    assert here.receive(gateway(case.genuine(secret=case.other)))["statusCode"] == 401
    assert not here.messages.queued
    assert here.receive(gateway(case.genuine()))["statusCode"] == 202
    ((event, _),) = here.messages.queued
    assert case.secret.decode() not in json.dumps(event.data)


def test_a_secret_in_the_document_is_removed_from_it() -> None:
    """A scheme shows the places. Neither other values nor the structure change."""
    item = read_scheme({"scheme": "token", "token": "json:/state", "each": "/value/*"})
    assert item.secret_places == (SecretPlace("json", "/value/*/state"),)
    document: Any = {"value": [{"state": "s", "id": 1}, {"id": 2}, "state", None], "state": "kept"}
    remove_secrets(document, item.secret_places)
    assert document == {"value": [{"id": 1}, {"id": 2}, "state", None], "state": "kept"}
    form = read_scheme({"scheme": "token", "token": "form:pass~1word"})
    fields: Any = {"pass~1word": "s", "note": "n"}
    remove_secrets(fields, form.secret_places)
    assert fields == {"note": "n"}
    for value in ([], "x", None, 1, [{"state": "s"}]):
        remove_secrets(value, (SecretPlace("json", "/value/0/state"),))
    assert read_scheme({"scheme": "token", "header": "X-T"}).secret_places == ()


@pytest.mark.parametrize(
    ("event", "place", "body", "headers"),
    [
        ("list-of-one", "/0/pass", [{"pass": "planted", "note": "n"}], {}),
        ("list", "/0/pass", [{"pass": "planted", "note": "n"}], {}),
        ("cloudevents", "/pass", {"pass": "planted", "note": "n"}, {"ce-specversion": "1.0"}),
        (
            "cloudevents",
            "/data/pass",
            {"specversion": "1.0", "data": {"pass": "planted"}},
            {"content-type": "application/cloudevents+json"},
        ),
    ],
)
def test_a_secret_is_removed_from_a_document_that_is_not_the_whole_body(
    event: str, place: str, body: Any, headers: dict[str, str], tmp_path: Path
) -> None:
    """A format may take the document out of the body, or put the body into it."""
    here = world(tmp_path, {"scheme": "token", "token": f"json:{place}"}, event=f'format = "{event}"')
    here.secrets.secrets = (b"planted",)
    assert here.receive(api_gateway_v2(request(body, headers)))["statusCode"] == 202
    ((queued, _),) = here.messages.queued
    assert "pass" not in json.dumps(queued.data)


def test_the_headers_of_every_place_are_proofs() -> None:
    """No event keeps them: those of `also` and of a numbered family too."""
    table = {"scheme": "signed", "signature": "query:Sig", "also": ["header:X-A", "header:X-B-{2-4}"]}
    proof = Verify.for_document(table)(table).proof
    assert proof.headers == {"x-a", "x-b-2", "x-b-3", "x-b-4"}
    assert proof.query == {"Sig"}


# --- texts --------------------------------------------------------------------------------------------

TEXTS = [
    ("{method} {path}?{query} {path-and-query}", "POST /webhooks/planted?shop=1 /webhooks/planted?shop=1"),
    ("{url|decoded}", "https://relay.example.com/webhooks/planted?shop=1"),
    ("{header:X-A|lower}|{query:q}", "mixed case|v"),
    ("{json:/n}{json:/t}{json:/s}{json:/none?}{json:/list/1}{json:/a~1b}", "5trueé21"),
    ("{body|sha256-hex}", hashlib.sha256(b"{BODY}").hexdigest()),
    ("[[a:{query:q|lower};]][[b:{header:none};]]c", "a:v;c"),
    ("{setting:hook-id}", "4711"),
    ("{body|crc32}", str(zlib.crc32(b"{BODY}"))),
]
DOCUMENT = '{"n": 5, "t": true, "s": "é", "none": null, "list": [1, 2], "a/b": "1"}'


@pytest.mark.parametrize(("template", "expected"), TEXTS, ids=[template for template, _ in TEXTS])
def test_a_text_is_filled_with_the_values_of_a_request(template: str, expected: str) -> None:
    """Each placeholder and each filter."""
    body = b"{BODY}" if "body" in template else DOCUMENT.encode()
    request = Request(
        body, {"x-a": "Mixed Case"}, {"q": "V" if "lower" in template and "a:" in template else "v"}
    )
    values = Values(request, {"hook-id": "4711"})
    assert compile_text(template, None).fill(values).decode() == expected


@pytest.mark.parametrize(
    ("template", "request_"),
    [
        ("{header:none}", Request()),
        ("{json:/none}", Request(b"{}")),
        ("{json:/a}", Request(b'{"a": [1]}')),
        ("{json:/a}", Request(b'{"a": {}}')),
        ("{json:/a}", Request(b'{"a": 1.5}')),
        ("{json:/a}", Request(b'{"a": "1", "a": "1"}')),
        ("{json:/a}", Request(b"not json")),
        ("{json:/0}", Request(b'["\\ud800"]')),
        ("{form:a}", Request(b"a=1")),
        ("{form:a}", Request(b"a=1&a=2", FORM)),
        ("{form-sorted}", Request(b"", FORM)),
        ("{form-sorted}", Request(b"/=1", FORM)),
        ("{form-pairs-sorted:-b}", Request(b"a=1%26c%3D2", FORM)),
        ("{form-pairs-sorted:-b}", Request(b"a%3D=1", FORM)),
        ("{form-pairs-sorted:-b}", Request(b"a=1&a=2", FORM)),
        ("{setting:none}", Request()),
        ("{header:x}", Request(headers={"x": "\udcff"})),
    ],
    ids=str,
)
def test_a_value_that_is_missing_or_has_two_readings_refuses_the_request(
    template: str, request_: Request
) -> None:
    """Otherwise a part of the text would be empty, or two readers would see two values."""
    with pytest.raises(SignatureInvalid):
        compile_text(template, None).fill(Values(request_, {}))


MOVED = [
    ("{header:x-id}.{timestamp}.{body}", {"x-id": "evt"}, {"x-id": "evt.1800000000"}),
    ("{header:x-id}|{header:x-at}|{body}", {"x-id": "a", "x-at": "b|c"}, {"x-id": "a|b", "x-at": "c"}),
    ("{timestamp}:{header:x-a}:{header:x-b}:{body}", {"x-a": "1", "x-b": "2"}, {"x-a": "1:2", "x-b": ""}),
]


@pytest.mark.parametrize(("text", "genuine", "moved"), MOVED, ids=[text for text, _, _ in MOVED])
def test_a_border_between_values_cannot_be_moved(
    text: str, genuine: dict[str, str], moved: dict[str, str]
) -> None:
    """A value that contains the text beside it is refused, whether or not its signature fits."""
    time = {"x-t": str(NOW)} if "{timestamp}" in text else {}
    verify = described(text, **({"timestamp": "header:x-t"} if time else {}))
    values = genuine if not any("|" in value for value in genuine.values()) else {**genuine, "x-at": "b"}
    template = compile_text(text, Place("header", "x-t") if time else None)
    for headers, accepted in ((values, True), (moved, False)):
        request = Request(b'{"a": 1}', {**headers, **time})
        content = template.fill(Values(request, {}))
        request = replace(request, headers={**request.headers, "x-s": mac(SECRET, content).hex()})
        assert refused(verify, request) is not accepted


@pytest.mark.parametrize(
    ("format_", "text", "moment"),
    [
        ("rfc3339", "2027-01-15T08:00:00Z", NOW),
        ("rfc3339", "2027-01-15T01:00:00.5-07:00", NOW + 0.5),
        ("rfc3339", "2027-01-15T08:00:00.123456789Z", NOW + 0.123456789),
        ("http-date", "Fri, 15 Jan 2027 08:00:00 GMT", NOW),
        ("unix-ms", "1800000000250", NOW + 0.25),
    ],
)
def test_a_timestamp_is_read_in_its_format(format_: str, text: str, moment: float) -> None:
    """Up to nanoseconds, and with any offset."""
    assert FORMATS[format_](text) == pytest.approx(moment, abs=1e-6)


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("rfc3339", "2027-01-15T08:00:00.1234567890Z"),
        ("rfc3339", "2027-01-15T08:00:00"),
        ("rfc3339", "2027-01-15T08:00:00+0000"),
        ("rfc3339", "2027-01-15 08:00:00Z"),
        ("rfc3339", "2027-02-30T08:00:00Z"),
        ("rfc3339", "2027-01-15T08:00:00z"),
        ("rfc3339", "2027-01-15T08:00:00+99:00"),
        ("http-date", "Sat, 15 Jan 2027 08:00:00 GMT"),
        ("http-date", "Fri, 15 Jan 2027 08:00:00 +0000"),
        ("http-date", "Friday, 15-Jan-27 08:00:00 GMT"),
        ("http-date", "Fri Jan 15 08:00:00 2027"),
        ("http-date", "Fri, 32 Jan 2027 08:00:00 GMT"),
    ],
)
def test_a_timestamp_in_another_spelling_is_refused(format_: str, text: str) -> None:
    """Each format has one spelling, so that no two readers disagree about the moment."""
    with pytest.raises(SignatureInvalid):
        FORMATS[format_](text)


def test_a_timestamp_in_the_signed_body_may_be_absent_but_not_old() -> None:
    """Only the holder of the secret can leave it out, because it is signed."""
    verify = described("{body}", timestamp="json:/at", timestamp_required=False, tolerance_secs=60)
    for at, error in (
        ("null", None),
        (f'"{NOW}"', None),
        (f'"{NOW - 61}"', Stale),
        ('"x"', SignatureInvalid),
    ):
        body = b'{"at": ' + at.encode() + b"}"
        request = signed(body, body=body)
        if error is None:
            assert verified(verify, request).signed == body
            continue
        with pytest.raises(error):
            verified(verify, request)


# --- texts of single providers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        ("https://r.example/x", b"", "https://r.example/x"),
        ("https://r.example/x?b=2&a=1", b"", "https://r.example/x?a=1&b=2"),
        ("https://r.example/x", b"To=%2B2&From=%2B1", "https://r.example/x?From+1To+2"),
        ("https://r.example/x?k=v", b"To=%2B2&From=%2B1", "https://r.example/x?k=v.From+1To+2"),
    ],
)
def test_the_text_of_plivo(url: str, body: bytes, expected: str) -> None:
    """The mark before the fields depends on whether there is a query."""
    request = Request(body, FORM, url=url)
    assert compile_text("{url|plivo}", None).fill(Values(request, {})).decode() == expected


def test_a_body_that_plivo_does_not_sign_is_refused() -> None:
    """Plivo signs fields of forms only, so another body would not be covered."""
    request = Request(b'{"a": 1}', {"content-type": "application/json"}, url="https://r.example/x")
    with pytest.raises(SignatureInvalid):
        compile_text("{url|plivo}", None).fill(Values(request, {}))


def test_the_attempts_of_a_sender_with_a_nonce_are_one_event() -> None:
    """A nonce is signed and new in each attempt, so it is not part of the event's identity."""
    verify = described("{url|plivo}.{header:x-nonce}", split=",")
    texts = []
    for nonce in ("n1", "n2"):
        request = signed(f"{URL}.a1.{nonce}", body=b"a=1", headers={**FORM, "x-nonce": nonce})
        texts.append(verified(verify, request).signed)
    assert texts[0] == texts[1] == f"{URL}.a1.".encode()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://r.example/path/to?z=p&r=a%201&first=x&r=a%202&jwt=t",
            "POST&/path/to&first=x&r=a%201,a%202&z=p",
        ),
        ("https://r.example/a&b/", "POST&/a%26b&"),
        ("https://r.example", "POST&/&"),
        ("https://r.example/x?q=%C3%A9*~", "POST&/x&q=%C3%A9%2A~"),
    ],
)
def test_the_text_of_atlassian(url: str, expected: str) -> None:
    """Values of one name are joined, and the token itself is left out."""
    text = compile_text("{method}&{path|atlassian}&{query|atlassian}", None)
    assert text.fill(Values(Request(url=url), {})).decode() == expected


CONTENTFUL = described(
    "{method}\n{path|contentful}\n{signed-headers:x-list}\n{body}",
    timestamp="header:x-time",
    timestamp_format="unix-ms",
    tolerance_secs=30,
)


def test_the_text_of_contentful() -> None:
    """The list has to contain itself and the time, or a forger could write another one."""
    listed = {"x-list": "x-list,x-time,x-topic", "x-time": f"{NOW}000", "x-topic": "Entry.save"}

    def request(headers: Mapping[str, str]) -> Request:
        names = sorted(headers["x-list"].split(","))
        lines = ";".join(f"{name}:{headers[name]}" for name in names)
        text = f"POST\n/h/x?a%253Db%252520c\n{lines}\n{{}}"
        return signed(text, body=b"{}", headers=headers, url="https://r.example/h/x?a=b%20c")

    assert verified(CONTENTFUL, request(listed)).content
    for left_out in ("x-list", "x-time"):
        names = ",".join(name for name in sorted(listed) if name != left_out)
        assert refused(CONTENTFUL, request({**listed, "x-list": names}))
    assert refused(CONTENTFUL, request({**listed, "x-list": "x-list,x-time,x-time"}))
    assert refused(CONTENTFUL, replace(request(listed), body=b"{} "))


#: The header of a body's hash.
HASH = "digest"
HTTP_SIGNATURE = {
    "scheme": "public-key",
    "signature": "header:x-s",
    "algorithm": "ed25519",
    "key": "hex",
    "split": ",",
    "item": "signature",
    "quoted": True,
    "text": "{http-signature-lines}",
}


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        (f"(request-target) host {HASH}", True),
        (f"host {HASH}", False),
        ("(request-target) host", False),
        (f"(request-target) {HASH} {HASH}", False),
        (f"(request-target) {HASH} absent", False),
        ("", False),
    ],
)
def test_the_lines_of_an_http_signature(names: str, accepted: bool) -> None:  # noqa: FBT001
    """The sender's list has to contain the address and the body's hash, which is computed."""
    public, private = next(iter(private_keys("ed25519").items()))
    body = b'{"a": 1}'
    lines = {
        "(request-target)": "post /webhooks/planted?shop=1",
        "host": "relay.example.com",
        "digest": "sha-256=" + b64(hashlib.sha256(body).digest()),
        "absent": "x",
        "": "",
    }
    text = "\n".join(f"{name}: {lines[name]}" for name in names.split(" "))
    signature = b64(private.sign(text.encode()))
    written = f'keyid="k", algorithm="ed25519", signature="{signature}", headers="{names}"'
    request = Request(body, {"host": "relay.example.com", "x-s": written, "digest": "sha-256=forged"})
    assert refused(HTTP_SIGNATURE, request, public) is not accepted
    assert refused(HTTP_SIGNATURE, replace(request, body=b'{"a": 2}'), public)
    assert refused(
        HTTP_SIGNATURE, replace(request, headers={**request.headers, "x-s": written + "," + written}), public
    )
