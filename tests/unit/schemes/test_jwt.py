"""Signed tokens: that genuine ones are accepted, and what a token itself must never decide."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jwt_senders import (
    BODY,
    INTERMEDIATE_OID,
    LEAF_OID,
    NOW,
    Key,
    Request,
    body_hash,
    chain,
    ec_key,
    jwk,
    jwks,
    part,
    pem,
    rsa_key,
    signature,
    spki,
    token,
    url64,
)
from jwt_verifier import CLAIMS, PLAIN, SECRET, scheme, verify
from push_relay.core.errors import (
    SignatureInvalid,
    SignatureMissing,
    Unauthenticated,
)
from push_relay.core.trust.schemes.proof import MAX_PROOF, Evidence, Verified


def test_a_token_with_the_hash_of_the_body_covers_the_content() -> None:
    """The body is what was signed, and not the token, because a second attempt has another token."""
    assert verify(PLAIN, token(CLAIMS, SECRET)) == Verified(BODY, None, content=True)


def test_another_body_is_refused() -> None:
    """The token is genuine, and for another body."""
    with pytest.raises(SignatureInvalid):
        verify(PLAIN, token(CLAIMS, SECRET), body=BODY + b" ")


@pytest.mark.parametrize(
    ("form", "key", "stored"),
    [
        ("pem", rsa_key(), pem(rsa_key())),
        ("pem", rsa_key(), pem(rsa_key()).replace(b"\n", b"")),
        ("pem", rsa_key(), pem(rsa_key()).replace(b"\n", b"\\n")),
        ("pem", ec_key(), pem(ec_key()) + b"\n"),
        ("spki-base64", rsa_key(), spki(rsa_key())),
        ("jwk", ec_key(), json.dumps(jwk(ec_key(), kid="a", alg="ES256", use="sig")).encode()),
        ("jwks", rsa_key(), jwks(jwk(ec_key()), {"kty": "OKP"}, jwk(rsa_key(), key_ops=["verify"]))),
    ],
)
def test_public_keys_in_each_form(form: str, key: Key, stored: bytes) -> None:
    """A stored key may have lost its line breaks, or have them written as in JSON."""
    table = {**PLAIN, "algorithm": ["RS256", "ES256"], "key": form}
    assert verify(table, token(CLAIMS, key), stored).content
    with pytest.raises(SignatureInvalid):
        verify(table, token(CLAIMS, rsa_key(1) if isinstance(key, rsa.RSAPrivateKey) else ec_key(1)), stored)


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
def test_an_algorithm_that_is_not_configured_is_refused(name: str) -> None:
    """The configuration decides, and not the token."""
    written = token(CLAIMS, SECRET, {"alg": name})
    assert verify({**PLAIN, "algorithm": name}, written).content
    with pytest.raises(SignatureInvalid):
        verify({**PLAIN, "algorithm": "HS512" if name != "HS512" else "HS256"}, written)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", None, 0, ["HS256"], "hs256", "HS256 ", "RS256"])
def test_algorithm_none_and_its_spellings_are_refused(name: object) -> None:
    """With the empty signature, and with the one that would fit."""
    head, body = part({"alg": name}), part(dict(CLAIMS))
    for end in ("", url64(signature("HS256", SECRET, f"{head}.{body}".encode())), url64(b"x")):
        with pytest.raises(SignatureInvalid):
            verify(PLAIN, f"{head}.{body}.{end}")


def test_a_public_key_is_never_a_secret() -> None:
    """Anybody knows it. An HMAC made with it must fit neither of the two kinds of sources."""
    for stored in (pem(rsa_key()), spki(rsa_key()), spki(ec_key()), jwks(jwk(rsa_key()))):
        forged = token(CLAIMS, stored)
        assert scheme(PLAIN).secret.readings(stored) == []
        for form in ("pem", "spki-base64", "jwks"):
            made = scheme({**PLAIN, "algorithm": "RS256", "key": form})
            for reading in made.secret.readings(stored):
                with pytest.raises(SignatureInvalid):
                    made(Request(BODY, {"x-token": forged}), Evidence((reading,), NOW))


def test_secrets_and_public_keys_are_not_mixed_in_one_source() -> None:
    """A table with both kinds of algorithms is refused."""
    for more in (
        {"algorithm": ["HS256", "RS256"]},
        {"algorithm": ["RS256"]},
        {"algorithm": "HS256", "key": "pem"},
    ):
        with pytest.raises(Exception, match="does not fit the key"):
            scheme({**PLAIN, **more})


KEY_SET = {**PLAIN, "algorithm": "RS256", "key": "jwks"}
STORED = jwks(jwk(rsa_key(), kid="one"), jwk(rsa_key(1), kid="two"))


def test_the_prefix_is_required() -> None:
    """`Bearer ` as an example."""
    table, written = {**PLAIN, "prefix": "Bearer "}, token(CLAIMS, SECRET)
    assert verify(table, f"Bearer {written}").content
    for wrong in (written, f"bearer {written}", f"Bearer  {written}", f"Bearer Bearer {written}"):
        with pytest.raises(SignatureInvalid):
            verify(table, wrong)


def test_the_kid_selects_among_known_keys_alone() -> None:
    """A genuine key under another key's name is refused, and so is a name that is not known."""
    assert verify(KEY_SET, token(CLAIMS, rsa_key(), {"kid": "one"}), STORED).content
    kids: tuple[object, ...] = (
        "two",
        "three",
        "",
        "../../dev/null",
        "' OR 1=1 --",
        "https://evil.example/",
        1,
        True,
        ["one"],
        {},
    )
    for kid in kids:
        with pytest.raises(SignatureInvalid):
            verify(KEY_SET, token(CLAIMS, rsa_key(), {"kid": kid}), STORED)


