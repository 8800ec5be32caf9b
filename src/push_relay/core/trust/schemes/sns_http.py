"""Amazon SNS over HTTP(S): an RSA signature inside the JSON, by a certificate that SNS serves.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
Tested against AWS's own validator and its recorded messages:
https://github.com/aws/aws-sdk-java-v2/tree/master/services-custom/sns-message-manager
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, SignatureMissing
from push_relay.core.strict_json import JsonObject, Limits, parse_object
from push_relay.core.trust.schemes.moment import iso8601, require_fresh
from push_relay.core.trust.schemes.proof import (
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    from_base64,
    require,
)
from push_relay.core.trust.verify_table import TOLERANCE_SECS, VerifySnsHttp

if TYPE_CHECKING:
    from push_relay.core.trust.public_keys import PublicKey

#: Bytes of a body, which is parsed before it is verified: a message of the largest size that a topic may
#: allow (1 MiB), each character escaped, and the envelope.
#: https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html
MAX_BYTES = 2 * 1024 * 1024 + 64 * 1024
#: An envelope has some ten members, and three parts for each message attribute.
_LIMITS = Limits(depth=10, parts=10_000, text=MAX_BYTES)
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_ALGORITHMS = {"1": "rsa-pkcs1-sha1", "2": "rsa-pkcs1-sha256"}
_MESSAGE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_TOPIC = re.compile(r"arn:(aws[a-z-]*):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
_CERTIFICATE = re.compile(r"SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
# The subjects that AWS's validator accepts: sns.amazonaws.com, sns-signing.<region>.amazonaws.com and so on.
_SUBJECT = re.compile(r"sns(-signing)?([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?")


def sns_http(table: VerifySnsHttp) -> Scheme:
    """Make the scheme; `registry.sns_http` describes it."""
    return Scheme(partial(_verify, tolerance=table.tolerance_secs, minimum=table.minimum_version))


def _verify(request: SignedRequest, evidence: Evidence, *, tolerance: float, minimum: int) -> Verified:
    message = _message(request.body)
    version = _text(message, "SignatureVersion")
    require(version in _ALGORITHMS and int(version) >= minimum)
    signature = from_base64(_text(message, "Signature"))
    signed, event_id = _canonical(message), _text(message, "MessageId")
    require(bool(signature) and _MESSAGE_ID.fullmatch(event_id) is not None)
    # Before the signature, because that costs a fetch. The answer reveals only what the sender wrote.
    require_fresh(
        iso8601(_text(message, "Timestamp")), evidence.now, tolerance, min(tolerance, TOLERANCE_SECS)
    )
    address = _certificate_address(message, evidence)
    require(evidence.certificate is not None)
    key = _public_key(evidence.certificate(address), evidence.now) if evidence.certificate else None
    require(key is not None and key.fits(_ALGORITHMS[version], signature or b"", signed))
    return Verified(signed, event_id)


def _message(body: bytes) -> JsonObject:
    if len(body) > MAX_BYTES:
        raise PayloadTooLarge(f"the body is larger than an SNS message of {MAX_BYTES} bytes")
    try:
        message = parse_object(body, limits=_LIMITS)
    except MalformedRequest:
        message = {"Signature": None}  # an unreadable body proves nothing
    if "Signature" not in message:
        raise SignatureMissing("the request is not signed")
    return message


def _text(message: Mapping[str, object], name: str) -> str:
    """Return a field of one line. Only the Message may have several, so that one reading fits."""
    value = message.get(name)
    require(isinstance(value, str) and "\n" not in value)
    # A person writes the subject; SNS writes the other fields.
    require(name == "Subject" or str(value).isascii())
    return str(value)


def _canonical(message: JsonObject) -> bytes:
    names = _SIGNED.get(_text(message, "Type"), ())
    require(bool(names) and isinstance(message.get("Message"), str))
    lines = []
    for name in names:
        if name != "Subject" or name in message:
            lines += [name, message[name] if name == "Message" else _text(message, name)]
    return "\n".join([*lines, ""]).encode()


def endpoint(topic: object) -> str | None:
    """Return the address of SNS in a topic's region, to its first slash; None if it is not a topic's ARN."""
    arn = _TOPIC.fullmatch(topic) if isinstance(topic, str) else None
    if arn is None:
        return None
    partition, region = arn.groups()
    return f"https://sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}/"


def _certificate_address(message: JsonObject, evidence: Evidence) -> str:
    """Return the certificate's URL, if it is SNS's in the region of the allow-listed topic."""
    topic, address = _text(message, "TopicArn"), _text(message, "SigningCertURL")
    host = endpoint(topic)
    require(host is not None and topic in evidence.topics)
    file = address.removeprefix(host or "")
    require(file != address and _CERTIFICATE.fullmatch(file) is not None)
    return address


def _public_key(pem: bytes, now: float) -> "PublicKey | None":
    # Imported here, so that only a relay that SNS calls pays for it.
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    from push_relay.core.trust.public_keys import key_of, read_certificate  # noqa: PLC0415

    try:
        certificate = read_certificate(pem)
        if certificate is None:
            return None
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = key_of(certificate)
    except ValueError:
        return None
    ours = len(names) == 1 and _SUBJECT.fullmatch(str(names[0].value)) is not None
    return key if ours and key.is_valid(now) else None
