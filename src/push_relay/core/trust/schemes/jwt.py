"""Signed tokens: JWT and JWS, in a header, a field or as the body (RFC 7515, 7519, 7797, 8725).

The configured algorithms, and the configured form of the key, decide how a token is verified. Its own header
decides nothing: `alg` must be a configured one, `kid` is compared with the names of known keys, and keys that
it embeds or links (`jwk`, `jku`, `x5u`) are ignored.
"""

import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from functools import partial

from push_relay.core.errors import SignatureMissing
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.certificate_chain import ChainRules, leaf_key
from push_relay.core.trust.jws import MAX_TOKEN, Jws, read_claims, read_jws
from push_relay.core.trust.jwt_table import SECRET_KEYS, Expected, VerifyJwt
from push_relay.core.trust.place import read_place
from push_relay.core.trust.public_keys import PublicKey, read_stored_keys
from push_relay.core.trust.schemes.fetched import FetchedKeySource
from push_relay.core.trust.schemes.form import read_form
from push_relay.core.trust.schemes.jwt_time import Validity
from push_relay.core.trust.schemes.key_form import KeyForm
from push_relay.core.trust.schemes.proof import (
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    fits,
    hexadecimal,
    keys,
    no_fit,
    proof,
    require,
    require_settings,
)
from push_relay.core.trust.schemes.signed_text import SignedText, compile_text
from push_relay.core.trust.schemes.token_keys import token_key_form
from push_relay.core.trust.schemes.values import Values

#: Characters of a key's name, and of an event's id.
MAX_NAME = 256
#: Keys that are tried for one token; only tokens and sets without names have several.
MAX_TRIED = 10
_HASH_NAMES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def jwt(table: VerifyJwt) -> Scheme:
    """Make the scheme of a signed token, as its table describes it."""
    token = SignedToken(table)
    return Scheme(token.verify, secret=token.key.secret, fetches=table.fetch is not None)


class SignedToken:
    """Verifies requests that carry a token."""

    def __init__(self, table: VerifyJwt) -> None:
        self._table = table
        self.key = token_key_form(table.key)
        self._validity = Validity(table.time) if table.time else None
        self._fetch = FetchedKeySource(table.fetch, table.key) if table.fetch else None
        self._claims = [(expected, _templates(expected)) for expected in table.claims or ()]
        self._jose = [(expected, _templates(expected)) for expected in table.jose or ()]
        self._is_document = table.is_body or not table.token.startswith(("header:", "query:"))

    def verify(self, request: SignedRequest, evidence: Evidence) -> Verified:
        """Verify a request. Raises SignatureMissing, SignatureInvalid, Stale, CredentialsUnavailable.

        Everything that a stranger can be refused for is checked before a key is fetched.
        """
        token = self._token(request)
        require_settings(evidence, self._table.settings)
        jws = read_jws(token.removeprefix(self._table.prefix))
        if jws is None or not token.startswith(self._table.prefix):
            raise no_fit()
        claims = self._read(jws)
        values = Values(request, evidence.settings)
        _check(self._jose, jws.jose, values)
        _check(self._claims, claims, values)
        secret = self._signed_with(jws, claims, values, evidence)
        self._check_time(claims, jws, evidence)
        content = jws.payload if self._is_document else request.body
        return Verified(content, self._event_id(claims), self._table.covers_content, secret)

    def _token(self, request: SignedRequest) -> str:
        if self._table.is_body:
            if not request.body:
                raise SignatureMissing("the request is not signed")
            require(len(request.body) <= MAX_TOKEN)
            return request.body.decode("ascii", "replace").strip()
        place = read_place(self._table.token)
        if place.kind in ("header", "query"):
            return proof(request.headers if place.kind == "header" else request.query, place.name)
        if place.kind == "form":
            return _form_field(request, place.name)
        return _field(request.body, place.steps)

    def _read(self, jws: Jws) -> JsonObject:
        """Return the claims, if the token has the configured form; empty if its payload is left out."""
        require(jws.jose.get("alg") in self._table.algorithm)
        # Extensions that change how a token is read, of which RFC 7797 is the only one that senders use.
        require(("crit" in jws.jose) == ("b64" in jws.jose) == self._table.unencoded)
        if self._table.unencoded:
            require(jws.jose["crit"] == ["b64"] and jws.jose["b64"] is False)
        if self._table.detached:
            require(not jws.payload)
            return {}
        claims = read_claims(jws.payload)
        require(claims is not None)
        return claims or {}

    def _signed_with(self, jws: Jws, claims: JsonObject, values: Values, evidence: Evidence) -> bytes:
        """Return the secret that a token is signed with; empty for a public key. Raises SignatureInvalid."""
        detached = values.request.body if self._table.detached else None
        content = jws.signing_input(detached, unencoded=self._table.unencoded)
        if self._table.key in SECRET_KEYS:
            return _mac_secret(jws, content, keys(evidence), self.key)
        signed_by = partial(_signed_by, jws=jws, content=content, now=evidence.now)
        if self._table.key == "x5c":
            require(self._is_chained(jws, content, evidence))
        elif keys(evidence):
            stored = (read_stored_keys(self._table.key, text) for text in keys(evidence))
            require(signed_by(list(itertools.chain.from_iterable(stored))))
        elif self._fetch:
            # A captured token that has expired must not cause a fetch either.
            self._check_time(claims, jws, evidence)
            newer = partial(_may_be_newer, kid=jws.jose.get("kid"))
            require(self._fetch.fits(values, evidence, signed_by, newer))
        else:
            raise no_fit()
        return b""

    def _is_chained(self, jws: Jws, content: bytes, evidence: Evidence) -> bool:
        rules = ChainRules(self._table.leaf_oid or "", self._table.intermediate_oid or "")
        roots = [secret.decode("ascii") for secret in keys(evidence)]
        key = leaf_key(jws.jose.get("x5c"), roots, evidence.now, rules)
        return key is not None and key.fits(jws.jose["alg"], jws.signature, content)

    def _check_time(self, claims: JsonObject, jws: Jws, evidence: Evidence) -> None:
        if self._validity:
            self._validity.check(claims, jws.jose, evidence.now)

    def _event_id(self, claims: JsonObject) -> str | None:
        if self._table.id is None:
            return None
        value = claim(claims, self._table.id.removeprefix("claim:"))
        require(isinstance(value, str) and 0 < len(value) <= MAX_NAME)
        return str(value)


