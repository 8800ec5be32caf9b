"""The other way to write a group: one call of DynamoDB's BatchExecuteStatement, with a statement for each.

UNPROVEN ON AWS: the statements, in PartiQL, were run on MiniStack only; decision 119 lists what is assumed.

An INSERT has no condition other than that there is no item, and an UPDATE never makes one. So a claim is
tried in up to four calls, and most claims need only the first:

1. INSERT, for a push that the ledger does not know.
2. If there is an item that DynamoDB does not return: UPDATE if the push is parked. Most items that can be
   claimed are.
3. If the item that is returned can be claimed: UPDATE if it has exactly the values that were seen.
4. If one of them changed meanwhile: the step that the item demands now.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from push_relay.adapters.dynamodb.ledger_writes import (
    Answers,
    ClaimWrite,
    EndWrite,
    answer_of,
)
from push_relay.adapters.dynamodb.table import (
    Item,
    LedgerTable,
    Statement,
    StatementAnswer,
    Value,
    number,
    text,
)
from push_relay.core.delivery.ledger import CLAIMED, LEDGER_MEMORY_SECS, PARKED, Claim, Claimed
from push_relay.core.errors import LedgerUnavailable

#: The statements of a call, and the calls in which a claim is tried.
MOST_STATEMENTS, MOST_TRIES = 25, 4
#: The errors of a statement whose condition was false, as BatchExecuteStatement names them.
DUPLICATE, REFUSED = "DuplicateItem", "ConditionalCheckFailed"
#: The errors after which a statement is repeated once. The client repeats a call, but no statement of a call.
#: A claim that was made although it has an error is recognised by the owner, as if its answer had been lost.
TRANSIENT = {
    *("InternalServerError", "ThrottlingError", "ProvisionedThroughputExceeded"),
    *("RequestLimitExceeded", "TransactionConflict"),
}

#: The attributes that decide whether a push can be claimed.
_DECIDING = ("status", "expires_at", "owner", "lease_until", "since", "replay_id")
#: The attributes of a parked or settled push that its next claim removes.
_ENDED = ("since", "error_code", "source", "event_id")

#: Attributes and the values that they must have; None: the item must not have the attribute.
type _Condition = Mapping[str, Value | None]

_IS_PARKED: _Condition = {"status": text(PARKED)}


class _Try(NamedTuple):
    """One try of a claim.

    position   of the claim in its group
    condition  of the stored item; None: there must be no item
    number     from 1
    """

    position: int
    write: ClaimWrite
    condition: _Condition | None = None
    number: int = 1

    @property
    def pk(self) -> str:
        """Return the key of the push's item."""
        return self.write.pk


class _End(NamedTuple):
    """The end of a claim, and its position in its group."""

    position: int
    write: EndWrite

    @property
    def pk(self) -> str:
        """Return the key of the push's item."""
        return self.write.pk


#: The answers to the statements of a call.
type _Results = Answers[StatementAnswer]


class _OfPush(Protocol):
    @property
    def pk(self) -> str: ...


