"""Twilio signs a URL and form fields without a separator, but every signed text has only one reading."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from front_door import GATEWAYS, Gateway, world
from push_relay.core.errors import PayloadTooLarge, SignatureInvalid, Unauthenticated
from push_relay.core.trust.schemes.form import MAX_FORM_BYTES
from push_relay.core.trust.schemes.proof import Evidence
from push_relay.core.trust.schemes.registry import read_scheme
from signers import CASES, FORM_BODY, mac
from sns_sender import NOW, URL, Request, b64

BY_NAME = {case.name: case for case in CASES}
VERIFY = read_scheme({"scheme": "twilio"})
SECRET = b"planted secret"
EVIDENCE = Evidence([SECRET], NOW)
ADDRESS = "https://relay.example.com/webhooks/planted"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
EVIL = b'{"evil": "anything"}'
HASH = f"bodySHA256={hashlib.sha256(EVIL).hexdigest()}"
#: The fields of a genuine SMS. Anyone who sends an SMS chooses its text.
SMS = {"AccountSid": "AC0123", "ApiVersion": "2010-04-01", "Body": "hello", "From": "+1555", "To": "+1666"}


def signature(text: str) -> dict[str, str]:
    """Return the header of a signed text."""
    return {"x-twilio-signature": b64(mac(SECRET, text.encode(), "sha1"))}


def text_of(url: str, fields: Mapping[str, str]) -> str:
    """Return the text that Twilio signs for a form."""
    return url + "".join(name + fields[name] for name in sorted(fields))


def form(fields: Mapping[str, str]) -> bytes:
    """Encode a form with an escape for every byte, which is always allowed."""
    return "&".join(
        "=".join("".join(f"%{byte:02X}" for byte in part.encode()) for part in field)
        for field in fields.items()
    ).encode()


def refused(request: Request) -> bool:
    """Return whether a request is refused."""
    try:
        VERIFY(request, EVIDENCE)
    except Unauthenticated:
        return True
    return False


@pytest.mark.parametrize("query", ["", "?x=1", "?order=Ab42&x=", "?AccountSid=AC0123", "?next=/a?b"])
@pytest.mark.parametrize(
    "address", [ADDRESS, ADDRESS.replace(".com", ".com:8443"), "https://x/Prod/webhooks/p"]
)
def test_a_genuine_form_is_accepted(address: str, query: str) -> None:
    """This holds for any URL, and for any order of the fields."""
    text = text_of(address + query, SMS)
    for fields in (SMS, dict(reversed(SMS.items()))):
        request = Request(form(fields), FORM | signature(text), url=address + query)
        assert VERIFY(request, EVIDENCE).content


@pytest.mark.parametrize(
    "fields",
    [
        {"CallSid": "CA1", "From": "+1", "To": "+2"},
        {"phone": "+1", "text": "from a Studio flow"},
        {"AccountSid": "AC1", "Body": "my AccountSid is AC2, bodySHA256=0 & more", "SipHeader_X-A": "?&="},
        {"AccountSid": "AC1", "my parameter": "x", "Media[0]": "y", "MessagingBinding.Address": "z"},
        {"AccountSid": "AC1", "Body": f"&{HASH}", "From": "+1"},
    ],
)
def test_a_genuine_form_with_any_fields_is_accepted(fields: dict[str, str]) -> None:
    """Twilio's customers choose names of fields, and people write the texts."""
    request = Request(form(fields), FORM | signature(text_of(URL, fields)), url=URL)
    assert not refused(request)


@pytest.mark.parametrize("query", ["?", "?x=1&", "?order=Ab42&AccountSid=AC1&"])
def test_a_genuine_body_with_its_hash_is_accepted(query: str) -> None:
    """This holds for any content type except that of a form."""
    url = ADDRESS + query + HASH
    for named in (JSON, {}, {"content-type": "text/plain"}):
        assert not refused(Request(EVIL, named | signature(url), url=url))
    assert refused(Request(EVIL, FORM | signature(url), url=url))
    assert refused(Request(EVIL + b" ", JSON | signature(url), url=url))


@pytest.mark.parametrize("query", ["", "?x=1"])
@pytest.mark.parametrize(
    "body",
    [
        f"&{HASH}",
        f"&{HASH}&",
        f"?{HASH}",
        f"?{HASH}&",
        f"/webhooks/planted?{HASH}",
        f"/webhooks/planted?{HASH}&",
        f"?a=&{HASH}#",
    ],
)
@pytest.mark.parametrize("last", ["Body", "To"])
def test_the_text_of_a_message_is_never_read_as_a_body_hash(query: str, body: str, last: str) -> None:
    """A forger could send an SMS whose text ends like a URL with the hash of another body."""
    text = text_of(ADDRESS + query, {name: SMS[name] for name in SMS if name < last} | {last: body})
    for named in (JSON, {}, FORM, {"content-type": "text/plain"}):
        assert refused(Request(EVIL, named | signature(text), url=text))


