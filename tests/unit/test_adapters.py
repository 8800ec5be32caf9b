"""The adapters on AWS: what they ask for, and every exception of a third party's translated."""

import json
import math
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore import exceptions as boto

from ports import CREDENTIALS, Clock, PushApi
from push_relay.adapters import aws
from push_relay.adapters.dynamodb.calls import DynamoDbCallCounter
from push_relay.adapters.dynamodb.cooldown import DynamoDbCooldown
from push_relay.adapters.dynamodb.leases import DynamoDbLeaseRecord
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.process import SystemClock, Threads
from push_relay.adapters.queue import MAX_DELAY, MAX_VISIBILITY, SqsQueue
from push_relay.adapters.secrets import read_secret
from push_relay.core.account import Account
from push_relay.core.delivery.cooldown import Cooldown
from push_relay.core.delivery.credentials import StoredPushCredentials
from push_relay.core.delivery.daily_quota import DailyQuota
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.ledger import LEDGER_MEMORY_SECS, Claim
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.share import SharedConnections
from push_relay.core.errors import (
    ConfigurationInvalid,
    CredentialsUnavailable,
    LedgerUnavailable,
    PayloadTooLarge,
    QueueUnavailable,
    RelayError,
)
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.core.queue_format import MAX_MESSAGE
from push_relay.core.secret import MIN_REFETCH_SECS, CachedSecret
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from push_relay.settings import DeliveryMode, Settings

EVENT = Event("bakery", "e-1", "baked", {"a": 1}, 1.0, "i")
PUSH = Push(Recipient(RecipientKind.USER, "1"), Wording("t", "b"), "k")
PARKED = Receipt("bakery", "e-1", Outcome.PARKED, error_code="vendor_throttled")
RECORD = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo", "receiptHandle": "h"}


def client_error(code: str, **more: Any) -> boto.ClientError:
    """Return what botocore raises for an answer."""
    return boto.ClientError({"Error": {"Code": code, "Message": "planted"}, **more}, "Operation")


class Client:
    """An AWS client that notes its calls, and raises what it is told to."""

    def __init__(self) -> None:
        """Take everything."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.answer: dict[str, Any] = {}

    def __getattr__(self, operation: str) -> Any:
        """Return an operation."""

        def call(**arguments: Any) -> dict[str, Any]:
            self.calls.append((operation, arguments))
            if self.error:
                raise self.error
            return self.answer

        return call


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Stand in for every AWS client."""
    fake = Client()
    for service in ("sqs", "dynamodb", "secretsmanager"):
        monkeypatch.setitem(aws._clients, service, fake)
    return fake


THIRD_PARTY = [
    client_error("ThrottlingException"),
    client_error("AccessDeniedException"),
    client_error("ResourceNotFoundException"),
    client_error("InternalServerError"),
    boto.EndpointConnectionError(endpoint_url="planted"),
    boto.ConnectTimeoutError(endpoint_url="planted"),
    boto.ReadTimeoutError(endpoint_url="planted"),
    boto.ConnectionClosedError(endpoint_url="planted"),
    boto.NoCredentialsError(),
    boto.NoRegionError(),
    boto.ParamValidationError(report="planted"),
    boto.HTTPClientError(error="planted"),
]
NOW = 1000.5
QUEUE = SqsQueue("queue", "dead", lambda: NOW)
TABLE = LedgerTable("table")
LEDGER = DynamoDbLedger(TABLE, lambda: NOW)
COOLDOWN = DynamoDbCooldown(TABLE, "default", lambda: NOW)
CONNECTIONS = SharedConnections(
    lambda worker: DynamoDbLeaseRecord(TABLE, "default", 3, worker, lambda: NOW),
    Account(),
    lambda: NOW,
    lambda _seconds: None,
)
QUOTA = DailyQuota(
    PushApi(),
    DynamoDbCallCounter(TABLE, "default", lambda: NOW),
    Quota(Account()),
    Clock(NOW),
    lambda _calls, _limit: None,
)


def hold() -> None:
    """Hold a connection, and give it back."""
    with CONNECTIONS.held(1, lambda: 30.0) as share, share.connection(urgent=False):
        pass