def test_a_token_without_a_kid_is_compared_with_every_key() -> None:
    """Some sets and some senders have no names."""
    assert verify(KEY_SET, token(CLAIMS, rsa_key(1)), STORED).content
    assert verify(KEY_SET, token(CLAIMS, rsa_key(), {"kid": "any"}), jwks(jwk(rsa_key()))).content


def test_keys_in_the_token_are_ignored() -> None:
    """A forger signs with a key of its own, and brings it along."""
    own = jwk(rsa_key(9), kid="one")
    for jose in (
        {"jwk": own},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"x5c": chain(9).x5c},
        {"jwk": own, "kid": "one"},
    ):
        with pytest.raises(SignatureInvalid):
            verify(KEY_SET, token(CLAIMS, rsa_key(9), jose), STORED)


@pytest.mark.parametrize(
    "jose",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"]},
        {"b64": True},
        {"b64": False},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"crit": None},
        {"crit": "b64", "b64": False},
    ],
)
def test_a_token_with_extensions_is_refused(jose: Mapping[str, Any]) -> None:
    """An unknown critical extension changes how a token is read (RFC 7515, 4.1.11)."""
    with pytest.raises(SignatureInvalid):
        verify(PLAIN, token(CLAIMS, SECRET, jose))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + ".",
        lambda text: "." + text,
        lambda text: text.replace(".", "..", 1),
        lambda text: text + ".x.y",
        lambda text: text.rpartition(".")[0],
        lambda text: text.rpartition(".")[0] + ".",
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace(".", " .", 1),
        lambda text: text.replace(".", ".\n", 1),
        lambda text: text.replace("-", "+").replace("_", "/") + "+",
        lambda text: text[:-1] + chr(ord(text[-1]) + 1),
        lambda text: text + "\u0430",
        lambda text: text + ", " + text,
        lambda _: "." * 2,
        lambda _: ".".join(part(b"x") for _ in range(5)),
        lambda text: "e30." + text.partition(".")[2],
        lambda text: part([]) + "." + text.partition(".")[2],
        lambda text: part(b'{"alg": "HS256", "alg": "none"}') + "." + text.partition(".")[2],
        lambda text: "x" * MAX_PROOF + text,
    ],
)
def test_a_token_has_one_spelling(change: Any) -> None:
    """White space, padding, other alphabets, unused bits, further parts (JWE) and members given twice."""
    with pytest.raises(SignatureInvalid):
        verify(PLAIN, change(token(CLAIMS, SECRET)))