def claim(claims: Mapping[str, object], name: str) -> object:
    """Return a claim; `/a/b` is a JSON pointer. None if it is absent."""
    value: object = claims
    for step in name.split("/")[1:] if name.startswith("/") else [name]:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _field(body: bytes, steps: Sequence[str]) -> str:
    """Return the token in a JSON body that holds nothing else, because only the token is signed."""
    document = read_claims(body) if len(body) <= MAX_TOKEN else {"": None}
    value: object = document
    for step in steps:
        if not isinstance(value, Mapping) or step not in value:
            raise SignatureMissing("the request is not signed")
        require(len(value) == 1)
        value = value[step]
    require(isinstance(value, str))
    return str(value)


def _form_field(request: SignedRequest, name: str) -> str:
    """Return the token in a form that holds nothing else."""
    fields = read_form(request.headers, request.body)
    if all(given != name for given, _ in fields):
        raise SignatureMissing("the request is not signed")
    require(len(fields) == 1)
    return fields[0][1]


def _mac_secret(jws: Jws, content: bytes, secrets: Sequence[bytes], form: KeyForm) -> bytes:
    hash_name = _HASH_NAMES[jws.jose["alg"]]
    for secret in secrets:
        key = form.key(secret)
        if key and fits([jws.signature.hex()], [hexadecimal(hmac.digest(key, content, hash_name))]):
            return secret
    raise no_fit()


def _signed_by(offered: Sequence[PublicKey], *, jws: Jws, content: bytes, now: float) -> bool:
    """Return whether one of these keys has signed a token. `kid` only selects among their names."""
    kid = jws.jose.get("kid")
    named = [key for key in offered if key.is_valid(now) and (kid is None or key.kid in (None, kid))]
    return any(key.fits(jws.jose["alg"], jws.signature, content) for key in named[:MAX_TRIED])


def _may_be_newer(known: Sequence[PublicKey], *, kid: object) -> bool:
    """Return whether a token that fits no known key may be signed by a newer one."""
    return kid is None or all(key.kid != kid for key in known)


def _templates(expected: Expected) -> Sequence[SignedText | int | bool]:
    return [compile_text(item, None) if isinstance(item, str) else item for item in expected.allowed]


type _Checks = Sequence[tuple[Expected, Sequence[SignedText | int | bool]]]


def _check(checks: _Checks, members: JsonObject, values: Values) -> None:
    """Compare claims, or members of a JOSE header, with what they must be. Raises SignatureInvalid."""
    for expected, allowed in checks:
        found = [value for name in expected.names if (value := claim(members, name)) is not None]
        if not found:
            # If the body's hash is missing, there must be no body either.
            require(expected.optional and not (expected.covers_body and values.request.body))
            continue
        wanted = [_wanted(item, expected.hashed, values) for item in allowed]
        for value in found:
            # A token may be for several audiences (RFC 7519, 4.1.3).
            given = value if expected.names == ("aud",) and isinstance(value, list) else [value]
            require(any(_equal(one, right) for one in given for right in wanted))


def _wanted(
    item: SignedText | int | bool,  # noqa: FBT001 (a value of a configuration file)
    hashed: str | None,
    values: Values,
) -> bytes | int | bool:
    if not isinstance(item, SignedText):
        return item
    text = item.fill(values)
    return hashlib.sha256(text).hexdigest().encode() if hashed else text


def _equal(value: object, wanted: bytes | int | bool) -> bool:  # noqa: FBT001 (as above)
    if isinstance(wanted, bytes):
        return isinstance(value, str) and fits([value.encode().hex()], [hexadecimal(wanted)])
    return type(value) is type(wanted) and value == wanted