QUERIES = st.sampled_from(["", "?x=1", "?x=Abc", "?a=b&c"])


@given(st.integers(0, 200), st.lists(st.integers(0, 100), max_size=5), QUERIES)
def test_the_border_between_url_and_fields_cannot_be_moved(at: int, cuts: list[int], query: str) -> None:
    """A forger may split a signed text elsewhere, and make any fields from the second part."""
    url = ADDRESS + query
    text = text_of(url, SMS)
    border, rest = text[:at], text[at:]
    ends = [*sorted(cuts), len(rest)]
    parts = [rest[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    names, values = parts[0::2], [*parts[1::2], ""]
    fields = dict(zip(names, values, strict=False))
    if border != url and rest and text_of(border, fields) == text:
        assert refused(Request(form(fields), FORM | signature(text), url=border))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=4, unique=True), st.sampled_from(["?x=1", "?x=Abc"]))
def test_a_query_parameter_is_never_read_as_a_field(cuts: list[int], query: str) -> None:
    """A forger may move it from the URL to the form, as one field or as several."""
    text = text_of(ADDRESS + query, SMS)
    for keep in range(len(query)):
        rest = query[keep:]
        parts = [rest[i:j] for i, j in zip([0, *sorted(cuts)], [*sorted(cuts), len(rest)], strict=True)]
        fields = {part: "" for part in parts if part} | SMS
        forged = Request(form(fields), FORM | signature(text), url=ADDRESS + query[:keep])
        assert text_of(ADDRESS + query[:keep], fields) != text or refused(forged)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
def test_a_source_for_forms_rejects_a_body_hash(gateway: Gateway, tmp_path: Path) -> None:
    """The signed text of a form without `AccountSid`, as of a Studio flow, could end like a body hash."""
    here = world(tmp_path, {"scheme": "twilio"}, event='form_field = "*"')
    here.secrets.secrets = (SECRET,)
    text = text_of(ADDRESS + "?x=1", {"phone": "1", "text": f"&{HASH}"})
    for named in (JSON, FORM):
        evil = Request(EVIL, named | signature(text), url=text)
        assert here.receive(gateway(evil))["statusCode"] == 401


@pytest.mark.parametrize("query", ["?x=1", "?", "/more", "?x=1&y=2"])
def test_a_text_that_cannot_begin_a_field_name_belongs_to_the_url(query: str) -> None:
    """This holds even if there is no `AccountSid`, as in the webhooks of a Studio flow."""
    fields = {"Digits": "1", "From": "+1"}
    text = text_of(ADDRESS + query, fields)
    forged = {query: "", **fields}
    assert text_of(ADDRESS, forged) == text
    assert not refused(Request(form(fields), FORM | signature(text), url=ADDRESS + query))
    assert refused(Request(form(forged), FORM | signature(text), url=ADDRESS))


@given(st.integers(0, 120), st.integers(0, 120))
def test_a_signed_body_hash_is_never_read_as_a_field(at: int, split: int) -> None:
    """The signature of a JSON body must not be accepted for a form."""
    text = f"{ADDRESS}?x=1&{HASH}"
    rest = text[at:]
    if rest:
        assert refused(Request(form({rest[:split]: rest[split:]}), FORM | signature(text), url=text[:at]))


@given(st.integers(0, 150), st.integers(0, 150))
def test_the_signature_of_a_get_is_never_accepted_for_a_form(at: int, split: int) -> None:
    """Twilio signs only the URL of a GET, and the URL contains the parameters."""
    text = ADDRESS + "?" + "&".join(f"{name}={value}" for name, value in SMS.items())
    rest = text[at:]
    body = form({rest[:split]: rest[split:]}) if rest else b""
    assert refused(Request(body, FORM | signature(text), url=text[:at]))


@pytest.mark.parametrize(
    "named", [JSON, {}, {"content-type": "text/plain"}, {"content-type": "multipart/form-data"}]
)
def test_a_form_under_another_content_type_is_refused(named: dict[str, str]) -> None:
    """The body is parsed by its content type, so the parsed document would differ from the verified form."""
    text = text_of(URL, SMS)
    assert not refused(Request(form(SMS), FORM | signature(text), url=URL))
    assert refused(Request(form(SMS), named | signature(text), url=URL))


def test_a_form_that_is_also_json_is_refused() -> None:
    """It would be verified as a form but parsed as JSON."""
    fields = {"AccountSid": "AC1", '{"a': '1"}'}
    body = b'{"a=1"}&AccountSid=AC1'
    assert refused(Request(body, FORM | signature(text_of(URL, fields)), url=URL))


