"""The chain of certificates in a token (`x5c`), up to a root that the deployer has stored.

The token brings the chain, so nothing in it is trusted but what the stored root has signed.
"""

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.event import sha256_hex
from push_relay.core.trust.public_keys import (
    TOKEN_FAMILIES,
    PublicKey,
    certificate_of_der,
    der_of_pem,
    family_of,
    key_of,
)

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: Certificates of a chain: the signer's, an intermediate one at least, and the root.
MIN_CHAIN, MAX_CHAIN = 3, 4
#: Characters of a certificate.
MAX_CERTIFICATE = 4096
#: Hexadecimal digits of a fingerprint.
_FINGERPRINT_DIGITS = 64


class ChainRules(NamedTuple):
    """The extensions (OIDs) by which the owner of a chain marks its certificates."""

    leaf_oid: str
    intermediate_oid: str


def root_fingerprint(stored: bytes) -> str | None:
    """Return the fingerprint of a stored root: a PEM certificate, or its SHA-256 in hexadecimal digits."""
    try:
        text = stored.decode("ascii").strip()
        der = der_of_pem(text, "CERTIFICATE")
    except ValueError:
        return None
    if der:
        return sha256_hex(der)
    digits = text.replace(":", "").replace(" ", "").lower()
    return digits if len(digits) == _FINGERPRINT_DIGITS and set(digits) <= set("0123456789abcdef") else None


def leaf_key(chain: object, roots: Sequence[str], now: float, rules: ChainRules) -> PublicKey | None:
    """Return the key of a chain's first certificate; None unless the chain leads to one of the roots.

    chain  the `x5c` header: certificates in base64 (RFC 7515, 4.1.6), the root last
    roots  fingerprints of the roots that the deployer has stored
    """
    ders = _ders(chain)
    if not ders or sha256_hex(ders[-1]) not in roots:
        return None
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.x509 import DuplicateExtension  # noqa: PLC0415

    try:
        certificates = [certificate_of_der(der) for der in ders]
        for certificate, issuer in pairwise(certificates):
            certificate.verify_directly_issued_by(issuer)
        valid = all(key_of(certificate).is_valid(now) for certificate in certificates)
        allowed = all(
            _may_issue(certificate, below) for below, certificate in enumerate(certificates[1:], start=0)
        )
        leaf, *intermediates = certificates[:-1]
        marked = _has(leaf, rules.leaf_oid) and all(
            _has(one, rules.intermediate_oid) for one in intermediates
        )
        key = leaf.public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, DuplicateExtension):
        return None
    return PublicKey(key) if valid and allowed and marked and family_of(key) in TOKEN_FAMILIES else None


def _ders(chain: object) -> list[bytes]:
    if not isinstance(chain, list) or not MIN_CHAIN <= len(chain) <= MAX_CHAIN:
        return []
    if not all(isinstance(text, str) and len(text) <= MAX_CERTIFICATE for text in chain):
        return []
    try:
        return [base64.b64decode(text, validate=True) for text in chain]
    except ValueError:
        return []


def _may_issue(certificate: "Certificate", intermediates_below: int) -> bool:
    """Return whether a certificate may sign others, with this many intermediates below it."""
    from cryptography.x509 import BasicConstraints, ExtensionNotFound, KeyUsage  # noqa: PLC0415

    try:
        constraints = certificate.extensions.get_extension_for_class(BasicConstraints).value
    except ExtensionNotFound:
        return False
    try:
        may_sign = certificate.extensions.get_extension_for_class(KeyUsage).value.key_cert_sign
    except ExtensionNotFound:
        may_sign = True
    longest = constraints.path_length
    return constraints.ca and may_sign and (longest is None or intermediates_below <= longest)


def _has(certificate: "Certificate", oid: str) -> bool:
    return any(extension.oid.dotted_string == oid for extension in certificate.extensions)
