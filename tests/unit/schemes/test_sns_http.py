"""SNS over HTTP: the certificate, the topic, the signed fields, and that nothing is fetched for a forger."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from push_relay.core.errors import (
    CredentialsUnavailable,
    PayloadTooLarge,
    SignatureInvalid,
    Stale,
    Unauthenticated,
)
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.schemes.sns_http import MAX_BYTES
from signers import CASES, Place, ed25519_pairs
from sns_sender import (
    CERTIFICATE,
    NOW,
    TOPIC,
    Request,
    certificate,
    iso_ms,
    rsa_pair,
    sns_message,
    sns_signed,
)

VERIFY = read_scheme({"scheme": "sns-http"})
CASE = next(case for case in CASES if case.name == "sns-http version 2")
EVIDENCE = CASE.evidence()


def signed(**fields: str | None) -> Request:
    """Return a notification with these fields, signed by SNS."""
    return sns_signed(sns_message(b"planted", **fields), b"sns")


def unreachable(address: str) -> bytes:
    """Fail the test, because no certificate may be fetched."""
    raise AssertionError(address)


@pytest.mark.parametrize(
    "address",
    [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("https://", "https://user@"),
        CERTIFICATE.replace("https://", "HTTPS://"),
        CERTIFICATE.replace("eu-west-1", "us-east-1"),
        CERTIFICATE.replace("eu-west-1", "s3-eu-west-1"),
        CERTIFICATE.replace(".eu-west-1", ""),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.cn"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE.replace("amazonaws.com/", "amazonaws.com:444/"),
        CERTIFICATE.replace("amazonaws.com/", "amazonaws.com@evil.example/"),
        CERTIFICATE.replace("sns.", "s\u0578s."),
        CERTIFICATE.replace("sns.", "x.sns."),
        CERTIFICATE.replace("/Simple", "/../Simple"),
        CERTIFICATE.replace("/Simple", "//Simple"),
        CERTIFICATE.replace("/Simple", "/?Action=x&Simple"),
        CERTIFICATE.replace(".pem", ".pem?x=.pem"),
        CERTIFICATE.replace(".pem", ".pem\n"),
        CERTIFICATE.replace(".pem", ".PEM"),
        CERTIFICATE.replace(".pem", "%2e.pem"),
        "",
        "https://evil.example/#" + CERTIFICATE,
        CERTIFICATE.rpartition("/")[2],
    ],
)
def test_a_certificate_from_anywhere_else_is_not_fetched(address: str) -> None:
    """The certificate decides the key, so its URL must be that of SNS in the topic's region."""
    with pytest.raises(SignatureInvalid):
        VERIFY(signed(SigningCertURL=address), replace(EVIDENCE, certificate=unreachable))


@pytest.mark.parametrize(
    "topic",
    [
        TOPIC.replace("planted", "other"),
        TOPIC.replace("123456789012", "210987654321"),
        TOPIC + " ",
        TOPIC.upper(),
        "",
        "*",
    ],
)
def test_a_topic_outside_the_allow_list_is_refused(topic: str) -> None:
    """SNS signs the topics of all customers with the same key. No certificate is fetched for them."""
    with pytest.raises(SignatureInvalid):
        VERIFY(signed(TopicArn=topic), replace(EVIDENCE, certificate=unreachable))


def test_nothing_is_accepted_without_a_list_of_topics() -> None:
    """An empty list does not mean all topics. Nothing is accepted without certificates either."""
    for evidence in (replace(EVIDENCE, topics=frozenset()), replace(EVIDENCE, certificate=None)):
        with pytest.raises(SignatureInvalid):
            VERIFY(signed(), evidence)


@pytest.mark.parametrize(
    ("arn", "region"),
    [
        ("arn:aws:sns:s3-eu-west-1:123456789012:t", "s3-eu-west-1"),
        ("arn:aws:sns:x.evil/:123456789012:t", "x.evil/"),
        (TOPIC + "/x", "eu-west-1"),
        (TOPIC.replace("123456789012", "planted"), "eu-west-1"),
        ("planted", ""),
    ],
)
def test_an_invalid_topic_in_the_list_is_refused(arn: str, region: str) -> None:
    """Its region becomes part of a host name, and `sns.s3-eu-west-1` would be a stranger's bucket."""
    request = signed(TopicArn=arn, SigningCertURL=CERTIFICATE.replace("eu-west-1", region))
    with pytest.raises(SignatureInvalid):
        VERIFY(request, replace(EVIDENCE, certificate=unreachable, topics=frozenset({arn})))