CALLS = [
    (lambda: QUEUE.put(EVENT), QueueUnavailable),
    (lambda: QUEUE.dead_letter("b", {}, "c", "i"), QueueUnavailable),
    (lambda: QUEUE.requeue(EVENT, 2, NOW, "c"), QueueUnavailable),
    (lambda: QUEUE.copy(RECORD, 1, NOW), QueueUnavailable),
    (lambda: QUEUE.delay([RECORD], 1), QueueUnavailable),
    (lambda: QUEUE.delete(RECORD), QueueUnavailable),
    (lambda: LEDGER.claim("k", 1), LedgerUnavailable),
    (lambda: LEDGER.settle("k", Outcome.DELIVERED), LedgerUnavailable),
    (lambda: LEDGER.release("k", PARKED), LedgerUnavailable),
    (lambda: LEDGER.note_window("k", "w"), LedgerUnavailable),
    (hold, LedgerUnavailable),
    (lambda: QUOTA.send(PUSH, CREDENTIALS, "-", 1), LedgerUnavailable),
    (lambda: TABLE.get(Key={}), LedgerUnavailable),
    (COOLDOWN.read, LedgerUnavailable),
    (lambda: COOLDOWN.swap(Cooldown(), Cooldown(stamp="s")), LedgerUnavailable),
    (lambda: read_secret("arn"), CredentialsUnavailable),
]
NAMES = [
    *("put", "dead_letter", "requeue", "copy", "delay", "delete", "claim", "settle", "release"),
    *("note_window", "connections", "quota", "get", "cooldown read", "cooldown swap", "read_secret"),
]


@pytest.mark.parametrize("error", THIRD_PARTY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("call", "translated"), CALLS, ids=NAMES)
def test_every_third_party_exception_is_translated(
    client: Client, call: Any, translated: type[RelayError], error: Exception
) -> None:
    """Into the port's own, which names the kind of error and quotes nothing."""
    client.error = error
    with pytest.raises(translated) as raised:
        call()
    assert "planted" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(("call", "translated"), CALLS, ids=NAMES)
def test_a_client_that_cannot_be_made_is_translated_too(
    monkeypatch: pytest.MonkeyPatch, call: Any, translated: type[RelayError]
) -> None:
    """A machine without region or credentials is as bad as a service that is down."""

    def fail() -> Any:
        raise boto.NoRegionError

    for service in ("sqs", "dynamodb", "secretsmanager"):
        monkeypatch.setattr(aws, service, fail)
    with pytest.raises(translated):
        call()


def test_an_event_is_queued_with_its_attributes(client: Client) -> None:
    """They say that it is verified, and whose it is."""
    QUEUE.put(EVENT)
    ((operation, asked),) = client.calls
    assert (operation, asked["QueueUrl"], asked["DelaySeconds"]) == ("send_message", "queue", 0)
    told = {name: value["StringValue"] for name, value in asked["MessageAttributes"].items()}
    assert told == {"push-relay-event": "1", "source": "bakery"}


@pytest.mark.parametrize(
    ("due", "delay"), [(NOW - 9, 0), (NOW, 0), (NOW + 0.2, 1), (NOW + 60, 60), (NOW + 86_400, MAX_DELAY)]
)
def test_an_event_is_parked_for_as_long_as_sqs_delays(client: Client, due: float, delay: int) -> None:
    """With its next attempt and the moment that it is due, so that what comes too early can be told."""
    QUEUE.requeue(EVENT, 3, due, "vendor_throttled")
    ((operation, asked),) = client.calls
    assert (operation, asked["QueueUrl"], asked["DelaySeconds"]) == ("send_message", "queue", delay)
    told = {name: value["StringValue"] for name, value in asked["MessageAttributes"].items()}
    ours = {"attempt": "3", "due": str(math.ceil(due)), "error_code": "vendor_throttled"}
    assert told == {"push-relay-event": "1", "source": "bakery", **ours}


def test_an_event_that_no_message_holds_is_refused(client: Client) -> None:
    """Before SQS does: what is random cannot be compressed."""
    noise = random.Random(0).randbytes(2 * MAX_MESSAGE).hex()  # noqa: S311 (repeatable)
    with pytest.raises(PayloadTooLarge):
        QUEUE.put(Event("bakery", "1", "", {"a": noise}, 1.0, "i"))
    assert not client.calls


