"""What is particular to one scheme: lists of signatures, key kinds, forms, doors that stand open."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from push_relay.core.configuration import Table, WrongKey
from push_relay.core.errors import ConfigurationInvalid, SignatureInvalid, SignatureMissing
from push_relay.core.schemes.proof import MAX_PROOF, Evidence, Scheme
from push_relay.core.schemes.registry import SCHEMES, read_scheme
from signers import CASES, FORM_BODY, Case, mac, whsec
from sns_sender import NOW, URL, Request, b64

BY_NAME = {case.name: case for case in CASES}


def scheme(case: Case, **options: object) -> Scheme:
    """Return the scheme of a case, perhaps with other options."""
    return read_scheme(Table({**case.verify, **options}))


# --- lists of signatures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "join"),
    [
        ("pagerduty", "{other},{right}"),
        ("pagerduty", "{right},{other}"),
        ("pagerduty", "v2=ab,{right}"),
        ("stripe", "{other},{right}"),
        ("stripe", "v0=ab,{right},v2=ab"),
        ("standard-webhooks v1", "{other} {right}"),
        ("standard-webhooks v1", "v1a,hnO3f9T8 v2,abcd {right} v1,abcd"),
        ("standard-webhooks v1a", "v1,abcd {other} {right}"),
    ],
)
def test_one_fitting_signature_among_several_is_enough(name: str, join: str) -> None:
    """Senders sign with the old and the new secret while they rotate; other versions are passed over."""
    case = BY_NAME[name]
    right = case.proof.read(case.genuine())
    other = case.proof.read(case.genuine(secret=case.other))
    request = case.proof.write(case.genuine(), join.format(right=right, other=other))
    scheme(case)(request, case.evidence())


@pytest.mark.parametrize("name", ["pagerduty", "stripe", "standard-webhooks v1", "standard-webhooks v1a"])
@pytest.mark.parametrize("junk", ["", "x", "=", ",", "v1", "v1=", "v1,", " ", "v1=zz", "v1,!!!"])
def test_a_list_with_nonsense_in_it_is_refused_whole(name: str, junk: str) -> None:
    """A header that no sender writes is not searched for something that fits."""
    case = BY_NAME[name]
    joint = " " if name.startswith("standard") else ","
    request = case.proof.write(case.genuine(), case.proof.read(case.genuine()) + joint + junk)
    with pytest.raises(SignatureInvalid):
        scheme(case)(request, case.evidence())


def test_a_list_that_is_longer_than_any_sender_s_is_not_read() -> None:
    """Each signature costs a comparison, or with Ed25519 a verification."""
    case = BY_NAME["pagerduty"]
    right = case.proof.read(case.genuine())
    for copies in (10, 70):
        request = case.proof.write(case.genuine(), ",".join([right] * copies))
        if len(case.proof.read(request)) <= MAX_PROOF:
            scheme(case)(request, case.evidence())
            continue
        with pytest.raises(SignatureInvalid):
            scheme(case)(request, case.evidence())


# --- Standard Webhooks: kinds of keys ------------------------------------------------------------------


def test_a_public_key_never_verifies_an_hmac() -> None:
    """Anybody may know the public key: an HMAC made with it is nobody's proof."""
    v1, v1a = BY_NAME["standard-webhooks v1"], BY_NAME["standard-webhooks v1a"]
    for key in (v1a.secret, v1a.secret.removeprefix(b"whpk_")):
        forged = v1.sign(v1.body, b"whsec_" + key.removeprefix(b"whpk_"), v1.written(NOW))
        with pytest.raises(SignatureInvalid):
            scheme(v1)(forged, v1a.evidence())


@pytest.mark.parametrize(
    "secret",
    [
        whsec(1)[6:],
        b"whsk_" + whsec(1)[6:],
        b"WHSEC_" + whsec(1)[6:],
        b"whsec_",
        b"whsec_!",
        b"whsec_\xff",
        b"whpk_AAAA",
        b"whpk_",
        b"whsec",
    ],
)
@pytest.mark.parametrize("name", ["standard-webhooks v1", "standard-webhooks v1a"])
def test_a_secret_of_an_unknown_kind_fits_nothing(name: str, secret: bytes) -> None:
    """No prefix, a private key, not base64: refused, and never an error."""
    case = BY_NAME[name]
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(), case.evidence(NOW, secret))


def test_a_secret_that_is_a_prefix_alone_is_no_key() -> None:
    """What is signed with the empty key is signed by anybody."""
    case = BY_NAME["standard-webhooks v1"]
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(secret=b"whsec_"), case.evidence(NOW, b"whsec_"))


