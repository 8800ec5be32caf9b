"""Schemes that prove the sender and not the content: a shared token, Basic authentication, and none.

The secret itself is sent, so only TLS protects it: anyone who has seen one request can make others.
"""

from typing import NamedTuple

from push_relay.core.errors import SignatureMissing
from push_relay.core.trust.place import Place, read_place
from push_relay.core.trust.schemes.proof import (
    MAX_PROOF,
    Evidence,
    Scheme,
    SecretPlace,
    SignedRequest,
    Verified,
    base64_text,
    fits,
    header,
    keys,
    no_fit,
    require,
)
from push_relay.core.trust.schemes.secret_form import PASSWORD, token_form
from push_relay.core.trust.schemes.values import Reader, Values, checked, reader
from push_relay.core.trust.verify_table import HEADERS, VerifySenderAlone, VerifyToken


def token(table: VerifyToken) -> Scheme:
    """Make the scheme of a shared token, at a place of the request.

    A `prefix`, such as `Bearer `, may precede it. Prefer the header, because URLs are logged.
    GitLab's, as an example, is in X-Gitlab-Token.
    https://docs.gitlab.com/user/project/integrations/webhooks/
    """
    each = read_place(f"json:{table.each}").steps if table.each else ()
    return Scheme(
        SharedToken(reader(table.place), table.prefix, each, table.document_field).verify,
        secret=token_form(prefix=table.prefix, longest=MAX_PROOF),
        secret_places=_in_body(table.place, table.each or ""),
    )


def _in_body(place: Place, each: str) -> tuple[SecretPlace, ...]:
    if place.kind == "json":
        return (SecretPlace("json", each + place.name),)
    return (SecretPlace("form", place.name),) if place.kind == "form" else ()


class SharedToken(NamedTuple):
    """Verifies that a request, or each of its items, has the token.

    read        reads the token's place
    each        the steps to the items; empty: the request itself has the token
    form_field  the field of a form that holds the JSON document
    """

    read: Reader
    prefix: str
    each: tuple[str, ...] = ()
    form_field: str | None = None

    def verify(self, request: SignedRequest, evidence: Evidence) -> Verified:
        """Verify a request. Raises SignatureMissing, SignatureInvalid, PayloadTooLarge."""
        values = Values(request, evidence.settings, self.form_field)
        offered = [_offered(self.read(values)) for _ in values.parts(self.each)]
        for key in keys(evidence):
            # All items have to have the same one.
            if all(fits([text], [self.prefix.encode() + key]) for text in offered):
                return Verified(request.body, content=False, secret=key)
        raise no_fit()


def _offered(text: str | None) -> str:
    if text is None:
        raise SignatureMissing("the request is not signed")
    return checked(text)


def basic(_table: VerifySenderAlone) -> Scheme:
    """Make the scheme `Authorization: Basic <base64 of user:password>`; the secret is `user:password`.

    The word `Basic` may be in any case (RFC 7617, 2). Some senders, SNS and Twilio among them, send the
    password only after they have been answered 401 with `WWW-Authenticate: Basic`.
    https://www.rfc-editor.org/rfc/rfc7617
    """
    return Scheme(
        _verify_basic,
        secret=PASSWORD,
        challenge='Basic realm="push-relay", charset="UTF-8"',
    )


def _verify_basic(request: SignedRequest, evidence: Evidence) -> Verified:
    word, _, offered = header(request, HEADERS["basic"]).partition(" ")
    require(word.lower() == "basic")
    for key in keys(evidence):
        if b":" in key and fits([offered], [base64_text(key)]):
            return Verified(request.body, content=False, secret=key)
    raise no_fit()


def none(_table: VerifySenderAlone) -> Scheme:
    """Make the scheme that accepts every request.

    Its caller checks that the deployer's configuration allows it too: a source folder alone must never
    disable the verification.
    """
    return Scheme(_verify_nothing)


def _verify_nothing(request: SignedRequest, _evidence: Evidence) -> Verified:
    return Verified(request.body, content=False)
