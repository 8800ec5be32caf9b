"""Rules of single schemes: lists of signatures, kinds of keys, shared secrets, and options."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from push_relay.core.errors import ConfigurationInvalid, SignatureInvalid, SignatureMissing
from push_relay.core.trust.presets import FAMILIES
from push_relay.core.trust.schemes.proof import MAX_PROOF, Evidence, Scheme
from push_relay.core.trust.schemes.registry import SCHEMES, read_scheme
from push_relay.core.trust.schemes.signed import MAX_SIGNATURES
from signers import CASES, Case, mac, whsec
from sns_sender import NOW, Request, b64

BY_NAME = {case.name: case for case in CASES}


def scheme(case: Case, **options: object) -> Scheme:
    """Return the scheme of a case, with the given options changed."""
    return read_scheme({**case.verify, **options})


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
def test_one_valid_signature_among_several_is_enough(name: str, join: str) -> None:
    """Senders sign with the old and the new secret during a rotation. Unknown versions are ignored."""
    case = BY_NAME[name]
    right = case.proof.read(case.genuine())
    other = case.proof.read(case.genuine(secret=case.other))
    request = case.proof.write(case.genuine(), join.format(right=right, other=other))
    scheme(case)(request, case.evidence())


@pytest.mark.parametrize("name", ["pagerduty", "stripe", "standard-webhooks v1", "standard-webhooks v1a"])
@pytest.mark.parametrize("junk", ["", "x", "=", ",", "v1", "v1=", "v1,", " ", "v1=zz", "v1,!!!"])
def test_a_list_with_a_malformed_signature_is_refused_as_a_whole(name: str, junk: str) -> None:
    """No genuine sender writes such a header, so it is not searched for a valid signature."""
    case = BY_NAME[name]
    joint = " " if name.startswith("standard") else ","
    request = case.proof.write(case.genuine(), case.proof.read(case.genuine()) + joint + junk)
    with pytest.raises(SignatureInvalid):
        scheme(case)(request, case.evidence())


def test_the_number_of_ed25519_signatures_is_limited() -> None:
    """Each is an expensive verification of the whole body, and anyone can send many."""
    case = BY_NAME["standard-webhooks v1a"]
    right, wrong = case.proof.read(case.genuine()), case.proof.read(case.genuine(secret=case.other))
    few = [*[wrong] * (MAX_SIGNATURES - 1), right]
    scheme(case)(case.proof.write(case.genuine(), " ".join(few)), case.evidence())
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.proof.write(case.genuine(), " ".join([wrong, *few])), case.evidence())


def test_the_length_of_a_list_of_signatures_is_limited() -> None:
    """Each signature costs a comparison, and no genuine sender writes so many."""
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
    """The public key is not a secret, so an HMAC with it proves nothing."""
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
def test_a_secret_of_an_unknown_kind_accepts_nothing(name: str, secret: bytes) -> None:
    """It may lack its prefix, be a private key, or not be base64. It must not raise an unexpected error."""
    case = BY_NAME[name]
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(), case.evidence(NOW, secret))


def test_a_secret_that_consists_of_its_prefix_accepts_nothing() -> None:
    """Its key is empty, and anyone can sign with the empty key."""
    case = BY_NAME["standard-webhooks v1"]
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(secret=b"whsec_"), case.evidence(NOW, b"whsec_"))


def test_a_key_without_its_padding_is_the_same_key() -> None:
    """Some senders omit the padding of base64."""
    case = BY_NAME["standard-webhooks v1"]
    secret = b"whsec_" + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    scheme(case)(case.genuine(secret=secret), case.evidence(NOW, secret.rstrip(b"=")))


@pytest.mark.parametrize("event_id", ["msg.1", "msg 1", "msg, msg", "msg,msg", "m\x7f", "m\ts", "x" * 257])
def test_an_ambiguous_id_is_refused(event_id: str) -> None:
    """A dot separates id, timestamp and body, so with a dot in the id a signature matches another request."""
    case = BY_NAME["standard-webhooks v1"]
    genuine = case.genuine()
    key = b"\x01" * 24
    stamp = genuine.headers["webhook-timestamp"]
    signature = "v1," + b64(mac(key, f"{event_id}.{stamp}.".encode() + case.body))
    headers = {**genuine.headers, "webhook-id": event_id, "webhook-signature": signature}
    with pytest.raises(SignatureInvalid):
        scheme(case)(replace(genuine, headers=headers), case.evidence())


def test_the_id_is_signed() -> None:
    """A captured request with another id is refused, so the id can be the event's identity."""
    case = BY_NAME["standard-webhooks v1"]
    forged = replace(case.genuine(), headers={**case.genuine().headers, "webhook-id": "msg_other"})
    with pytest.raises(SignatureInvalid):
        scheme(case)(forged, case.evidence())


# --- shared secrets ------------------------------------------------------------------------------------


def test_the_word_basic_is_not_case_sensitive() -> None:
    """RFC 7617 requires this. Any other spelling, and a secret without a colon, is refused."""
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
    """A token that is configured for a header is not read from the query, and vice versa."""
    in_header, in_query = BY_NAME["token header"], BY_NAME["token query"]
    with pytest.raises(SignatureMissing):
        scheme(in_header)(in_query.genuine(), in_query.evidence())
    with pytest.raises(SignatureMissing):
        scheme(in_query)(in_header.genuine(), in_header.evidence())


def test_the_scheme_none_accepts_everything() -> None:
    """The caller of the scheme checks that the deployer has allowed this."""
    verified = read_scheme({"scheme": "none"})(Request(b"anything"), Evidence([], NOW))
    assert verified.signed == b"anything"


# --- options -------------------------------------------------------------------------------------------


#: The required keys of schemes.
OPTIONS: Mapping[str, Any] = {
    "hmac": {"header": "X-S"},
    "token": {"header": "X-T"},
    "signed": {"signature": "header:X-S"},
    "public-key": {"signature": "header:X-S", "algorithm": "ed25519", "key": "hex"},
    "jwt": {"token": "body"},
    "any-of": {"alternative": [{"scheme": "basic"}]},
}


@pytest.mark.parametrize("name", [*SCHEMES, *FAMILIES["first"]])
def test_a_misspelt_option_is_refused(name: str) -> None:
    """If it were ignored, the verification would differ from what its owner intended."""
    options = OPTIONS.get(name, {})
    read_scheme({"scheme": name, **options})
    with pytest.raises(ConfigurationInvalid, match="is not a key here"):
        read_scheme({"scheme": name, "tolerence_secs": 3, **options})


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
def test_an_invalid_option_is_found_at_build_time(verify: dict[str, Any]) -> None:
    """A mistake must be found by the build and not by the first event."""
    with pytest.raises(ConfigurationInvalid):
        read_scheme(verify)


def test_the_tolerance_can_be_configured() -> None:
    """It applies to timestamps in the past and in the future."""
    case = BY_NAME["slack"]
    for away in (-599, 599):
        scheme(case, tolerance_secs=600)(case.genuine(NOW + away), case.evidence())