def test_a_key_without_its_padding_is_the_same_key() -> None:
    """Some senders write theirs so."""
    case = BY_NAME["standard-webhooks v1"]
    secret = b"whsec_" + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    scheme(case)(case.genuine(secret=secret), case.evidence(NOW, secret.rstrip(b"=")))


@pytest.mark.parametrize("event_id", ["msg.1", "msg 1", "msg, msg", "msg,msg", "m\x7f", "m\ts", "x" * 257])
def test_an_id_that_could_be_read_in_two_ways_is_refused(event_id: str) -> None:
    """The dot parts id, timestamp and body: in an id, it would let a signature fit another request."""
    case = BY_NAME["standard-webhooks v1"]
    genuine = case.genuine()
    key = b"\x01" * 24
    stamp = genuine.headers["webhook-timestamp"]
    signature = "v1," + b64(mac(key, f"{event_id}.{stamp}.".encode() + case.body))
    headers = {**genuine.headers, "webhook-id": event_id, "webhook-signature": signature}
    with pytest.raises(SignatureInvalid):
        scheme(case)(replace(genuine, headers=headers), case.evidence())


def test_the_id_is_signed() -> None:
    """Another id on a captured request does not fit, so the id may name the event."""
    case = BY_NAME["standard-webhooks v1"]
    forged = replace(case.genuine(), headers={**case.genuine().headers, "webhook-id": "msg_other"})
    with pytest.raises(SignatureInvalid):
        scheme(case)(forged, case.evidence())


# --- Twilio --------------------------------------------------------------------------------------------


def test_twilio_fields_in_another_order_are_the_same_event() -> None:
    """Only the fields are signed, sorted: a forger who sorts them otherwise makes a duplicate."""
    case = BY_NAME["twilio form"]
    fields = FORM_BODY.split(b"&")
    other = replace(case.genuine(), body=b"&".join(reversed(fields + fields)))
    assert scheme(case)(other, case.evidence()) == scheme(case)(case.genuine(), case.evidence())


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
def test_a_twilio_body_that_is_no_form_is_refused(body: bytes) -> None:
    """Nothing that a lenient reader would pass over may ride along."""
    case = BY_NAME["twilio form"]
    with pytest.raises(SignatureInvalid):
        scheme(case)(replace(case.genuine(), body=body), case.evidence())


def test_a_body_cannot_ride_on_a_signature_of_the_address_alone() -> None:
    """A request without a body is signed by its address; `=` would add nothing to it."""
    case = BY_NAME["twilio form"]
    genuine = case.genuine(body=b"")
    for body in (b"=", b"=&=", b"&", b"%", b"{}"):
        with pytest.raises(SignatureInvalid):
            scheme(case)(replace(genuine, body=body), case.evidence())


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
def test_another_address_is_refused(name: str, change: Any) -> None:
    """The address is signed, and with it, where there is one, the body's hash."""
    case = BY_NAME[name]
    changed = change(case.genuine().url)
    if changed != case.genuine().url:
        with pytest.raises(SignatureInvalid):
            scheme(case)(replace(case.genuine(), url=changed), case.evidence())


@pytest.mark.parametrize("order", ["{right}&{wrong}", "{wrong}&{right}", "{right}&{right}"])
def test_two_body_hashes_are_refused_even_signed(order: str) -> None:
    """One of them would be somebody's to choose."""
    right = "bodySHA256=" + hashlib.sha256(b"body").hexdigest()
    url = f"{URL}&{order.format(right=right, wrong='bodySHA256=' + '0' * 64)}"
    signature = b64(mac(b"planted secret", url.encode(), "sha1"))
    request = Request(b"body", {"x-twilio-signature": signature}, url=url)
    with pytest.raises(SignatureInvalid):
        read_scheme(Table({"scheme": "twilio"}))(request, Evidence([b"planted secret"], NOW))


def test_bytes_that_are_no_text_do_not_pass_for_the_replacement_character() -> None:
    """A lenient decoder reads every such byte alike, and one signature would cover them all."""
    case = BY_NAME["twilio form"]
    genuine = case.genuine(body=b"a=%EF%BF%BD")
    scheme(case)(genuine, case.evidence())
    with pytest.raises(SignatureInvalid):
        scheme(case)(replace(genuine, body=b"a=%ff"), case.evidence())


# --- shared secrets ------------------------------------------------------------------------------------