def test_the_size_of_a_form_is_checked_before_it_is_parsed() -> None:
    """Anyone can send a form, and parsing it is necessary to verify it."""
    body = b"a=" + b"%41" * (MAX_FORM_BYTES // 3 + 1)
    with pytest.raises(PayloadTooLarge):
        VERIFY(Request(body, FORM | signature("x"), url=URL), EVIDENCE)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
@pytest.mark.parametrize("policy", ["", f'url = "{ADDRESS}"'])
def test_the_verified_fields_are_the_document(gateway: Gateway, policy: str, tmp_path: Path) -> None:
    """A JSON body with the signature of a form is rejected."""
    here = world(tmp_path, {"scheme": "twilio"}, event='form_field = "*"', policy=policy)
    here.secrets.secrets = (SECRET,)
    sms = SMS | {"Body": f"&{HASH}&"}
    text = text_of(ADDRESS + "?x=1", sms)
    named: dict[str, Any]
    for named in (JSON, FORM):
        evil = Request(EVIL, named | signature(text), url=text.replace(" ", "%20"))
        assert here.receive(gateway(evil))["statusCode"] == 401
    genuine = Request(form(sms), FORM | signature(text), {}, ADDRESS + "?x=1")
    assert here.receive(gateway(genuine))["statusCode"] == 202
    ((event, _),) = here.messages.queued
    assert event.data == sms


def test_twilio_fields_in_another_order_are_the_same_event() -> None:
    """Twilio signs the sorted fields, so a forger who changes their order only creates a duplicate."""
    case = BY_NAME["twilio form"]
    fields = FORM_BODY.split(b"&")
    other = replace(case.genuine(), body=b"&".join(reversed(fields + fields)))
    assert VERIFY(other, case.evidence()) == VERIFY(case.genuine(), case.evidence())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"=",
        b"&",
        b"a",
        b"a&b=c",
        b"a=%ff",
        b"a=\xff",
        FORM_BODY + b"&",
        FORM_BODY + b"&=",
        b'{"a": "b=c"}',
        b"a=b&" * 1001,
    ],
)
def test_a_twilio_body_that_is_not_a_form_is_refused(body: bytes) -> None:
    """A lenient parser would ignore such parts, and they would not be verified."""
    case = BY_NAME["twilio form"]
    with pytest.raises(SignatureInvalid):
        VERIFY(replace(case.genuine(), body=body), case.evidence())


def test_a_signature_of_the_url_alone_is_refused_with_any_body() -> None:
    """Twilio signs a GET in this way. A body such as `=` would add nothing to the signed text."""
    case = BY_NAME["twilio form"]
    genuine = case.genuine(body=b"")
    for body in (b"", b"=", b"=&=", b"&", b"%", b"{}"):
        with pytest.raises(SignatureInvalid):
            VERIFY(replace(genuine, body=body), case.evidence())


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("https", "http"),
        lambda url: url.replace("relay", "other"),
        lambda url: url + "&x=1",
        lambda url: url.replace("shop=1", "shop=%31"),
        lambda url: url + "&bodySHA256=" + "0" * 64,
        lambda url: url.partition("bodySHA256")[0],
        lambda url: url + "#",
        lambda _url: "",
        lambda _url: "https://[",
        lambda _url: "https://x:\u0661/",
        lambda _url: "\udcff",
    ],
)
@pytest.mark.parametrize("name", ["twilio form", "twilio body hash"])
def test_a_changed_url_is_refused(name: str, change: Any) -> None:
    """The URL is signed, including the body's hash if it has one."""
    case = BY_NAME[name]
    changed = change(case.genuine().url)
    if changed != case.genuine().url:
        with pytest.raises(SignatureInvalid):
            VERIFY(replace(case.genuine(), url=changed), case.evidence())


@pytest.mark.parametrize("order", ["{right}&{wrong}", "{wrong}&{right}", "{right}&{right}"])
def test_two_body_hashes_are_refused_even_if_they_are_signed(order: str) -> None:
    """Otherwise a sender could choose which of them counts."""
    right = "bodySHA256=" + hashlib.sha256(b"body").hexdigest()
    url = f"{URL}&{order.format(right=right, wrong='bodySHA256=' + '0' * 64)}"
    signature = b64(mac(b"planted secret", url.encode(), "sha1"))
    request = Request(b"body", {"x-twilio-signature": signature}, url=url)
    with pytest.raises(SignatureInvalid):
        read_scheme({"scheme": "twilio"})(request, Evidence([b"planted secret"], NOW))


def test_invalid_utf8_is_not_read_as_the_replacement_character() -> None:
    """A lenient decoder replaces every invalid byte alike, so one signature would cover all of them."""
    case = BY_NAME["twilio form"]
    genuine = case.genuine(body=b"a=%EF%BF%BD")
    VERIFY(genuine, case.evidence())
    with pytest.raises(SignatureInvalid):
        VERIFY(replace(genuine, body=b"a=%ff"), case.evidence())