def test_the_certificate_of_a_chinese_topic_is_fetched_from_china() -> None:
    """The partition in the topic's ARN determines the domain."""
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:planted"
    address = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-01.pem"
    pem = certificate(rsa_pair()[0], "sns-cn-north-1.amazonaws.com.cn")
    evidence = replace(EVIDENCE, topics=frozenset({topic}), certificate={address: pem}.__getitem__)
    VERIFY(signed(TopicArn=topic, SigningCertURL=address), evidence)


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws-iso", "us-iso-east-1", "c2s.ic.gov"),
        ("aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov"),
        ("aws-iso-e", "eu-isoe-west-1", "cloud.adc-e.uk"),
        ("aws-iso-f", "us-isof-south-1", "csp.hci.ic.gov"),
        ("aws-eusc", "eusc-de-east-1", "amazonaws.eu"),
    ],
)
def test_a_topic_of_an_isolated_or_sovereign_partition_is_refused(
    partition: str, region: str, domain: str
) -> None:
    """The relay does not support their domains, so nothing is fetched even if the topic is in the list."""
    topic = f"arn:{partition}:sns:{region}:123456789012:planted"
    address = f"https://sns.{region}.{domain}/SimpleNotificationService-01.pem"
    evidence = replace(EVIDENCE, topics=frozenset({topic}), certificate=unreachable)
    with pytest.raises(SignatureInvalid):
        VERIFY(signed(TopicArn=topic, SigningCertURL=address), evidence)


