"""SNS over HTTP: whose certificate, whose topic, what is signed, and that nothing is fetched for a forger."""

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
    """Return a notification that SNS has signed, with these fields."""
    return sns_signed(sns_message(b"planted", **fields), b"sns")


def unreachable(address: str) -> bytes:
    """Fail: a certificate must not be fetched."""
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
    """Whoever chooses the certificate chooses the key: the address is pinned to the topic's region."""
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
def test_a_topic_that_is_not_allow_listed_is_refused(topic: str) -> None:
    """Everybody's topics are signed by the same key; only the deployer's count. Nothing is fetched."""
    with pytest.raises(SignatureInvalid):
        VERIFY(signed(TopicArn=topic), replace(EVIDENCE, certificate=unreachable))


def test_without_allow_listed_topics_nobody_is_let_in() -> None:
    """An empty list is no wildcard, and neither is a lack of certificates."""
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
def test_an_allow_listed_topic_that_is_no_topic_pins_nothing(arn: str, region: str) -> None:
    """A slip in the list must not become an address: `sns.s3-eu-west-1` would be somebody's bucket."""
    request = signed(TopicArn=arn, SigningCertURL=CERTIFICATE.replace("eu-west-1", region))
    with pytest.raises(SignatureInvalid):
        VERIFY(request, replace(EVIDENCE, certificate=unreachable, topics=frozenset({arn})))


def test_a_chinese_topic_has_its_certificate_in_china() -> None:
    """The partition decides the domain."""
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
    """Their domains are none that the relay knows: nothing is fetched there, though the topic is listed."""
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
def test_a_certificate_that_is_not_sns_s_proves_nothing(pem: Callable[[], bytes]) -> None:
    """Another key, name or kind; expired; not yet valid; not a certificate."""
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
    """Field names and lines are all that parts the fields: only the Message may have several lines."""
    message = sns_message(b"planted", **fields)
    request = Request(json.dumps(message | {"Signature": "QUJD"}).encode())
    with pytest.raises(SignatureInvalid):
        VERIFY(request, replace(EVIDENCE, certificate=unreachable))


def test_a_subject_may_be_in_any_script() -> None:
    """SNS takes UTF-8 without line breaks (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""
    assert VERIFY(signed(Subject="Überhitzt: 溫度 🔥"), EVIDENCE)


@pytest.mark.parametrize("field", ["Message", "Subject", "Timestamp", "Signature", "TopicArn", "Type"])
@pytest.mark.parametrize("value", [None, 1, [], {}, True])
def test_a_field_that_is_no_text_is_refused(field: str, value: object) -> None:
    """And never an error."""
    document = json.loads(signed().body) | {field: value}
    with pytest.raises(Unauthenticated):
        VERIFY(Request(json.dumps(document).encode()), replace(EVIDENCE, certificate=unreachable))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'"Signature"', b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """A forger's JSON is no error of ours."""
    with pytest.raises(SignatureInvalid):
        VERIFY(Request(body), EVIDENCE)


def test_a_body_that_no_topic_allows_is_refused_by_its_size() -> None:
    """A topic may allow 1 MiB; it is parsed before anybody has proven anything."""
    largest = sns_signed(sns_message(b'"' * 1024 * 1024), b"sns")
    assert len(largest.body) > 2 * 1024 * 1024
    VERIFY(largest, EVIDENCE)
    with pytest.raises(PayloadTooLarge):
        VERIFY(replace(largest, body=largest.body + b" " * (MAX_BYTES + 1 - len(largest.body))), EVIDENCE)


def test_a_body_with_more_parts_than_an_envelope_has_is_refused() -> None:
    """Message attributes are not signed; thousands of them are a stranger's."""
    attributes: dict[str, object] = {
        f"a{number}": {"Type": "String", "Value": "x"} for number in range(1_000)
    }
    document = json.loads(signed().body)
    VERIFY(Request(json.dumps(document | {"MessageAttributes": attributes}).encode()), EVIDENCE)
    many = document | {"MessageAttributes": [[]] * 10_000}
    with pytest.raises(Unauthenticated):
        VERIFY(Request(json.dumps(many).encode()), EVIDENCE)


def test_what_the_signature_does_not_cover_is_not_in_what_is_signed() -> None:
    """MessageAttributes and UnsubscribeURL are a forger's to change: the event stays the same."""
    genuine = signed()
    document = json.loads(genuine.body) | {"MessageAttributes": {"x": {}}, "UnsubscribeURL": "https://evil/"}
    forged = Request(json.dumps(document, indent=1).encode())
    assert VERIFY(forged, EVIDENCE) == VERIFY(genuine, EVIDENCE)


def test_an_old_message_is_fetched_no_certificate_for() -> None:
    """SNS retries for an hour at most; the past may be that far, the future 300 seconds."""
    for moment in (NOW - 3601, NOW + 301):
        with pytest.raises(Stale):
            VERIFY(signed(Timestamp=iso_ms(moment)), replace(EVIDENCE, certificate=unreachable))


def test_a_source_may_ask_for_sha256() -> None:
    """Version 1 signs SHA-1; whoever has set the topic to 2 need not take it."""
    strict = read_scheme({"scheme": "sns-http", "minimum_version": 2})
    strict(signed(), EVIDENCE)
    with pytest.raises(SignatureInvalid):
        strict(signed(SignatureVersion="1"), EVIDENCE)


def test_that_a_certificate_cannot_be_fetched_is_not_the_sender_s_fault() -> None:
    """What the fetch raises passes through: the sender is to try again."""

    def fetch(_address: str) -> bytes:
        raise CredentialsUnavailable("the certificate cannot be fetched")

    with pytest.raises(CredentialsUnavailable):
        VERIFY(signed(), replace(EVIDENCE, certificate=fetch))


def test_a_confirmation_s_address_is_signed() -> None:
    """Whoever confirms a subscription calls the address that SNS has signed."""
    case = next(case for case in CASES if case.name == "sns-http confirmation")
    forged = Place("json", "SubscribeURL").write(case.genuine(), "https://evil.example/")
    with pytest.raises(SignatureInvalid):
        VERIFY(forged, EVIDENCE)