def test_an_event_that_only_fits_compressed_is_compressed(client: Client) -> None:
    """It comes out as it went in."""
    event = Event("bakery", "1", "", {"a": "é" * MAX_MESSAGE}, 1.0, "i")
    QUEUE.put(event)
    ((_, asked),) = client.calls
    assert len(asked["MessageBody"]) < MAX_MESSAGE
    named = {
        name: {"stringValue": value["StringValue"]} for name, value in asked["MessageAttributes"].items()
    }
    assert unwrap_sqs({"body": asked["MessageBody"], "messageAttributes": named, "messageId": "m"}) == event


def test_a_dead_message_says_why_and_when(client: Client) -> None:
    """Beside its own attributes; an empty body is none to SQS."""
    QUEUE.dead_letter("", {"source": "bakery", "empty": ""}, "mapping_failed", "e-1")
    ((_, asked),) = client.calls
    told = {name: value["StringValue"] for name, value in asked["MessageAttributes"].items()}
    assert (asked["QueueUrl"], asked["MessageBody"]) == ("dead", "null")
    assert told.pop("failed_at").endswith("+00:00")
    assert told == {"source": "bakery", "error_code": "mapping_failed", "event_id": "e-1"}


def test_a_dead_message_keeps_within_what_sqs_takes(client: Client) -> None:
    """Ten attributes: why it died goes before what it brought along."""
    QUEUE.dead_letter("b", {f"a{i}": "x" for i in range(10)} | {"source": "s"}, "mapping_failed", "e-1")
    attributes = client.calls[0][1]["MessageAttributes"]
    assert len(attributes) <= 10
    assert {"error_code", "event_id", "failed_at", "source"} <= set(attributes)


@pytest.mark.parametrize(("delay", "asked"), [(0.4, 1), (-5, 0), (90.6, 91), (10**9, MAX_VISIBILITY)])
def test_a_message_is_hidden_for_as_long_as_sqs_can(client: Client, delay: float, asked: int) -> None:
    """Twelve hours from when it was received."""
    QUEUE.delay([RECORD], delay)
    assert [entry["VisibilityTimeout"] for entry in client.calls[0][1]["Entries"]] == [asked]


def test_more_messages_than_a_batch_call_takes_are_hidden_in_several(client: Client) -> None:
    """SQS takes ten entries, with ids that differ."""
    QUEUE.delay([{**RECORD, "receiptHandle": str(number)} for number in range(11)], 5)
    entries = [asked["Entries"] for _, asked in client.calls]
    assert [len(each) for each in entries] == [10, 1]
    assert [entry["ReceiptHandle"] for each in entries for entry in each] == [str(n) for n in range(11)]
    assert len({entry["Id"] for entry in entries[0]}) == 10


def test_a_message_that_sqs_does_not_hide_is_reported(client: Client) -> None:
    """A batch call succeeds although single entries fail."""
    client.answer = {"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": True}]}
    with pytest.raises(QueueUnavailable, match="did not hide all"):
        QUEUE.delay([RECORD], 1)


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        (RECORD["eventSourceARN"], "https://sqs.eu-west-1.amazonaws.com/123456789012/theirs.fifo"),
        ("arn:aws-cn:sqs:cn-north-1:1:q", "https://sqs.cn-north-1.amazonaws.com.cn/1/q"),
        ("arn:aws-us-gov:sqs:us-gov-west-1:1:q", "https://sqs.us-gov-west-1.amazonaws.com/1/q"),
    ],
)
def test_a_message_is_hidden_and_deleted_in_the_queue_that_it_came_from(
    client: Client, arn: str, url: str
) -> None:
    """Which may be somebody else's: a record names it by its ARN alone."""
    QUEUE.delay([{**RECORD, "eventSourceARN": arn}], 1)
    QUEUE.delete({**RECORD, "eventSourceARN": arn})
    assert client.calls == [
        (
            "change_message_visibility_batch",
            {"QueueUrl": url, "Entries": [{"Id": "0", "ReceiptHandle": "h", "VisibilityTimeout": 1}]},
        ),
        ("delete_message", {"QueueUrl": url, "ReceiptHandle": "h"}),
    ]


