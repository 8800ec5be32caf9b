"""The same handler as in powertools.py, made idempotent with DynamoDB as the documentation shows.

python powertools_idempotency.py INVOCATION
"""

import json
import sys
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent,
)
from powertools import Context, handler

from side_process import serve

_layer = DynamoDBPersistenceLayer(table_name="bench")
_config = IdempotencyConfig(event_key_jmespath='headers."x-github-delivery"')


@idempotent(persistence_store=_layer, config=_config)
def idempotent_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an invocation once."""
    return handler(event, context)


def main(file: str) -> None:
    """Measure the handler."""
    invocation, context = json.loads(Path(file).read_text("utf-8")), Context()

    def side() -> None:
        answer = idempotent_handler(invocation, context)
        if answer["statusCode"] != 200:  # noqa: PLR2004
            raise SystemExit(f"bench: the peer failed: {answer}")

    serve(side)


if __name__ == "__main__":
    main(sys.argv[1])
