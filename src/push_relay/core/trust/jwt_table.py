"""The table `[verify]` of the scheme `jwt`."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.configuration import Table, default, maybe, optional, required
from push_relay.core.rules.kinds import Boolean, Choice, Integer, Kind, Text, Texts
from push_relay.core.trust.fetch_table import FetchTable
from push_relay.core.trust.place import Place, PlaceKind, read_place
from push_relay.core.trust.verify_base import MAX_TOLERANCE_SECS, Verify

#: The algorithms with a secret that both sides know, and those with a public key.
SYMMETRIC, ASYMMETRIC = ("HS256", "HS384", "HS512"), ("RS256", "RS384", "RS512", "ES256")
#: The forms of a secret, and of a public key.
SECRET_KEYS, PUBLIC_KEYS = ("text", "base64", "hex"), ("pem", "spki-base64", "x509-pem", "jwk", "jwks", "x5c")
#: The token is the whole body.
BODY = "body"
#: The time is in the JOSE header and not among the claims.
JOSE = "jose:"
_CLAIM = r"[^?|]+(?:\|[^?|]+)*\??"
#: The hash functions of a rendered template.
HASHES = ("sha256-hex",)
_COVERS_BODY = ("{body|sha256-hex}", "{body|sha256-base64}")


class Expected(NamedTuple):
    """The value that a claim must have.

    names     the claims that may hold it; one must be present, and all that are present must fit
    optional  whether it is only checked if it is present
    allowed   templates, numbers and truth values
    hashed    the hash of the rendered template is compared; None: the template itself
    """

    names: tuple[str, ...]
    optional: bool
    allowed: tuple[str | int | bool, ...]
    hashed: str | None = None

    @property
    def covers_body(self) -> bool:
        """Whether it is a hash of the body, and of nothing else."""
        return all(text in _COVERS_BODY for text in self.allowed)


class Expectations(Kind):
    """The values that claims, or members of the JOSE header, must have."""

    placeholder = ()

    def read(self, value: object) -> tuple[Expected, ...]:
        """Return the expectations."""
        if not isinstance(value, Mapping):
            raise ConfigurationInvalid("is not a table of claims")
        return tuple(self._one(str(name), given) for name, given in value.items())

    def _one(self, name: str, given: Any) -> Expected:
        if re.fullmatch(_CLAIM, name) is None:
            raise ConfigurationInvalid(
                f"`{name}` is not a claim's name, such as `iss`, `jti?` or `appid|azp`"
            )
        hashed = None
        if isinstance(given, Mapping):
            if set(given) != {"text", "hash"} or given["hash"] not in HASHES:
                raise ConfigurationInvalid(f"`{name}` is not a table of `text` and `hash` (`sha256-hex`)")
            given, hashed = given["text"], str(given["hash"])
        allowed = given if isinstance(given, list | tuple) else [given]
        if not allowed or not all(isinstance(item, str | int | bool) and item != "" for item in allowed):
            raise ConfigurationInvalid(f"`{name}` is not a text, a number, true or false, or a list of them")
        return Expected(tuple(name.removesuffix("?").split("|")), name.endswith("?"), tuple(allowed), hashed)


class TokenPlace(PlaceKind):
    """The place of a token: one in the request, or the whole body."""

    def read(self, value: object) -> str:
        """Return the place's text."""
        return BODY if value == BODY else super().read(value)


class TimeTable(Table):
    """When a token is valid."""

    expires = optional(Text("claim"), "The claim with the end of its validity, such as `exp`.")
    not_before = optional(Text("claim"), "The claim with the beginning of its validity, such as `nbf`.")
    issued = optional(
        Text("claim"), "The claim with the time of signing, such as `iat`; `jose:ts` is in the JOSE header."
    )
    leeway_secs = default(
        Integer(at_most=3600), 60, "Seconds by which the sender's clock may differ from the relay's."
    )
    tolerance_secs = optional(
        Integer(at_least=1, at_most=MAX_TOLERANCE_SECS),
        "Seconds that may have passed since `issued`.",
        without="a token is valid until it expires",
    )
    required = default(Boolean(), True, "Whether each of these claims must be present.")  # noqa: FBT003

    def check(self) -> None:
        """Refuse a table that checks nothing."""
        if not (self.expires or self.not_before or self.issued):
            self.mistake("names no claim: give `expires`, `not_before` or `issued`")
        elif self.tolerance_secs and not self.issued:
            self.wrong("tolerance_secs", "has no effect without `issued`")