class PartiqlWrites:
    """Writes up to 25 items by one call. Larger groups take a call for each 25."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def begin_claims(self, writes: Sequence[ClaimWrite]) -> Callable[[], Answers[Claimed]]:
        """Begin to write claims. Claims of the same push are written one after the other."""
        tries = [_Try(position, write) for position, write in enumerate(writes)]
        return self._begin(tries, self._claim_statement, _decided)

    def begin_ends(self, writes: Sequence[EndWrite]) -> Callable[[], Answers[None]]:
        """Begin to write the ends of claims."""
        ends = [_End(position, write) for position, write in enumerate(writes)]
        return self._begin(ends, self._end_statement, _ended)

    def _begin[W: _Try | _End, R: Claimed | None](
        self,
        writes: Sequence[W],
        statement: Callable[[W], Statement],
        decide: Callable[[W, StatementAnswer], R | LedgerUnavailable | W],
    ) -> Callable[[], Answers[R]]:
        """Begin to write a group; return a function that makes its other calls too, and returns the answers.

        decide  returns the answer to a write from that to its statement, or what has to be tried next
        """
        first, others = _next_call(writes)
        end = self._execute([statement(each) for each in first])

        def answers() -> Answers[R]:
            present: list[W] = first
            waiting: list[W] = others
            results = end()
            found: dict[int, R | LedgerUnavailable] = {}
            while present:
                again: list[W] = []
                for each, result in zip(present, results, strict=True):
                    answer = result if isinstance(result, LedgerUnavailable) else decide(each, result)
                    if isinstance(answer, _Try | _End):
                        again.append(answer)
                    else:
                        found[each.position] = answer
                present, waiting = _next_call([*again, *waiting])
                results = self._execute([statement(each) for each in present])()
            return [found[position] for position in range(len(writes))]

        return answers

    def _execute(self, statements: Sequence[Statement]) -> Callable[[], _Results]:
        """Begin to execute statements; return a function that repeats those with a transient error once."""
        if not statements:
            return tuple
        end = self._table.begin_statements(statements)
        return lambda: self._with_repeated(statements, end())

    def _with_repeated(self, statements: Sequence[Statement], answers: _Results) -> _Results:
        results = [*answers]
        failed = [
            index
            for index, result in enumerate(results)
            if isinstance(result, StatementAnswer) and result.code in TRANSIENT
        ]
        if failed:
            again = self._table.begin_statements([statements[index] for index in failed])()
            for index, result in zip(failed, again, strict=True):
                results[index] = result
        return results

    def _claim_statement(self, each: _Try) -> Statement:
        write = each.write
        values = {
            "status": text(CLAIMED),
            "owner": text(write.owner),
            "lease_until": number(write.lease_until),
            "expires_at": number(write.now + LEDGER_MEMORY_SECS),
        }
        if write.replayable:
            values["replay_id"] = text(write.request.replay_id)
        if each.condition is None:
            values = {"pk": text(write.pk)} | values
            names = ", ".join(f"'{name}': ?" for name in values)
            return Statement(f'INSERT INTO "{self._table.name}" VALUE {{{names}}}', [*values.values()])
        return self._update(write.pk, values, _ENDED, each.condition)

    def _end_statement(self, each: _End) -> Statement:
        write = each.write
        values = {
            "status": text(write.settlement.status),
            "since": number(write.now),
            "expires_at": number(write.now + LEDGER_MEMORY_SECS),
            **{name: text(value) for name, value in write.about.items()},
        }
        return self._update(write.pk, values, write.removed, {"owner": text(write.settlement.owner)})

    def _update(
        self,
        pk: str,
        values: Mapping[str, Value],
        removed: Sequence[str],
        condition: _Condition,
    ) -> Statement:
        """Return an UPDATE. Its WHERE has no OR, and its SET no arithmetic."""
        sets = "".join(f' SET "{name}" = ?' for name in values)
        removes = "".join(f' REMOVE "{name}"' for name in removed)
        conditions = "".join(
            f' AND "{name}" {"IS MISSING" if value is None else "= ?"}' for name, value in condition.items()
        )
        return Statement(
            f'UPDATE "{self._table.name}"{sets}{removes} WHERE "pk" = ?{conditions}',
            [*values.values(), text(pk), *(value for value in condition.values() if value is not None)],
        )


def _next_call[T: _OfPush](waiting: Sequence[T]) -> tuple[list[T], list[T]]:
    """Return the writes of the next call, at most one of each push, and the others."""
    chosen, others, keys = list[T](), list[T](), set[str]()
    for each in waiting:
        if len(chosen) < MOST_STATEMENTS and each.pk not in keys:
            chosen.append(each)
        else:
            others.append(each)
        keys.add(each.pk)
    return chosen, others


def _decided(each: _Try, result: StatementAnswer) -> Claimed | LedgerUnavailable | _Try:
    """Return the answer to a claim, or its next try."""
    if not result.code:
        return Claimed(Claim.GRANTED, owner=each.write.owner)
    if result.code not in (DUPLICATE, REFUSED):
        return _unavailable(result)
    item, condition = result.item, _IS_PARKED if result.code == DUPLICATE else None
    if item:
        if not can_be_claimed(item, each.write):
            return answer_of(item, each.write.owner)
        condition = {name: item.get(name) for name in _DECIDING}
    if each.number == MOST_TRIES:
        return LedgerUnavailable("the push changed while it was claimed")
    return each._replace(condition=condition, number=each.number + 1)


def _ended(_each: _End, result: StatementAnswer) -> LedgerUnavailable | None:
    """Return the answer to the end of a claim. A claim that its owner no longer has is left as it is."""
    return None if result.code in ("", REFUSED) else _unavailable(result)


def can_be_claimed(item: Item, write: ClaimWrite) -> bool:
    """Return whether a stored item allows a claim. The condition of a single update is the same."""
    status = item.get("status", {}).get("S", "")
    if _number(item, "expires_at") <= write.now or status == PARKED:
        return True
    if status == CLAIMED:
        return _number(item, "lease_until") <= write.now
    if status in write.replayable and item.get("replay_id") != text(write.request.replay_id):
        return True
    return _number(item, "since") < math.floor(max(write.request.forget_before, 0))


def _number(item: Item, name: str) -> float:
    """Return an item's number. Without it, no comparison of the caller holds."""
    value = item.get(name, {}).get("N")
    return math.inf if value is None else int(value)


def _unavailable(result: StatementAnswer) -> LedgerUnavailable:
    return LedgerUnavailable(f"the ledger did not answer ({result.code})")