def test_members_that_are_given_twice_are_refused() -> None:
    """Two readers could take another one each. The signature fits."""
    for head, claims in (
        (b'{"alg": "HS256", "alg": "HS256"}', json.dumps(CLAIMS).encode()),
        (b'{"alg": "HS256"}', b'{"iss": "evil", "iss": "planted", "hash": "%s"}' % body_hash().encode()),
        (b'{"alg": "HS256"}', b'{"iss": "planted", "hash": "%s", "at": NaN}' % body_hash().encode()),
    ):
        signed = f"{part(head)}.{part(claims)}"
        with pytest.raises(SignatureInvalid):
            verify(PLAIN, f"{signed}.{url64(signature('HS256', SECRET, signed.encode()))}")


@pytest.mark.parametrize("claims", [[], "x", None, 1, {}, {"iss": "planted"}, {**CLAIMS, "iss": "evil"}])
def test_claims_must_be_an_object_with_what_is_configured(claims: object) -> None:
    """Each of them is signed with the secret."""
    with pytest.raises(SignatureInvalid):
        verify(PLAIN, token(claims, SECRET))


def test_a_signature_of_ecdsa_is_two_numbers_and_not_der() -> None:
    """A verifier that takes both has two spellings of one proof."""
    table = {**PLAIN, "algorithm": "ES256", "key": "pem"}
    signed, _, _ = token(CLAIMS, ec_key()).rpartition(".")
    der = ec_key().sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    numbers = signature("ES256", ec_key(), signed.encode())
    longer = numbers[:32] + b"\0" + numbers[32:]
    for wrong in (der, b"", b"\0" * 64, b"\0" * 63, longer):
        with pytest.raises(SignatureInvalid):
            verify(table, f"{signed}.{url64(wrong)}", pem(ec_key()))
    assert verify(table, token(CLAIMS, ec_key()), pem(ec_key())).content


def test_an_algorithm_fits_only_its_own_kind_of_key() -> None:
    """A set may hold keys of both kinds, and `alg` of a key is respected."""
    table = {**PLAIN, "algorithm": ["RS256", "RS512", "ES256"], "key": "jwks"}
    stored = jwks(jwk(ec_key(), kid="e"), jwk(rsa_key(), kid="r", alg="RS512"))
    assert verify(table, token(CLAIMS, rsa_key(), {"kid": "r", "alg": "RS512"}), stored).content
    for written in (
        token(CLAIMS, rsa_key(), {"kid": "r"}),
        token(CLAIMS, rsa_key(), {"kid": "e"}),
        token(CLAIMS, ec_key(), {"kid": "r"}),
    ):
        with pytest.raises(SignatureInvalid):
            verify(table, written, stored)


@pytest.mark.parametrize(
    ("form", "stored"),
    [
        ("pem", b"planted"),
        ("pem", pem(rsa_key()) + pem(rsa_key(1))),
        ("pem", pem(rsa_key()).replace(b"PUBLIC", b"PRIVATE")),
        ("pem", pem(ec_key()).replace(b"M", b"\xff", 1)),
        ("spki-base64", b"AAAA"),
        ("jwks", b"[]"),
        ("jwks", b"{}"),
        ("jwks", b'{"keys": 1}'),
        ("jwks", jwks(jwk(ec_key(), use="enc"))),
        ("jwks", jwks(jwk(ec_key(), key_ops=["sign"]))),
        ("jwks", jwks(jwk(ec_key(), key_ops=1))),
        ("jwks", jwks({**jwk(ec_key()), "y": jwk(ec_key())["x"]})),
        ("jwks", jwks({**jwk(ec_key()), "crv": "P-384"})),
        ("jwks", jwks({**jwk(rsa_key()), "n": url64(b"\xff" * 128)})),
        ("jwks", jwks({**jwk(rsa_key()), "e": url64(b"\x02")})),
        ("jwks", jwks({**jwk(rsa_key()), "kid": 1})),
        ("jwks", jwks(*[jwk(ec_key())] * 51)),
        ("jwks", jwks({"kty": "oct", "k": url64(SECRET)})),
        ("jwks", b'{"keys": [], "keys": [1]}'),
        ("x5c", b"planted"),
        ("x5c", b"ab" * 31),
    ],
)
def test_a_stored_key_that_cannot_fit_has_no_reading(form: str, stored: bytes) -> None:
    """The log states it then, and nothing is accepted. Short RSA keys can be factored."""
    oids = {"leaf_oid": LEAF_OID, "intermediate_oid": INTERMEDIATE_OID} if form == "x5c" else {}
    assert scheme({**PLAIN, "algorithm": "RS256", "key": form, **oids}).secret.readings(stored) == []


