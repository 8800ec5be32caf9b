"""Tokens without their payload, tokens that are the body, and chains of certificates."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from front_door import api_gateway_v2, request, world
from jwt_senders import (
    BODY,
    INTERMEDIATE_OID,
    LEAF_OID,
    NOW,
    Key,
    chain,
    detached,
    ec_key,
    token,
    url64,
)
from jwt_verifier import SECRET, verify
from push_relay.core.errors import (
    SignatureInvalid,
    SignatureMissing,
    Stale,
)
from push_relay.core.rules.findings import Mistakes
from push_relay.core.rules.source import read_source
from push_relay.core.trust.jws import MAX_JOSE, MAX_TOKEN
from push_relay.core.trust.schemes.proof import Verified

# --- payloads that are left out, and tokens in bodies -----------------------------------------------

LEFT_OUT = {"token": "header:X-Token", "detached": True}
RAW = {**LEFT_OUT, "unencoded": True, "time": {"issued": "jose:ts", "tolerance_secs": 300}}


def test_the_body_is_the_payload_that_was_left_out() -> None:
    """RFC 7515, appendix F."""
    assert verify(LEFT_OUT, detached(BODY, SECRET)) == Verified(BODY, None, content=True)
    for written, body in (
        (detached(BODY, SECRET), BODY + b" "),
        (detached(BODY, SECRET, unencoded=True), BODY),
        (token(json.loads(BODY), SECRET), BODY),
        (detached(BODY, SECRET).replace("..", f".{url64(BODY)}."), BODY),
    ):
        with pytest.raises(SignatureInvalid):
            verify(LEFT_OUT, written, body=body)


def test_the_payload_may_be_unencoded() -> None:
    """RFC 7797. Whether it is must be configured: the same bytes could mean two payloads."""
    assert verify(RAW, detached(BODY, SECRET, {"ts": NOW}, unencoded=True)).content
    for written in (
        detached(BODY, SECRET, {"ts": NOW}),
        detached(BODY, SECRET, {"ts": NOW, "b64": True}, unencoded=True),
        detached(BODY, SECRET, {"ts": NOW, "crit": ["b64", "ts"]}, unencoded=True),
        detached(BODY, SECRET, {"ts": NOW, "crit": []}, unencoded=True),
        detached(BODY, SECRET, unencoded=True),
    ):
        with pytest.raises(SignatureInvalid):
            verify(RAW, written)
    with pytest.raises(Stale):
        verify(RAW, detached(BODY, SECRET, {"ts": NOW - 301}, unencoded=True))


def test_the_encoded_payload_is_not_the_unencoded_one() -> None:
    """A body that is the base64url of another body must not share its signature."""
    with pytest.raises(SignatureInvalid):
        verify(RAW, detached(BODY, SECRET, {"ts": NOW, "b64": False, "crit": ["b64"]}), body=BODY)
    inner = url64(BODY).encode()
    with pytest.raises(SignatureInvalid):
        verify(LEFT_OUT, detached(inner, SECRET, unencoded=True), body=BODY)


def test_the_body_may_be_the_token() -> None:
    """Then the claims are the event's content."""
    table = {"token": "body", "claims": {"iss": "planted"}}
    written = token({"iss": "planted", "n": 1}, SECRET).encode()
    verified = verify(table, "", body=written + b"\n")
    assert (json.loads(verified.signed), verified.content) == ({"iss": "planted", "n": 1}, True)
    with pytest.raises(SignatureMissing):
        verify(table, "", body=b"")
    for body in (b"x" * (MAX_TOKEN + 1), written + b"x", "\u00fc".encode(), written + written):
        with pytest.raises(SignatureInvalid):
            verify(table, "", body=body)


def test_the_token_may_be_the_only_field_of_the_body() -> None:
    """Another field would not be signed, so nobody must believe it."""
    table = {"token": "json:/signedPayload"}
    written = token({"n": 1}, SECRET)
    verified = verify(table, "", body=json.dumps({"signedPayload": written}).encode())
    assert verified == Verified(b'{"n": 1}', None, content=True)
    for document, error in (
        ({"signedPayload": written, "more": 1}, SignatureInvalid),
        ({"signedPayload": [written]}, SignatureInvalid),
        ({"other": written}, SignatureMissing),
        ([written], SignatureMissing),
    ):
        with pytest.raises(error):
            verify(table, "", body=json.dumps(document).encode())


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("place", "headers", "body", "status"),
    [
        ("form:tok", FORM, "tok={}", 202),
        ("form:tok", FORM, "tok={}&more=1", 401),
        ("form:tok", FORM, "tok={0}&tok={0}", 401),
        ("form:tok", FORM, "other={}", 401),
        ("form:tok", {}, "tok={}", 401),
        ("form:tok", FORM, '{{"tok": "{}"}}', 401),
        ("json:/tok", {}, '{{"tok": "{}"}}', 202),
        ("json:/tok", FORM, "tok={}", 401),
    ],
)
def test_the_token_may_be_the_only_field_of_a_form(
    place: str, headers: dict[str, str], body: str, status: int, tmp_path: Path
) -> None:
    """The event is its claims, and nothing beside the token is read."""
    verify_table = {"scheme": "jwt", "token": place}
    here = world(tmp_path, verify_table, event='format = "jwt"\nform_field = "tok"')
    here.secrets.secrets = (SECRET,)
    sent = request(body.format(token({"n": 1}, SECRET)).encode(), headers)
    assert here.receive(api_gateway_v2(sent))["statusCode"] == status
    assert [event.data for event, _ in here.messages.queued] == ([{"n": 1}] if status == 202 else [])


