"""Groups of the ledger by BatchExecuteStatement: answers of DynamoDB that MiniStack does not give, too."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fake_client import FakeClient, client_error
from ledger_calls import claim_all, claim_one, end_all
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.ledger_partiql import TRANSIENT, PartiqlWrites
from push_relay.adapters.dynamodb.table import LedgerTable, Statement, StatementAnswer, number, text
from push_relay.core.delivery.ledger import Claim, Claimed, ClaimRequest, Settlement
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.outcomes import Outcome

NOW = 1000.5
DONE = StatementAnswer("", {})
#: The errors of a statement that do not tell whether its condition was false.
UNCLEAR = [
    *("ItemCollectionSizeLimitExceeded", "ValidationError", "AccessDenied", "ResourceNotFound"),
    *("no code", "SomethingNew", *sorted(TRANSIENT)),
]


class Scripted(LedgerTable):
    """A table that gives planned answers, in turn, to the statements of each push. Default: it is done."""

    def __init__(self, **answers: Sequence[StatementAnswer]) -> None:
        super().__init__("table")
        self._answers = {f"push#{key}": [*given] for key, given in answers.items()}
        self.calls: list[list[str]] = []  # the pushes of each call
        self.texts: list[str] = []

    def begin_statements(self, statements: Sequence[Statement]) -> Callable[[], list[StatementAnswer]]:
        """Note the statements, and answer."""
        pushes = [
            next(value["S"] for value in statement.parameters if value.get("S", "").startswith("push#"))
            for statement in statements
        ]
        self.calls.append(pushes)
        self.texts += [statement.text for statement in statements]
        planned = [self._answers.get(push, []) for push in pushes]
        answers = [answers.pop(0) if answers else DONE for answers in planned]
        return lambda: answers


def ledger(table: LedgerTable) -> DynamoDbLedger:
    """Return a worker's ledger."""
    return DynamoDbLedger(table, lambda: NOW, PartiqlWrites(table))


def stored(status: str, **more: Any) -> StatementAnswer:
    """Return the answer to an UPDATE that an item refused."""
    return StatementAnswer(
        "ConditionalCheckFailed", {"status": text(status), "expires_at": number(9999), **more}
    )


def claims(table: LedgerTable, *keys: str) -> list[Any]:
    """Claim pushes in a group."""
    return claim_all(ledger(table), [ClaimRequest(key, 30) for key in keys])


@pytest.mark.parametrize("code", UNCLEAR)
def test_an_unclear_answer_is_never_a_grant(code: str) -> None:
    """Only this claim, and this end, has no answer."""
    unclear = [StatementAnswer(code, {})] * (2 if code in TRANSIENT else 1)
    table = Scripted(b=[*unclear, DONE, *unclear])
    worker = ledger(table)
    answers = claim_all(worker, [ClaimRequest(key, 30) for key in "abc"])
    assert isinstance(answers[1], LedgerUnavailable)
    assert code in str(answers[1])
    assert [answer.claim for answer in (answers[0], answers[2]) if isinstance(answer, Claimed)] == [
        Claim.GRANTED
    ] * 2
    assert claim_one(worker, "b", 30) is Claim.GRANTED
    ends = end_all(worker, [Settlement(key, Outcome.DELIVERED) for key in "abc"])
    assert [type(end) for end in ends] == [type(None), LedgerUnavailable, type(None)]


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_a_statement_with_a_transient_error_is_repeated_once(code: str) -> None:
    """Botocore does the same for a single write. Its neighbours are not repeated."""
    table = Scripted(b=[StatementAnswer(code, {}), DONE, StatementAnswer(code, {}), DONE])
    worker = ledger(table)
    answers = claim_all(worker, [ClaimRequest(key, 30) for key in "abc"])
    assert [answer.claim for answer in answers if isinstance(answer, Claimed)] == [Claim.GRANTED] * 3
    assert end_all(worker, [Settlement(key, Outcome.DELIVERED) for key in "abc"]) == [None] * 3
    assert table.calls == [["push#a", "push#b", "push#c"], ["push#b"]] * 2


def test_a_statement_that_was_executed_in_spite_of_its_error_is_a_grant() -> None:
    """The repeated statement finds the claim that the first one has made."""
    table = Scripted(a=[StatementAnswer("InternalServerError", {}), StatementAnswer("DuplicateItem", {})])
    found: dict[str, Any] = {}
    begin = table.begin_statements

    def answer(statements: Sequence[Statement]) -> Callable[[], list[StatementAnswer]]:
        if statements[0].text.startswith("INSERT"):
            found["owner"] = statements[0].parameters[2]
            return begin(statements)
        return lambda: [stored("claimed", lease_until=number(9999), **found)]

    table.begin_statements = answer  # type: ignore[method-assign]
    (claimed,) = claims(table, "a")
    assert claimed.claim is Claim.GRANTED


