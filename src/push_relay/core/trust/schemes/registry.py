"""The schemes by name, as a source's `[verify]` table names them. A preset is a row of data over one."""

from collections.abc import Callable, Mapping
from typing import Any

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.findings import Report
from push_relay.core.trust.schemes import shared, signed
from push_relay.core.trust.schemes.proof import Evidence, Scheme, SignedRequest, Verified, no_fit
from push_relay.core.trust.signature_table import VerifyHmac, VerifyPublicKey, VerifySigned
from push_relay.core.trust.verify_table import Verify, VerifyAnyOf, VerifyJwt, VerifyPlain, VerifySnsHttp


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


def sns_http(table: VerifySnsHttp) -> Scheme:
    r"""Make the scheme of SNS messages: RSA over `name\nvalue\n` of each documented field.

    Raw message delivery carries no signature, and MessageAttributes and UnsubscribeURL are not covered by
    it: a source must not build on them. The certificate's address is pinned to the topic's own region (a
    looser pattern has let `sns.s3-us-west-2.amazonaws.com`, somebody's bucket, sign), and the topic is
    allow-listed, because everybody's topics are signed alike. A certificate is trusted for having come over
    TLS from there; its chain is not followed. Everything that costs nothing is checked before it is fetched.
    SNS may retry for an hour with the first attempt's timestamp, so `tolerance_secs` is 3600 by default;
    a timestamp ahead of the clock has no such reason, and is stale after 300 seconds.
    `minimum_version = 2` refuses SHA-1, which SNS uses unless the topic's SignatureVersion is set to 2.
    """
    # Imported here, so that only a relay that SNS calls pays for it.
    from push_relay.core.trust.schemes import sns_http as module  # noqa: PLC0415

    return module.sns_http(table)


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
    "sns-http": sns_http,
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
