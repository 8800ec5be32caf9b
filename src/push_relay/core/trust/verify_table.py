"""The tables `[verify]` of source.toml: the keys of each scheme, and what is known without the scheme.

Those are where a request carries its sender's proof, and how long its content is remembered. `deliver` needs
them too, and reads them here, so that it loads no scheme.
"""

from push_relay.core.rules.configuration import default, listed, optional
from push_relay.core.rules.kinds import HeaderName, Integer, Text
from push_relay.core.trust.jwt_table import VerifyJwt
from push_relay.core.trust.place import Place, PlaceKind, PointerKind, read_place
from push_relay.core.trust.signature_table import VerifyHmac, VerifyPublicKey, VerifySigned
from push_relay.core.trust.verify_base import (
    OPEN,
    TOLERANCE_SECS,
    VERIFY_TABLES,
    WITH_KEY,
    WITHOUT_SECRET,
    Verify,
    tolerance,
)

__all__ = [
    "OPEN",
    "SNS_RETRY_SECS",
    "TOLERANCE_SECS",
    "VERIFY_TABLES",
    "WITHOUT_SECRET",
    "Verify",
    "VerifyAnyOf",
    "VerifyHmac",
    "VerifyJwt",
    "VerifyPlain",
    "VerifyPublicKey",
    "VerifySenderAlone",
    "VerifySigned",
    "VerifySnsHttp",
    "VerifyToken",
]

#: Seconds for which SNS may go on trying to deliver: "a hard limit and cannot be increased".
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
SNS_RETRY_SECS = 3600
#: The header that carries the proof, for schemes in which it always has the same name.
HEADERS = {"twilio": "x-twilio-signature", "basic": "authorization"}


class VerifyPlain(Verify):
    """A scheme without keys of its own."""

    is_open = False

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The header of the scheme."""
        header = HEADERS.get(self.scheme)
        return (("scheme", Place("header", header)),) if header else ()

    @property
    def signs_url(self) -> bool:
        """Only Twilio's scheme signs it."""
        return self.scheme == "twilio"


class VerifySenderAlone(VerifyPlain):
    """A scheme that proves the sender and not the content."""

    @property
    def signs_content(self) -> bool:
        """It is not."""
        return False


class VerifySnsHttp(VerifyPlain):
    """The scheme of SNS over HTTP, whose proof is in the body and has an id."""

    minimum_version = default(
        Integer(at_least=1, at_most=2),
        1,
        "The oldest signature version that is accepted. `2` refuses SHA-1, which SNS uses unless the topic's "
        "SignatureVersion is 2.",
    )
    tolerance_secs = tolerance(SNS_RETRY_SECS)


class VerifyToken(VerifySenderAlone):
    """A shared token, at a place of the request."""

    token = optional(
        PlaceKind(),
        "The place of the token, such as `header:X-Token` or `json:/secret`. One of `token`, `header` and "
        "`query` is required.",
    )
    header = optional(HeaderName(), 'The token\'s header: short for `token = "header:NAME"`.')
    query = optional(
        Text("query parameter"),
        "The token's query parameter. URLs are often logged: prefer a header.",
    )
    prefix = default(
        Text(may_be_empty=True), "", "The text before the token, such as `Bearer `.", without="no text"
    )
    each = optional(
        PointerKind(),
        "A JSON pointer, in which `*` is every item of a list: each of these values has the token, and "
        "pointers are relative to it.",
        without="the request has one token",
    )

    def check(self) -> None:
        """Refuse a token in no place, or in two."""
        if not self.is_wrong and sum(name in self for name in ("token", "header", "query")) != 1:
            self.mistake("name either a `header`, a `query` parameter or another place for the `token`")
        if self.each and not (self.token or "").startswith("json:"):
            self.wrong("each", "needs a token in the document: `json:/POINTER`")

    @property
    def place(self) -> Place:
        """The token's place."""
        if self.token:
            return read_place(self.token)
        return Place("header", self.header) if self.header else Place("query", self.query or "")

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The token's place."""
        key = next((name for name in ("token", "header", "query") if name in self), "token")
        return () if self.is_wrong else ((key, self.place),)


#: The scheme that accepts one of several proofs.
ANY_OF = "any-of"
#: Schemes in which the secret itself is sent and compared.
COMPARED = frozenset({"token", "basic"})
#: Alternatives of a source. A request without a proof is compared with each of them.
MAX_ALTERNATIVES = 10


class VerifyAnyOf(Verify):
    """One of several proofs, each with its own kind of secret. The first one that fits counts."""

    is_open = False

    alternative = listed(
        Verify,
        "The alternatives, in the order in which they are tried: tables with the keys of their own schemes. "
        "Those of `token` and `basic` are compared with the stored `secret`. Those of `signed`, `hmac` and "
        "presets over them use the stored `signing-key`.",
    )

    def check(self) -> None:
        """Refuse schemes whose secrets are of another kind, and none at all."""
        if not 0 < len(self.alternative) <= MAX_ALTERNATIVES:
            self.mistake(f"needs from 1 to {MAX_ALTERNATIVES} tables `[[verify.alternative]]`")
        for table in self.alternative:
            if not table.is_wrong and table.scheme not in COMPARED | WITH_KEY:
                table.wrong(
                    "scheme", f"`{table.name}` cannot be an alternative: use `token`, `basic` or `signed`"
                )
        self.is_wrong |= any(table.is_wrong for table in self.alternative)

    @property
    def signs_content(self) -> bool:
        """Whether all of them cover the content. A request's own proof may, if they do not."""
        return all(table.signs_content for table in self.alternative)

    @property
    def signs_url(self) -> bool:
        """Whether one of them signs the URL."""
        return any(table.signs_url for table in self.alternative)

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The places of all of them: no event keeps what could be a proof."""
        places = (place for table in self.alternative for _, place in table.proof_places)
        return tuple(("alternative", place) for place in dict.fromkeys(places))


VERIFY_TABLES.update(
    {
        "signed": VerifySigned,
        "public-key": VerifyPublicKey,
        "jwt": VerifyJwt,
        "hmac": VerifyHmac,
        "twilio": VerifyPlain,
        "sns-http": VerifySnsHttp,
        "token": VerifyToken,
        "basic": VerifySenderAlone,
        ANY_OF: VerifyAnyOf,
        OPEN: VerifySenderAlone,
    }
)
