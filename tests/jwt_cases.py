"""Senders of signed tokens, as cases of the attacks that all schemes have to withstand."""

import hashlib

import jwt_senders
from sender_case import Case, case_of
from sns_sender import Request

_HASHED = {"scheme": "jwt", "token": "header:X-Token", "claims": {"hash": "{body|sha256-hex}"}}


def _hashed(body: bytes, secret: bytes, _stamp: str) -> Request:
    written = jwt_senders.token({"hash": hashlib.sha256(body).hexdigest()}, secret)
    return Request(body, {"x-token": written})


def _detached(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-token": jwt_senders.detached(body, secret)})


def _published(body: bytes, secret: bytes, _stamp: str) -> Request:
    """Sign with the private key whose public half the receiver stores as its secret."""
    known = {jwt_senders.pem(key).strip(): key for key in map(jwt_senders.ec_key, range(2))}
    key = known.get(secret, jwt_senders.ec_key(9))
    written = jwt_senders.token({"hash": hashlib.sha256(body).hexdigest()}, key)
    return Request(body, {"x-token": written})


def _unsigned(body: bytes, secret: bytes, _stamp: str) -> Request:
    written = jwt_senders.token({"iss": "planted"}, secret)
    return Request(body, {"authorization": f"Bearer {written}"})


_BEARER = {
    "scheme": "jwt",
    "token": "header:Authorization",
    "prefix": "Bearer ",
    "claims": {"iss": "planted"},
}
_KEYS = {
    f"{name}": jwt_senders.pem(jwt_senders.ec_key(at)).strip() for at, name in enumerate(("secret", "other"))
}

#: A sender of each kind.
TOKENS: tuple[Case, ...] = (
    case_of("jwt with the body's hash", _HASHED, _hashed, "x-token"),
    case_of(
        "jwt without its payload",
        {"scheme": "jwt", "token": "header:X-Token", "detached": True},
        _detached,
        "x-token",
    ),
    case_of(
        "jwt by a public key", {**_HASHED, "algorithm": "ES256", "key": "pem"}, _published, "x-token", **_KEYS
    ),
    case_of(
        "jwt of the sender alone",
        {**_BEARER, "content": "unsigned"},
        _unsigned,
        "authorization",
        covers="nothing",
    ),
)
