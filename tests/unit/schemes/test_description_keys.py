"""Lists of signatures, keys of every form, and settings, which are never used as keys."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from described_requests import SECRET, described, refused, signed, verified
from described_senders import private_keys
from front_door import api_gateway_v2, world, world_of
from push_relay.core.errors import PayloadTooLarge, SignatureInvalid, Stale
from push_relay.core.outcomes import Outcome
from push_relay.core.trust.public_keys import read_keys, read_stored_keys
from push_relay.core.trust.schemes.proof import Evidence
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.schemes.values import MAX_EACH, MAX_JSON_BYTES
from sender_case import mac
from signers import ALL_CASES, CASES
from sns_sender import NOW, Request, certificate

BY_NAME = {case.name: case for case in ALL_CASES}


# --- lists and items ----------------------------------------------------------------------------------


def test_a_group_of_a_list_has_its_own_timestamp() -> None:
    """A signature of one group does not fit the timestamp of another."""
    case = BY_NAME["signed, groups of a list"]
    stamp, old = str(NOW), str(NOW - 1000)
    right = mac(case.secret, f"{stamp}.".encode() + case.body).hex()
    wrong = mac(case.secret, f"{old}.".encode() + case.body).hex()
    for text, error in (
        (f"t={stamp},v1={right} t={old},v1=00", None),
        (f"t={old},v1={wrong}", Stale),
        (f"t={old},v1={right} t={stamp},v1={wrong}", SignatureInvalid),
        (f"t={stamp},t={stamp},v1={right}", SignatureInvalid),
        (" ".join([f"t={stamp},v1=00"] * 4 + [f"t={stamp},v1={right}"]), SignatureInvalid),
    ):
        request = Request(case.body, {"x-grouped": text})
        if error is None:
            verified(case.verify, request, case.secret)
            continue
        with pytest.raises(error):
            verified(case.verify, request, case.secret)


def test_the_key_of_signatures_may_be_a_setting_or_any() -> None:
    """A sender of several integrations writes each one's name before its signature."""
    text = f"ours|{mac(SECRET, b'{}').hex()}&theirs|{'00' * 32}"
    request = Request(b"{}", {"x-s": text})
    for item, settings, accepted in (
        ("*", {}, True),
        ("{setting:name}", {"name": "ours"}, True),
        ("{setting:name}", {"name": "theirs"}, False),
        ("{setting:name}", {}, False),
    ):
        verify = described("{body}", split="&", joint="|", item=item)
        assert refused(verify, request, settings=settings) is not accepted


def test_all_items_fit_under_one_and_the_same_key() -> None:
    """During a rotation a request is signed with one of the keys, not with several."""
    case = BY_NAME["signed, each item"]
    first, second = (json.loads(case.genuine(secret=secret).body)["items"] for secret in (b"one", b"two"))
    mixed = Request(json.dumps({"items": [first[0], second[1]]}).encode())
    assert refused(case.verify, mixed, b"one", b"two")
    pure = Request(json.dumps({"items": second}).encode())
    assert verified(case.verify, pure, b"one", b"two").secret == b"two"


def test_the_number_of_items_and_the_size_of_a_document_are_limited() -> None:
    """Both are read before the proof holds."""
    case = BY_NAME["signed, each item"]
    item = json.loads(case.genuine().body)["items"][0]
    for count, accepted in ((MAX_EACH, True), (MAX_EACH + 1, False)):
        body = json.dumps({"items": [item] * count}).encode()
        assert refused(case.verify, Request(body)) is not accepted
    with pytest.raises(PayloadTooLarge):
        verified(case.verify, Request(b'{"items": "' + b"x" * MAX_JSON_BYTES + b'"}'))
    with pytest.raises(PayloadTooLarge):
        verified(case.verify, Request(b"[" + b"{}," * 60_000 + b"{}]"))


# --- keys ---------------------------------------------------------------------------------------------


