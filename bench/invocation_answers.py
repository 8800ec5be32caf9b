"""The meaning of the functions' answers."""

import json
from collections.abc import Mapping
from typing import Any


def is_done(answer: Mapping[str, Any]) -> bool:
    """Return whether an answer shows that every event was taken and, if it was delivered, delivered once."""
    if "statusCode" in answer:
        receipts = json.loads(answer["body"]).get("receipts", [])
        # The whole receipt is compared, because it would also contain an error of the ledger.
        delivered = all(receipt == {"outcome": "delivered"} for receipt in receipts)
        return answer["statusCode"] in {200, 202} and delivered
    if "batchItemFailures" in answer:
        return not answer["batchItemFailures"]
    return "delivered" in json.dumps(answer)