def test_a_claim_is_one_conditional_write(client: Client) -> None:
    """The lease and the item's end are whole seconds, the lease rounded up, and two for clocks."""
    assert LEDGER.claim("key", 28.2) is Claim.GRANTED
    ((_, asked),) = client.calls
    values = asked["ExpressionAttributeValues"]
    assert (values[":lease"]["N"], values[":expires"]["N"]) == ("1031", str(1000 + LEDGER_MEMORY_SECS))
    assert "ConditionExpression" in asked


@pytest.mark.parametrize(
    ("status", "claim"), [("claimed", Claim.HELD), ("delivered", Claim.SETTLED), ("failed", Claim.FAILED)]
)
def test_what_stands_in_the_way_is_a_claim_or_an_end(client: Client, status: str, claim: Claim) -> None:
    """DynamoDB tells it along with the failed condition."""
    client.error = client_error("ConditionalCheckFailedException", Item={"status": {"S": status}})
    assert LEDGER.claim("key", 1) is claim


def test_a_claim_that_another_has_taken_over_is_left_to_it(client: Client) -> None:
    """Settling and giving back are the owner's alone, and failing them is no trouble."""
    client.error = client_error("ConditionalCheckFailedException")
    LEDGER.settle("key", Outcome.DELIVERED)
    LEDGER.release("key", PARKED)
    assert len(client.calls) == 2
    assert all(":owner" in asked["ExpressionAttributeValues"] for _, asked in client.calls)


def secret(read: Callable[[], str]) -> CachedSecret:
    """Return a secret that is read in this way."""
    return CachedSecret(read, lambda: NOW, lambda: NOW)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": "x"}', [b"x"]),
        ('{"a": ["new", "old"]}', [b"new", b"old"]),
        ('{"a": ["x", ""]}', [b"x", b""]),
        ('{"a": ["x", null, 1.5]}', [b"x", b"", b""]),
        ('{"a": 47}', [b"47"]),
        ('{"a": [47, "x"]}', [b"47", b"x"]),
        ('{"a": " x\\n"}', [b" x\n"]),
        ('\ufeff{"a": "x"}\r\n', [b"x"]),
        ('\'{"a": "x"}\'', [b"x"]),
        ('"{\\"a\\": \\"x\\"}"', [b"x"]),
        ('{" A\u00a0": "x"}', [b"x"]),
        ('{"A": "y", "a": "x"}', [b"x"]),
    ],
)
def test_a_sources_signing_secrets_are_one_or_several(text: str, found: list[bytes]) -> None:
    """While they are changed there are two. What people's tools put round JSON is not a part of it."""
    assert StoredSigningSecrets(secret(lambda: text)).of("a") == found


@pytest.mark.parametrize(
    "text",
    ["", "planted", "[]", "null", "{}", '{"b": "planted"}']
    + [
        f'{{"a": {value}}}'
        for value in ('""', "[]", '[""]', "[7.5]", "true", "{}", "null", '"planted\\ud800"')
    ]
    + ['{"A": "planted", " a": "planted"}', "'planted'", '"planted"', "[" * 100_000],
)
def test_signing_secrets_of_another_shape_let_nobody_in(text: str) -> None:
    """It fails closed, and shows nothing of them."""
    with pytest.raises(CredentialsUnavailable) as refused:
        StoredSigningSecrets(secret(lambda: text)).of("a")
    assert "planted" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    ["planted", "[]", "{}"]
    + [
        json.dumps({"CompanyId": c, "IntegrationKey": k})
        for c, k in (("planted", "k"), ("", "k"), (True, "k"), (1.5, "k"), (1, ""), (1, "\n"), (1, None))
    ],
)
def test_push_credentials_of_another_shape_are_unavailable(text: str) -> None:
    """Parked until somebody mends them."""
    with pytest.raises(CredentialsUnavailable) as refused:
        StoredPushCredentials(secret(lambda: text)).current()
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"CompanyId": "4711", "IntegrationKey": "k"}',
        '{"CompanyId": " 4711\\n", "IntegrationKey": "k\\n"}',
        '\ufeff{"CompanyId": 4711, "IntegrationKey": "\ufeffk "}',
        '{"companyID": 4711, " integrationkey": "k"}',
        '\'{"CompanyId": 4711, "IntegrationKey": "k"}\'\n',
    ],
)
def test_push_credentials_are_taken_as_people_store_them(text: str) -> None:
    """No integration key begins or ends with a space, and a number in quotes is one."""
    held = StoredPushCredentials(secret(lambda: text))
    assert held.current() == Credentials(4711, "k")