def pem(key: Any) -> str:
    """Return a private key's public key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


RSA = {"scheme": "public-key", "signature": "header:x-s", "algorithm": "rsa-pkcs1-sha256", "key": "pem"}


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505 (it is refused)
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["short", "ecdsa", "ed25519"],
)
def test_a_key_of_another_kind_fits_nothing(key: Any) -> None:
    """A short RSA key can be factored, and a key of another kind is a mistake that the log has to name."""
    form = read_scheme(RSA).secret
    assert form.readings(pem(key).encode()) == []
    assert form.needs == "an RSA key of at least 2048 bits as PEM"


def test_a_pem_key_may_have_lost_its_line_breaks() -> None:
    """JSON has no line breaks, so people store them escaped, as spaces, or not at all."""
    text = pem(next(iter(private_keys("rsa").values())))
    form = read_scheme(RSA).secret
    for stored in (text, text.replace("\n", "\\n"), text.replace("\n", " "), f'"{text}"', text + "\n"):
        assert form.readings(stored.encode()) == [text.strip().encode()]
    for stored in (text.replace("PUBLIC", "PRIVATE"), text[:-30], "x", text + text):
        assert form.readings(stored.encode()) == []


def test_a_certificate_may_be_stored_as_its_public_key() -> None:
    """Both are the same key. A sender that serves a certificate has to serve that, and nothing else."""
    key = next(iter(private_keys("rsa").values()))
    written = [certificate(key, "planted"), pem(key).encode()]
    form = read_scheme({**RSA, "key": "x509-pem"}).secret
    assert [form.readings(stored) for stored in written] == [[pem(key).strip().encode()]] * 2
    stored_keys = [read_stored_keys("x509-pem", stored) for stored in written]
    assert [len(found) for found in stored_keys] == [1, 1]
    assert [len(read_keys("x509-pem", document)) for document in written] == [1, 0]
    request = Request(b"{}", {"x-s": base64.b64encode(key.sign(b"{}", PKCS1v15(), SHA256())).decode()})
    for stored in written:
        assert verified({**RSA, "key": "x509-pem"}, request, *form.readings(stored))


@pytest.mark.parametrize("key", ["text", "base64", "whsec"])
def test_a_public_key_is_never_a_key_of_hmac(key: str) -> None:
    """Everybody knows it, so everybody could sign with it."""
    form = read_scheme(described("{body}", key=key)).secret
    for kind in ("rsa", "ecdsa"):
        text = pem(next(iter(private_keys(kind).values())))
        der = "".join(text.split("-----")[2].split())
        for stored in (text, der, "whpk_" + base64.b64encode(b"x" * 32).decode()):
            assert all(found.startswith(b"whpk_") for found in form.readings(stored.encode())), stored


@pytest.mark.parametrize(
    ("more", "stored", "key"),
    [
        ({"key": "hex"}, "00FF 10".replace(" ", ""), b"\x00\xff\x10"),
        ({"key": "base64"}, "AP8Q", b"\x00\xff\x10"),
        ({"key": "base64"}, "_-8", b"\xff\xef"),
        ({"key": "base64", "key_strip": "whsec_"}, "whsec_AP8Q", b"\x00\xff\x10"),
        ({"key_strip": "v1,"}, "v1,abc", b"abc"),
        ({"key_append": "&"}, "abc", b"abc&"),
        ({"key_derive": "sha1"}, "abc", bytes.fromhex("a9993e364706816aba3e25717850c26c9cd0d89d")),
        ({"key_begins": "k_"}, "k_abc", b"k_abc"),
    ],
)
def test_a_key_is_made_of_the_stored_secret(more: dict[str, str], stored: str, key: bytes) -> None:
    """The forms of providers: encoded, with another beginning, or with something added."""
    scheme = read_scheme(described("{body}", **more))
    request = Request(b"{}", {"x-s": mac(key, b"{}").hex()})
    for written in (stored, f" {stored}\n", f'"{stored}"'):
        readings = scheme.secret.readings(written.encode())
        assert scheme(request, Evidence(readings, NOW)).content


def test_the_secret_that_fits_is_known_to_the_handshake() -> None:
    """Its answer is signed with the same secret, which may be any of those that are stored."""
    verify = described("{body}")
    request = Request(b"{}", {"x-s": mac(b"new", b"{}").hex()})
    assert verified(verify, request, b"old", b"new").secret == b"new"
    assert b"new" not in repr(verified(verify, request, b"old", b"new")).encode()


# --- secrets and settings -----------------------------------------------------------------------------

HOOK = described("{setting:hook}.{body}")


@pytest.mark.parametrize(
    ("stored", "policy", "accepted"),
    [
        ({"hook": "4711"}, "", 202),
        ({}, '[source.planted.settings]\nhook = "4711"', 202),
        ({"hook": "4711"}, '[source.planted.settings]\nhook = "1"', 202),
        ({"hook": "1"}, '[source.planted.settings]\nhook = "4711"', 401),
        ({}, "", 401),
    ],
)
def test_a_setting_is_filled_into_the_text(
    stored: dict[str, str], policy: str, accepted: int, tmp_path: Path
) -> None:
    """It is stored beside the secret, or in relay.toml, where it is used only if the first is missing."""
    here = world(tmp_path, HOOK, policy=policy)
    here.secrets.secrets = (SECRET,)
    here.secrets.stored_settings = stored
    body = b'{"a": 1}'
    request = signed(b"4711." + body, body=body)
    assert here.receive(api_gateway_v2(request))["statusCode"] == accepted


def test_a_setting_never_signs_and_is_never_a_token(tmp_path: Path) -> None:
    """A provider shows a verify token in a URL, so anybody who has seen it could sign with it."""
    token = "planted-verify-token"
    for case in CASES:
        if case.verify["scheme"] == "sns-http" or case.secret.startswith(b"whpk_"):
            continue
        here = world_of(tmp_path / case.name.replace(" ", "-").replace(",", ""), case)
        here.secrets.stored_settings = {"verify-token": token}
        forged = token.encode()
        if case.verify["scheme"] == "standard-webhooks":
            forged = b"whsec_" + base64.b64encode(forged)
        answer = here.receive(api_gateway_v2(case.genuine(secret=forged)))
        assert answer["statusCode"] == 401, case.name
        assert here.receive(api_gateway_v2(case.genuine()))["statusCode"] == 202, case.name


@pytest.mark.parametrize("text", [" planted secret\n", "planted secret"])
def test_a_setting_with_the_value_of_the_secret_refuses_everything(text: str, tmp_path: Path) -> None:
    """The one is shown and the other signs, so the deployer has to store another. The log gives its name."""
    case = BY_NAME["github"]
    here = world_of(tmp_path, case)
    here.secrets.stored_settings = {"verify-token": text}
    assert here.receive(api_gateway_v2(case.genuine()))["statusCode"] == 503
    (receipt,) = here.witness.receipts
    assert receipt.outcome is Outcome.PARKED
    assert receipt.detail is not None
    assert (
        "the setting `verify-token` of `planted` has the same value as its signing secret" in receipt.detail
    )
    assert text.strip() not in receipt.detail