def test_a_call_that_fails_concerns_its_statements_only(client: FakeClient) -> None:
    """Each claim, and each end, of the call has the error."""
    client.error = client_error("ThrottlingException")
    worker = ledger(LedgerTable("table"))
    answers = claim_all(worker, [ClaimRequest(key, 30) for key in "ab"])
    assert [type(answer) for answer in answers] == [LedgerUnavailable] * 2
    client.error, client.answer = None, {"Responses": [{}, {}]}
    claim_all(worker, [ClaimRequest(key, 30) for key in "ab"])
    client.error = client_error("ThrottlingException")
    ends = end_all(worker, [Settlement(key, Outcome.DELIVERED) for key in "ab"])
    assert [type(end) for end in ends] == [LedgerUnavailable] * 2
    assert {operation for operation, _ in client.calls} == {"BatchExecuteStatement"}


@pytest.mark.parametrize("answer", [{}, {"Responses": []}, {"Responses": [{}]}, {"Responses": [{}] * 3}])
def test_an_answer_to_other_statements_is_refused(client: FakeClient, answer: dict[str, Any]) -> None:
    """An answer must not be taken for that of another push."""
    client.answer = answer
    assert [type(each) for each in claims(LedgerTable("table"), "a", "b")] == [LedgerUnavailable] * 2


def test_an_error_without_a_code_is_not_a_grant(client: FakeClient) -> None:
    """Every part of an error is optional in DynamoDB's answer."""
    client.answer = {"Responses": [{"Error": {}}]}
    (answer,) = claims(LedgerTable("table"), "a")
    assert isinstance(answer, LedgerUnavailable)


def test_every_statement_asks_for_the_stored_item(client: FakeClient) -> None:
    """Otherwise a refused claim could not be explained without another call."""
    client.answer = {"Responses": [{}]}
    claims(LedgerTable("table"), "a")
    ((_, asked),) = client.calls
    (statement,) = asked["Statements"]
    assert statement["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert statement["Statement"].count("?") == len(statement["Parameters"])


def test_a_call_has_at_most_25_statements_and_each_push_once() -> None:
    """DynamoDB would refuse the whole call."""
    keys = [f"key-{n}" for n in range(60)]
    table = Scripted()
    worker = ledger(table)
    requests = [ClaimRequest(key, 30) for key in [*keys, keys[0], keys[0]]]
    answers = claim_all(worker, requests)
    assert len(answers) == 62
    assert [len(call) for call in table.calls] == [25, 25, 11, 1]
    table.calls.clear()
    end_all(worker, [Settlement(key, Outcome.DELIVERED) for key in [*keys, keys[5]]])
    assert Counter(push for call in table.calls for push in call) == Counter(
        f"push#{key}" for key in [*keys, keys[5]]
    )
    assert all(len(call) == len(set(call)) <= 25 for call in table.calls)


def test_an_unknown_push_is_claimed_by_one_statement() -> None:
    """Most pushes are unknown."""
    table = Scripted()
    claims(table, "a", "b")
    assert table.calls == [["push#a", "push#b"]]
    assert all(text_.startswith("INSERT") for text_ in table.texts)


def test_an_item_that_is_returned_with_the_duplicate_decides_at_once() -> None:
    """Whether DynamoDB returns it is not documented."""
    held = {"status": text("claimed"), "expires_at": number(9999), "lease_until": number(2000)}
    ended = held | {"lease_until": number(1000), "owner": text("old")}
    table = Scripted(a=[StatementAnswer("DuplicateItem", held)], b=[StatementAnswer("DuplicateItem", ended)])
    answers = claims(table, "a", "b")
    assert [answer.claim for answer in answers] == [Claim.HELD, Claim.GRANTED]
    assert table.calls == [["push#a", "push#b"], ["push#b"]]
    assert '"owner" = ?' in table.texts[-1]
    assert '"since" IS MISSING' in table.texts[-1]


def test_a_push_that_changes_all_the_time_is_not_granted() -> None:
    """Each try finds another item that could be claimed, and the last one gives up."""
    changing = [StatementAnswer("DuplicateItem", {}), *(stored("parked", since=number(n)) for n in range(9))]
    table = Scripted(a=changing)
    (answer,) = claims(table, "a")
    assert isinstance(answer, LedgerUnavailable)
    assert len(table.calls) == 4


def test_a_push_that_was_deleted_meanwhile_is_inserted() -> None:
    """DynamoDB deletes an item whose time has passed at any moment."""
    table = Scripted(a=[StatementAnswer("DuplicateItem", {}), StatementAnswer("ConditionalCheckFailed", {})])
    (answer,) = claims(table, "a")
    assert answer.claim is Claim.GRANTED
    assert [text_.split()[0] for text_ in table.texts] == ["INSERT", "UPDATE", "INSERT"]


@pytest.fixture(name="client")
def _client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Replace every AWS client."""
    return FakeClient.install(monkeypatch)