class VerifyJwt(Verify):
    """A signed token (JWT or JWS), with the claims that it must have."""

    is_open = False

    token = required(TokenPlace(), "The place of the token; `body` if the body is the token.")
    prefix = default(
        Text(may_be_empty=True), "", "The text before the token, such as `Bearer `.", without="no text"
    )
    algorithm = default(
        Texts(Choice(*SYMMETRIC, *ASYMMETRIC), at_least_one=True),
        ("HS256",),
        "The algorithms that are accepted: all of them with a secret (HS...), or all with a public key.",
    )
    key = default(Choice(*SECRET_KEYS, *PUBLIC_KEYS), "text", "The form of the key.")
    claims = optional(
        Expectations(),
        "The values that claims must have: a template, a number, true or false, or a list of those that are "
        "allowed. `name?` is only checked if the claim is present, `a|b` is a claim with two names, and "
        "`/a/b` is a pointer.",
        without="no claim is checked",
    )
    jose = optional(
        Expectations(), "The same for the members of the JOSE header.", without="only `alg` is checked"
    )
    time = maybe(TimeTable, "When a token is valid.")
    detached = default(
        Boolean(),
        False,  # noqa: FBT003
        "The token leaves its payload out, and the payload is the body (RFC 7515, appendix F).",
    )
    unencoded = default(
        Boolean(),
        False,  # noqa: FBT003
        "The payload that was left out is signed as it is, and not in base64url (RFC 7797).",
    )
    leaf_oid = optional(Text("OID", r"[0-9.]+", "is not an OID"), "The extension of an `x5c` leaf.")
    intermediate_oid = optional(
        Text("OID", r"[0-9.]+", "is not an OID"), "The extension of an `x5c` chain's intermediates."
    )
    settings = default(Texts(), (), "The settings that the deployer must give.", without="there are none")
    fetch = maybe(FetchTable, "The address from which the public keys are fetched, if no key is stored.")
    id = optional(
        Text("claim", r"claim:.+", "is not a claim, such as `claim:jti`"),
        "The claim that is the sender's id of the event: another for each event, the same in each attempt.",
        without="the token has no id of the event",
    )
    content = optional(
        Choice("unsigned"),
        "States that the token does not cover the content.",
        without="the token has to cover it",
    )

    def check(self) -> None:
        """Refuse keys that do not fit each other, and a token that proves less than it seems to."""
        if self.is_wrong:
            return
        self._check_key()
        if self.unencoded and not self.detached:
            self.wrong("unencoded", "has no effect without `detached`")
        if self.detached and (self.is_body or self.claims):
            self.wrong("detached", "is for a token in a header, whose payload is the body and has no claims")
        if self.covers_content and self.content:
            self.wrong("content", "is wrong: the token covers the content")
        elif not self.covers_content and not self.content:
            self.mistake(
                "the token does not cover the content: anybody who has one can send any content with it. "
                'Give a claim with the body\'s hash in `claims`, or state it with `content = "unsigned"`'
            )

    def _check_key(self) -> None:
        symmetric = self.key in SECRET_KEYS
        if any((name in SYMMETRIC) != symmetric for name in self.algorithm):
            self.wrong(
                "algorithm", f"does not fit the key `{self.key}`: HS... has a secret, others a public key"
            )
        if self.fetch and symmetric:
            self.wrong("fetch", "is for public keys")
        if (self.key == "x5c") != bool(self.leaf_oid and self.intermediate_oid):
            self.wrong("key", "`x5c` needs `leaf_oid` and `intermediate_oid`, and no other key has them")

    @property
    def is_body(self) -> bool:
        """Whether the token is the whole body."""
        return self.token.startswith(BODY)

    @property
    def covers_content(self) -> bool:
        """Whether the token covers the event's content."""
        if self.detached or self.is_body or not self.token.startswith(("header:", "query:")):
            return True
        # Only a hash of nothing may be missing (`schemes/jwt.py`).
        return any(expected.covers_body for expected in self.claims or ())

    @property
    def signs_content(self) -> bool:
        """Whether the token covers the content."""
        return self.covers_content

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The token's place."""
        return (("token", read_place(self.token)),) if self.token and not self.is_body else ()

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance, if each token has a time of signing."""
        time: Any = self.time
        return time.tolerance_secs if time is not None and time.required and time.issued else None