def test_a_call_of_sns_is_signed_for_its_service_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the role's session token; without credentials it is not signed at all."""
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn%3Aaws&Token=t"
    names = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    headers = aws.signed(url)
    assert "/eu-west-1/sns/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "token"
    for name in names:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert aws.signed(url) == {}


def test_a_secret_is_read_as_it_is_stored(client: Client) -> None:
    """Each call of the adapter is one call of Secrets Manager: the core decides when a secret is read."""
    client.answer = {"SecretString": "\ufeff{} "}
    assert [read_secret("arn"), read_secret("arn")] == ["\ufeff{} "] * 2
    assert client.calls == [("get_secret_value", {"SecretId": "arn"})] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_secret_that_was_stored_as_bytes_is_read(encoding: str, client: Client) -> None:
    """Secrets Manager has texts and bytes; a file that PowerShell has written is UTF-16."""
    client.answer = {"SecretBinary": '{"a": "é"}'.encode(encoding)}
    assert StoredSigningSecrets(secret(lambda: read_secret("arn"))).of("a") == ["é".encode()]
    client.answer = {"SecretBinary": b'{"a": "planted\xff"}'}
    with pytest.raises(CredentialsUnavailable) as refused:
        read_secret("arn")
    assert refused.value.__suppress_context__


def test_credentials_are_read_again_at_most_once_in_a_while() -> None:
    """A flood of refused calls must not become one of calls to AWS."""
    clock, reads = Clock(), []
    text = json.dumps({"CompanyId": CREDENTIALS.company_id, "IntegrationKey": CREDENTIALS.integration_key})

    def read() -> str:
        reads.append(clock.time)
        return text

    held = StoredPushCredentials(CachedSecret(read, clock.now, clock.monotonic))
    assert held.current() == held.refreshed() == held.refreshed() == CREDENTIALS
    assert len(reads) == 2
    clock.time += MIN_REFETCH_SECS
    held.refreshed()
    assert len(reads) == 3


def test_threads_keep_the_order_and_pass_errors_on() -> None:
    """As the core's port says."""
    threads = Threads(3)
    for at_a_time in (1, 2, 3):
        assert threads(str, range(20), at_a_time) == [str(i) for i in range(20)]
        with pytest.raises(ZeroDivisionError):
            threads(lambda n: 1 // n, [1, 0], at_a_time)


@pytest.mark.parametrize("at_a_time", [1, 2, 3])
def test_threads_are_never_more_than_may_be_at_a_time(at_a_time: int) -> None:
    """Each holds a connection of the account; and they do run together."""
    meeting, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(at_a_time)

    def call(_: int) -> None:
        nonlocal now, most
        with meeting:
            now += 1
            most = max(most, now)
        together.wait(10)
        with meeting:
            now -= 1

    Threads(3)(call, range(12), at_a_time)
    assert most == at_a_time


def test_the_clocks_tick() -> None:
    """Time of day, and one that never steps back."""
    assert SystemClock().now() > 1.7e9
    assert SystemClock().monotonic() <= SystemClock().monotonic()


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example.com",
        "ftp://push.example.com",
        "push.example.com",
        "https://",
        "https://user@push.example.com",
        "https://push.example.com?x=1",
        "https://push.example.com/#x",
        "http://127.0.0.1.example.com",
    ],
)
def test_a_base_url_that_would_leak_credentials_is_refused(url: str) -> None:
    """They travel in the body: https, or this machine."""
    with pytest.raises(ConfigurationInvalid, match="PUSH_BASE_URL"):
        Settings.read({"PUSH_BASE_URL": url})


@pytest.mark.parametrize(
    "url", ["https://push.example.com/", "http://127.0.0.1:8080", "http://[::1]:1/base/"]
)
def test_a_plain_base_url_is_taken(url: str) -> None:
    """Without its last slash."""
    assert Settings.read({"PUSH_BASE_URL": url}).push_base_url == url.rstrip("/")


def test_settings_have_defaults_and_names() -> None:
    """A function that never needs a value may leave it empty; a wrong mode is named."""
    assert Settings.read({}).mode is DeliveryMode.QUEUE
    with pytest.raises(ConfigurationInvalid, match="DELIVERY_MODE"):
        Settings.read({"DELIVERY_MODE": "fast"})
