"""Claim and park single pushes in a ledger, whose own calls are about many."""

from typing import Any

from push_relay.core.delivery.ledger import PARKED, Claim, ClaimRequest, Settlement
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.push import Receipt


def claim_one(ledger: Any, *fields: Any, **more: Any) -> Claim:
    """Claim a push by a request with these fields. Raises LedgerUnavailable."""
    (answer,) = ledger.claim_all([ClaimRequest(*fields, **more)])
    if isinstance(answer, LedgerUnavailable):
        raise answer
    return Claim(answer.claim)


def park_one(ledger: Any, key: str, receipt: Receipt) -> None:
    """Park a claimed push. Raises LedgerUnavailable."""
    code = receipt.error_code or ""
    (error,) = ledger.end_all([Settlement(key, PARKED, code, receipt.source, receipt.event_id)])
    if error:
        raise error