def test_basic_authentication_in_any_case_of_its_word() -> None:
    """`basic` and `BASIC` are the scheme's name too (RFC 7617); a secret without a colon is none."""
    case = BY_NAME["basic"]
    value = case.proof.read(case.genuine())
    for word in ("basic", "BASIC"):
        scheme(case)(Request(headers={"authorization": f"{word} {value}"}), case.evidence())
    for header in (
        f"Bearer {value}",
        f"Basic  {value}",
        value,
        f"Basic\t{value}",
        f" Basic {value}",
        "Basic",
    ):
        with pytest.raises(SignatureInvalid):
            scheme(case)(Request(headers={"authorization": header}), case.evidence())
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(secret=b"nocolon"), case.evidence(NOW, b"nocolon"))


def test_a_token_in_the_wrong_place_is_missing() -> None:
    """A token asked for in a header is not taken from the query, nor the other way round."""
    in_header, in_query = BY_NAME["token header"], BY_NAME["token query"]
    with pytest.raises(SignatureMissing):
        scheme(in_header)(in_query.genuine(), in_query.evidence())
    with pytest.raises(SignatureMissing):
        scheme(in_query)(in_header.genuine(), in_header.evidence())


def test_none_lets_everybody_in() -> None:
    """It is for whoever calls it to ask whether the deployer wants that."""
    verified = read_scheme(Table({"scheme": "none"}))(Request(b"anything"), Evidence([], NOW))
    assert verified.signed == b"anything"


# --- options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMES)
def test_a_misspelt_option_is_refused(name: str) -> None:
    """A key that nobody asks for would be a door that stands otherwise than its owner thinks."""
    options = {"hmac": {"header": "X-S"}, "token": {"header": "X-T"}}.get(name, {})
    read_scheme(Table({"scheme": name, **options}))
    with pytest.raises(WrongKey, match="is not a key here"):
        read_scheme(Table({"scheme": name, "tolerence_secs": 3, **options}))


@pytest.mark.parametrize(
    "verify",
    [
        {},
        {"scheme": ""},
        {"scheme": "github2"},
        {"scheme": "slack", "tolerance_secs": 0},
        {"scheme": "slack", "tolerance_secs": -300},
        {"scheme": "slack", "tolerance_secs": 86_401},
        {"scheme": "slack", "tolerance_secs": "300"},
        {"scheme": "slack", "tolerance_secs": True},
        {"scheme": "github", "tolerance_secs": 300},
        {"scheme": "grafana", "tolerance_secs": 300},
        {"scheme": "grafana", "header": "X Header"},
        {"scheme": "grafana", "timestamp_header": ""},
        {"scheme": "standard-webhooks", "header_prefix": "web:hook"},
        {"scheme": "sns-http", "minimum_version": 3},
        {"scheme": "sns-http", "minimum_version": 0},
        {"scheme": "token"},
        {"scheme": "token", "header": "X-T", "query": "t"},
        {"scheme": "token", "query": ""},
        {"scheme": "hmac"},
        {"scheme": "hmac", "header": ""},
        {"scheme": "hmac", "header": "X-S", "digest": "md5"},
        {"scheme": "hmac", "header": "X-S", "encoding": "base32"},
        {"scheme": "hmac", "header": "X-S", "content": "no body"},
        {"scheme": "hmac", "header": "X-S", "content": "{body}{body}"},
        {"scheme": "hmac", "header": "X-S", "content": "{body}{id}"},
        {"scheme": "hmac", "header": "X-S", "content": "{timestamp}.{body}"},
        {"scheme": "hmac", "header": "X-S", "timestamp_header": "X-T"},
        {"scheme": "hmac", "header": "X-S", "timestamp_header": "X-T", "content": "{body}"},
        {
            "scheme": "hmac",
            "header": "X-S",
            "timestamp_header": "X-T",
            "content": "{timestamp}{body}",
            "timestamp_format": "rfc822",
        },
    ],
    ids=json.dumps,
)
def test_a_wrong_option_is_a_mistake_at_build_time(verify: dict[str, Any]) -> None:
    """Not the first event finds it."""
    with pytest.raises(ConfigurationInvalid):
        read_scheme(Table(verify))


def test_the_tolerance_is_the_source_s_to_set() -> None:
    """Both sides of the window move with it."""
    case = BY_NAME["slack"]
    for away in (-599, 599):
        scheme(case, tolerance_secs=600)(case.genuine(NOW + away), case.evidence())