@pytest.mark.parametrize(
    "pem",
    [
        lambda: certificate(rsa_pair()[1], "sns.amazonaws.com"),
        lambda: certificate(rsa_pair()[0], "evil.example"),
        lambda: certificate(rsa_pair()[0], "sns.amazonaws.com.evil.example"),
        lambda: certificate(rsa_pair()[0], "evilsns.amazonaws.com"),
        lambda: certificate(rsa_pair()[0], "sns.amazonaws.com", NOW - 100 * 86_400, 99),
        lambda: certificate(rsa_pair()[0], "sns.amazonaws.com", NOW + 1),
        lambda: certificate(next(iter(ed25519_pairs().values())), "sns.amazonaws.com"),
        lambda: b"",
        lambda: b"<html>Not Found</html>",
        lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_certificate_that_is_not_sns_s_is_refused(pem: Callable[[], bytes]) -> None:
    """It has another key, name or kind, is expired or not yet valid, or is not a certificate at all."""
    with pytest.raises(SignatureInvalid):
        VERIFY(signed(), replace(EVIDENCE, certificate=lambda _address: pem()))


@pytest.mark.parametrize(
    "fields",
    [
        {"Type": "Notice"},
        {"Type": "notification"},
        {"MessageId": None},
        {"MessageId": "a/b"},
        {"MessageId": ""},
        {"SignatureVersion": "3"},
        {"SignatureVersion": ""},
        {"Timestamp": ""},
        {"Message": None},
        {"SigningCertURL": None},
        {"TopicArn": None},
        {"Subject": "two\nlines"},
        {"Subject": "\nForged\nline"},
        {"MessageId": "é"},
        {"Timestamp": "é"},
        {"MessageId": "0\nSubject\nx"},
    ],
)
def test_a_message_of_another_shape_is_refused_before_anything_is_fetched(
    fields: dict[str, str | None],
) -> None:
    """SNS separates the signed fields by line breaks only, so no field except Message may contain one."""
    message = sns_message(b"planted", **fields)
    request = Request(json.dumps(message | {"Signature": "QUJD"}).encode())
    with pytest.raises(SignatureInvalid):
        VERIFY(request, replace(EVIDENCE, certificate=unreachable))


def test_a_subject_may_be_in_any_script() -> None:
    """SNS accepts UTF-8 without line breaks (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""
    assert VERIFY(signed(Subject="Überhitzt: 溫度 🔥"), EVIDENCE)


@pytest.mark.parametrize("field", ["Message", "Subject", "Timestamp", "Signature", "TopicArn", "Type"])
@pytest.mark.parametrize("value", [None, 1, [], {}, True])
def test_a_field_that_is_not_a_text_is_refused(field: str, value: object) -> None:
    """The refusal is a normal one, and not an unexpected exception."""
    document = json.loads(signed().body) | {field: value}
    with pytest.raises(Unauthenticated):
        VERIFY(Request(json.dumps(document).encode()), replace(EVIDENCE, certificate=unreachable))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'"Signature"', b"[" * 5000])
def test_a_body_that_is_not_an_object_is_refused(body: bytes) -> None:
    """The refusal is a normal one, and not an unexpected exception."""
    with pytest.raises(SignatureInvalid):
        VERIFY(Request(body), EVIDENCE)


def test_a_body_beyond_the_limit_of_sns_is_too_large() -> None:
    """A message can have 1 MiB. The body has to be parsed before it is verified, so it must be limited."""
    largest = sns_signed(sns_message(b'"' * 1024 * 1024), b"sns")
    assert len(largest.body) > 2 * 1024 * 1024
    VERIFY(largest, EVIDENCE)
    with pytest.raises(PayloadTooLarge):
        VERIFY(replace(largest, body=largest.body + b" " * (MAX_BYTES + 1 - len(largest.body))), EVIDENCE)


def test_the_number_of_parts_in_a_body_is_limited() -> None:
    """Message attributes are not signed, so anyone could add thousands of them."""
    attributes: dict[str, object] = {
        f"a{number}": {"Type": "String", "Value": "x"} for number in range(1_000)
    }
    document = json.loads(signed().body)
    VERIFY(Request(json.dumps(document | {"MessageAttributes": attributes}).encode()), EVIDENCE)
    many = document | {"MessageAttributes": [[]] * 10_000}
    with pytest.raises(Unauthenticated):
        VERIFY(Request(json.dumps(many).encode()), EVIDENCE)


def test_unsigned_fields_do_not_change_the_event() -> None:
    """A forger can change `MessageAttributes` and `UnsubscribeURL` of a genuine message."""
    genuine = signed()
    document = json.loads(genuine.body) | {"MessageAttributes": {"x": {}}, "UnsubscribeURL": "https://evil/"}
    forged = Request(json.dumps(document, indent=1).encode())
    assert VERIFY(forged, EVIDENCE) == VERIFY(genuine, EVIDENCE)


def test_no_certificate_is_fetched_for_a_stale_message() -> None:
    """SNS retries for at most an hour. A timestamp in the future is accepted up to 300 seconds."""
    for moment in (NOW - 3601, NOW + 301):
        with pytest.raises(Stale):
            VERIFY(signed(Timestamp=iso_ms(moment)), replace(EVIDENCE, certificate=unreachable))


def test_a_source_can_require_sha256() -> None:
    """Version 1 signs with SHA-1, which need not be accepted if the topic uses version 2."""
    strict = read_scheme({"scheme": "sns-http", "minimum_version": 2})
    strict(signed(), EVIDENCE)
    with pytest.raises(SignatureInvalid):
        strict(signed(SignatureVersion="1"), EVIDENCE)


def test_a_failure_to_fetch_a_certificate_is_raised() -> None:
    """The sender is not at fault, so the error leads to a retry and not to a refusal."""

    def fetch(_address: str) -> bytes:
        raise CredentialsUnavailable("the certificate cannot be fetched")

    with pytest.raises(CredentialsUnavailable):
        VERIFY(signed(), replace(EVIDENCE, certificate=fetch))


def test_the_url_of_a_confirmation_is_signed() -> None:
    """The relay calls SNS to confirm a subscription, so a forger must not be able to change the URL."""
    case = next(case for case in CASES if case.name == "sns-http confirmation")
    forged = Place("json", "SubscribeURL").write(case.genuine(), "https://evil.example/")
    with pytest.raises(SignatureInvalid):
        VERIFY(forged, EVIDENCE)
