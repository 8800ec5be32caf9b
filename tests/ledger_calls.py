"""Claim, settle and park pushes in a ledger, and wait for its answers."""

from collections.abc import Sequence
from typing import Any

from push_relay.core.delivery.ledger import PARKED, Claim, Claimed, ClaimRequest, Ledger, Settlement
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.push import Receipt


def claim_all(ledger: Ledger, requests: Sequence[ClaimRequest]) -> list[Claimed | LedgerUnavailable]:
    """Claim pushes in one round trip; return the answers."""
    return [*ledger.begin_claims(requests)()]


def end_all(ledger: Ledger, settlements: Sequence[Settlement]) -> list[LedgerUnavailable | None]:
    """End claims in one round trip; return the answers."""
    return [*ledger.begin_ends(settlements)()]


def claim_one(ledger: Any, *fields: Any, **more: Any) -> Claim:
    """Claim a push by a request with these fields. Raises LedgerUnavailable."""
    (answer,) = claim_all(ledger, [ClaimRequest(*fields, **more)])
    if isinstance(answer, LedgerUnavailable):
        raise answer
    return Claim(answer.claim)


def park_one(ledger: Any, key: str, receipt: Receipt) -> None:
    """Park a claimed push. Raises LedgerUnavailable."""
    code = receipt.error_code or ""
    (error,) = end_all(ledger, [Settlement(key, PARKED, code, receipt.source, receipt.event_id)])
    if error:
        raise error
