"""The adapters for AWS: every third-party exception is translated, and a claim is one conditional write."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from fake_client import SERVICES, FakeClient, client_error
from ledger_calls import claim_all, claim_one, end_all, park_one
from push_relay.adapters import aws
from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.queue import SqsQueue
from push_relay.adapters.secrets import read_secret
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.delivery.ledger import LEDGER_MEMORY_SECS, Claim, ClaimRequest, Settlement
from push_relay.core.delivery.permits import Permits
from push_relay.core.errors import CredentialsUnavailable, LedgerUnavailable, QueueUnavailable, RelayError
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Receipt


@pytest.fixture(name="client")
def _client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Replace every AWS client. The ledger has claimed the push `k`."""
    fake = FakeClient.install(monkeypatch)
    assert claim_one(LEDGER, "k", 1) is Claim.GRANTED
    fake.calls.clear()
    return fake


EVENT = Event("bakery", "e-1", "baked", {"a": 1}, 1.0, "i")
PARKED = Receipt("bakery", "e-1", Outcome.PARKED, error_code="vendor_throttled")
RECORD = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:theirs.fifo", "receiptHandle": "h"}


THIRD_PARTY = [
    client_error("ThrottlingException"),
    client_error("AccessDeniedException"),
    client_error("ResourceNotFoundException"),
    client_error("InternalServerError"),
    client_error("ConnectionRefusedError"),
    client_error("TimeoutError", is_repeated=True),
    client_error("NoCredentialsError"),
    client_error("IncompleteAnswer"),
]
NOW = 1000.5
QUEUE = SqsQueue("queue", "dead", lambda: NOW)
TABLE = LedgerTable("table")
LEDGER = DynamoDbLedger(TABLE, lambda: NOW)
PERMITS = DynamoDbPermits(TABLE, "default", lambda: NOW)
BACKLOG = DynamoDbBacklog(BacklogTable("backlog"), lambda: NOW)
SHELF = Shelf("default")
WAITING = Waiting(SHELF, EVENT, "vendor_throttled", position="p")


def returned(results: Sequence[object]) -> None:
    """Raise the error that a call returns for its only argument."""
    (result,) = results
    if isinstance(result, Exception):
        raise result


CALLS = [
    (lambda: QUEUE.put(EVENT), QueueUnavailable),
    (lambda: QUEUE.dead_letter("b", {}, "c", "i"), QueueUnavailable),
    (lambda: QUEUE.requeue(EVENT, 2, NOW, "c"), QueueUnavailable),
    (lambda: QUEUE.copy(RECORD, 1, NOW), QueueUnavailable),
    (lambda: QUEUE.delay([RECORD], 1), QueueUnavailable),
    (lambda: QUEUE.delete([RECORD]), QueueUnavailable),
    (lambda: QUEUE.wake("default", NOW), QueueUnavailable),
    (lambda: LEDGER.settle("k", Outcome.DELIVERED), LedgerUnavailable),
    (lambda: LEDGER.note_window("k", "w"), LedgerUnavailable),
    (lambda: returned(claim_all(LEDGER, [ClaimRequest("k", 1)])), LedgerUnavailable),
    (lambda: returned(end_all(LEDGER, [Settlement("k", Outcome.DELIVERED)])), LedgerUnavailable),
    (PERMITS.read, LedgerUnavailable),
    (lambda: PERMITS.swap(Permits(), Permits(stamp="s")), LedgerUnavailable),
    (lambda: PERMITS.draw(date(2027, 1, 15), 1, 10), LedgerUnavailable),
    (lambda: returned(BACKLOG.put([WAITING])), LedgerUnavailable),
    (lambda: BACKLOG.due(SHELF, 1, NOW), LedgerUnavailable),
    (lambda: BACKLOG.remove([WAITING]), LedgerUnavailable),
    (lambda: BACKLOG.tried(WAITING), LedgerUnavailable),
    (BACKLOG.shelves, LedgerUnavailable),
    (lambda: TABLE.get(Key={}), LedgerUnavailable),
    (lambda: read_secret("arn"), CredentialsUnavailable),
]
NAMES = [
    *("put", "dead_letter", "requeue", "copy", "delay", "delete", "wake", "settle"),
    *("note_window", "claim_all", "end_all", "permits read", "permits swap", "permits draw"),
    *("backlog put", "backlog due", "backlog remove", "backlog tried", "backlog shelves", "get"),
    "read_secret",
]


@pytest.mark.parametrize("error", THIRD_PARTY, ids=str)
@pytest.mark.parametrize(("call", "translated"), CALLS, ids=NAMES)
def test_every_third_party_exception_is_translated(
    client: FakeClient, call: Any, translated: type[RelayError], error: Exception
) -> None:
    """The port's error names the kind of the exception, and quotes none of its text."""
    client.error = error
    with pytest.raises(translated) as raised:
        call()
    assert "planted" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(("call", "translated"), CALLS, ids=NAMES)
@pytest.mark.usefixtures("client")
def test_a_client_that_cannot_be_made_is_translated_too(
    monkeypatch: pytest.MonkeyPatch, call: Any, translated: type[RelayError]
) -> None:
    """A machine without a region or credentials is handled like a service that is down."""

    def fail() -> Any:
        raise client_error("NoRegionError")

    for service in SERVICES:
        monkeypatch.setattr(aws, service, fail)
    with pytest.raises(translated):
        call()


def test_a_claim_is_one_conditional_write(client: FakeClient) -> None:
    """The lease is rounded up to seconds, with two more because the workers' clocks differ."""
    assert claim_one(LEDGER, "key", 28.2) is Claim.GRANTED
    ((_, asked),) = client.calls
    values = asked["ExpressionAttributeValues"]
    assert (values[":lease"]["N"], values[":expires"]["N"]) == ("1031", str(1000 + LEDGER_MEMORY_SECS))
    assert "ConditionExpression" in asked


@pytest.mark.parametrize(
    ("status", "claim"), [("claimed", Claim.HELD), ("delivered", Claim.SETTLED), ("failed", Claim.FAILED)]
)
def test_a_refused_claim_has_the_status_of_the_push(client: FakeClient, status: str, claim: Claim) -> None:
    """DynamoDB returns the item with the failed condition, so no second call is needed."""
    client.error = client_error("ConditionalCheckFailedException", Item={"status": {"S": status}})
    assert claim_one(LEDGER, "key", 1) is claim


def test_only_the_owner_settles_or_releases_a_claim(client: FakeClient) -> None:
    """If another worker has taken the claim over, the failed condition is not an error."""
    client.error = client_error("ConditionalCheckFailedException")
    LEDGER.settle("k", Outcome.DELIVERED)
    client.error = None
    claim_one(LEDGER, "k", 1)
    client.error = client_error("ConditionalCheckFailedException")
    park_one(LEDGER, "k", PARKED)
    del client.calls[1]
    assert len(client.calls) == 2
    assert all(":owner" in asked["ExpressionAttributeValues"] for _, asked in client.calls)


def test_a_call_of_sns_is_signed_for_its_service_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature includes the role's session token. Without credentials the call is not signed."""
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