def test_a_token_inside_a_member_of_the_body_is_a_mistake() -> None:
    """The document could not be found there, so that every event would be refused."""
    document = {
        "title": "t",
        "docs": "d",
        "verify": {"scheme": "jwt", "token": "json:/a/tok"},
        "event": {"format": "jwt", "form_field": "a/tok"},
    }
    with pytest.raises(Mistakes, match="name a member of the whole body"):
        read_source("planted", document, {})


def test_the_size_of_the_jose_header_is_bounded() -> None:
    """It is read before anything is verified."""
    table = {"token": "body"}
    with pytest.raises(SignatureInvalid):
        verify(table, "", body=token({}, SECRET, {"x": "x" * MAX_JOSE}).encode())


# --- chains of certificates -------------------------------------------------------------------------

CHAINED = {
    "token": "body",
    "algorithm": "ES256",
    "key": "x5c",
    "leaf_oid": LEAF_OID,
    "intermediate_oid": INTERMEDIATE_OID,
}


def chained(stored: bytes, x5c: object, key: Key, now: float = NOW) -> Verified:
    """Verify a body that is a token with a chain."""
    return verify(CHAINED, "", stored, body=token({"n": 1}, key, {"x5c": x5c}).encode(), now=now)


@pytest.mark.parametrize(
    "stored",
    [chain().root, chain().fingerprint.encode(), chain().fingerprint.upper().encode()],
    ids=["certificate", "fingerprint", "upper-case fingerprint"],
)
def test_a_chain_up_to_the_stored_root_is_accepted(stored: bytes) -> None:
    """The deployer stores the root, or its fingerprint."""
    assert chained(stored, chain().x5c, chain().key).content


@pytest.mark.parametrize(
    "other",
    [
        chain(5),
        chain(leaf_oid="1.2.3"),
        chain(intermediate_oid="1.2.3"),
        chain(issues=False),
        chain(days=1),
        chain(intermediate_seed=5),
    ],
    ids=[
        "another root",
        "leaf not marked",
        "intermediate not marked",
        "not a CA",
        "expired",
        "another issuer",
    ],
)
def test_a_chain_with_a_flaw_is_refused(other: Any) -> None:
    """Each of them is signed with the key of its own first certificate."""
    with pytest.raises(SignatureInvalid):
        chained(chain().root, other.x5c, other.key)


def test_parts_of_chains_are_refused() -> None:
    """The root must be the last, and each certificate the issuer of the one before it."""
    leaf, middle, root = chain().x5c
    own = chain(5)
    for x5c in (
        [leaf, middle],
        [leaf, root],
        [middle, root],
        [root],
        [root, root, root],
        [leaf, root, middle],
        [leaf, middle, root, root, root],
        [own.x5c[0], middle, root],
        [own.x5c[0], own.x5c[1], root],
        [leaf, middle, base64.b64encode(b"x").decode()],
        [leaf, middle, root + "\n"],
        [1, 2, 3],
        "x",
        None,
    ):
        for key in (chain().key, own.key):
            if (x5c, key) != (chain().x5c, chain().key):
                with pytest.raises(SignatureInvalid):
                    chained(chain().root, x5c, key)
    with pytest.raises(SignatureInvalid):
        chained(chain().root, chain().x5c, ec_key())
    with pytest.raises(SignatureInvalid):
        chained(chain().root, chain().x5c, chain().key, now=NOW + 10**9)


@pytest.mark.parametrize("place", [0, 1])
def test_a_certificate_of_an_unknown_version_is_refused(place: int) -> None:
    """Anybody can write one in front of the root, which is public. It must not end as an internal error."""
    x5c = list(chain().x5c)
    der = base64.b64decode(x5c[place])
    version = der.index(b"\xa0\x03\x02\x01\x02") + 4
    x5c[place] = base64.b64encode(der[:version] + b"\x07" + der[version + 1 :]).decode()
    with pytest.raises(SignatureInvalid):
        chained(chain().root, x5c, chain().key)
