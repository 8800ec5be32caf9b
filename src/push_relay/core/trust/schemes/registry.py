"""The schemes by name, as a source's `[verify]` table names them. A preset is a row of data over one."""

from collections.abc import Callable, Mapping
from typing import Any

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.findings import Report
from push_relay.core.trust.schemes import shared, signed, sns_http
from push_relay.core.trust.schemes.proof import Evidence, Scheme, SignedRequest, Verified, no_fit
from push_relay.core.trust.signature_table import VerifyHmac, VerifyPublicKey, VerifySigned
from push_relay.core.trust.verify_table import Verify, VerifyAnyOf, VerifyJwt, VerifyPlain


def hmac_by_description(table: VerifySigned) -> Scheme:
    """Make the scheme of an HMAC that the source describes."""
    return signed.make(table)


def public_key_by_description(table: VerifyPublicKey) -> Scheme:
    """Make the scheme of a signature by a private key that the source describes."""
    return signed.make(table)


def hmac_in_header(table: VerifyHmac) -> Scheme:
    """Make a scheme by configuration, for senders that have none of their own here."""
    return signed.make(table)


def jwt(table: VerifyJwt) -> Scheme:
    """Make the scheme of a signed token that the source describes."""
    # Imported here, so that only a relay with such a source pays for it.
    from push_relay.core.trust.schemes import jwt as module  # noqa: PLC0415

    return module.jwt(table)


def twilio(table: VerifyPlain) -> Scheme:
    """Make the scheme `X-Twilio-Signature: <base64>`, HMAC-SHA1 of the address and what it carries."""
    # Imported here, so that only a relay that Twilio calls pays for it.
    from push_relay.core.trust.schemes import twilio as module  # noqa: PLC0415

    return module.twilio(table)


def any_of(table: VerifyAnyOf) -> Scheme:
    """Make the scheme of several proofs, of which one has to fit."""
    # Imported here: few sources take several proofs.
    from push_relay.core.trust.schemes.alternatives import any_of as combined  # noqa: PLC0415

    for alternative in table.alternative:
        alternative.form_field = table.form_field
    return combined([(each, make_scheme(each)) for each in table.alternative])


#: Makes a scheme of a `[verify]` table, which the class in VERIFY_TABLES has read.
SCHEMES: dict[str, Callable[[Any], Scheme]] = {
    "signed": hmac_by_description,
    "public-key": public_key_by_description,
    "jwt": jwt,
    "hmac": hmac_in_header,
    "twilio": twilio,
    "sns-http": sns_http.sns_http,
    "token": shared.token,
    "basic": shared.basic,
    "any-of": any_of,
    "none": shared.none,
}


def make_scheme(verify: Verify) -> Scheme:
    """Make the scheme of a table without mistakes. Mistakes that only the scheme finds go to its report.

    The scheme of a table with a mistake refuses everything.
    """
    try:
        scheme = SCHEMES[verify.scheme](verify)
        return Scheme(_refuse) if verify.is_wrong else scheme
    except ConfigurationInvalid as exc:
        verify.wrong("text" if "text" in verify.values else "scheme", exc.detail)
        return Scheme(_refuse)


def _refuse(_request: SignedRequest, _evidence: Evidence) -> Verified:
    raise no_fit()


def read_scheme(document: Mapping[str, object]) -> Scheme:
    """Make the scheme of a `[verify]` table's document. Raises ConfigurationInvalid."""
    report = Report()
    verify = Verify.for_document(document)(document, report, ("verify",))
    report.raise_mistakes()
    scheme = make_scheme(verify)
    report.raise_mistakes()
    return scheme