def test_the_secret_that_fits_is_returned() -> None:
    """During a rotation there are two. A public key is not a secret, so nothing is signed with it."""
    request = Request(BODY, {"x-token": token(CLAIMS, SECRET)})
    assert scheme(PLAIN)(request, Evidence((b"new", SECRET), NOW)).secret == SECRET
    request = Request(BODY, {"x-token": token(CLAIMS, rsa_key())})
    made = scheme({**PLAIN, "algorithm": "RS256", "key": "pem"})
    assert made(request, Evidence((pem(rsa_key(1)), pem(rsa_key())), NOW)).secret == b""


def test_a_missing_token_is_reported_as_such() -> None:
    """All other causes have one text."""
    made = scheme(PLAIN)
    with pytest.raises(SignatureMissing):
        made(Request(), Evidence((SECRET,), NOW))
    texts = set()
    for headers in ({"x-token": ""}, {"x-token": "x"}, {"x-token": token({}, SECRET)}):
        with pytest.raises(SignatureInvalid) as refused:
            made(Request(headers=headers), Evidence((SECRET,), NOW))
        texts.add(refused.value.detail)
    assert texts == {"the signature does not fit the request"}


def test_nothing_fits_without_a_secret() -> None:
    """Anybody can make an HMAC with the empty key."""
    made = scheme(PLAIN)
    for secrets in ((), (b"",)):
        with pytest.raises(SignatureInvalid):
            made(Request(headers={"x-token": token(CLAIMS, b"")}), Evidence(secrets, NOW))


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        ({"token": "header:X"}, "does not cover the content"),
        ({"token": "header:X", "claims": {"iss": "x", "crc": "{body|crc32}"}}, "does not cover the content"),
        ({"token": "header:X", "claims": {"hash": ["{body|sha256-hex}", "x"]}}, "does not cover the content"),
        ({"token": "body", "content": "unsigned"}, "covers the content"),
        ({"token": "header:X", "unencoded": True, "content": "unsigned"}, "without `detached`"),
        ({"token": "body", "detached": True}, "for a token in a header"),
        ({"token": "nowhere"}, "is not a place"),
        ({"token": "body", "algorithm": []}, "is an empty list"),
        ({"token": "body", "algorithm": "none"}, "is not one of"),
        ({"token": "body", "claims": {"iss": []}}, "is not a text"),
        ({"token": "body", "claims": {"iss": {"text": "x"}}}, "is not a table"),
        ({"token": "body", "claims": {"": "x"}}, "is not a claim's name"),
        ({"token": "body", "time": {}}, "names no claim"),
        ({"token": "body", "time": {"expires": "exp", "tolerance_secs": 1}}, "no effect without `issued`"),
        ({"token": "body", "key": "x5c", "algorithm": "ES256"}, "needs `leaf_oid`"),
        (
            {"token": "body", "fetch": {"address": "https://a.example/k", "hosts": ["a.example"]}},
            "public keys",
        ),
    ],
)
def test_a_table_that_proves_nothing_is_refused(table: Mapping[str, Any], cause: str) -> None:
    """`make check` reports it with file and line."""
    with pytest.raises(Exception, match=cause):
        scheme(table)


def test_errors_do_not_quote_the_token() -> None:
    """A log line must not hold a proof."""
    written = token({"iss": "evil"}, SECRET)
    with pytest.raises(Unauthenticated) as refused:
        verify(PLAIN, written)
    assert not any(piece in str(refused.value) for piece in written.split("."))
