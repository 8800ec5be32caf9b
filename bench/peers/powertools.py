"""A webhook handled as the documentation of Powertools for AWS Lambda shows, without idempotency.

    python powertools.py INVOCATION

The resolver of HTTP APIs, the logger and the metrics with their decorators, a secret that is cached, a model
of the event, the check of GitHub's signature, and one POST by urllib3. It runs in the peers' environment,
so `make check` does not check its types.
"""

import hashlib
import hmac
import json
import os
import sys
from pathlib import Path
from typing import Any

import urllib3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parser import parse
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from side_process import serve

logger = Logger()
metrics = Metrics()
app = APIGatewayHttpResolver()
pool = urllib3.PoolManager()
URL = os.environ["PUSH_BASE_URL"] + "/api/v2/push?format=json"


class User(BaseModel):
    """The one who acts."""

    login: str


class Issue(BaseModel):
    """An issue."""

    number: int
    title: str
    body: str | None
    html_url: str
    user: User


class Repository(BaseModel):
    """A repository."""

    full_name: str


class IssueEvent(BaseModel):
    """GitHub's event."""

    action: str
    issue: Issue
    repository: Repository
    sender: User


@app.post("/webhooks/<source>")
def webhook(source: str) -> Response[Any]:
    """Verify, parse and forward an event."""
    secrets = parameters.get_secret("bench-signing", transform="json", max_age=300)
    text = app.current_event.body or ""
    expected = "sha256=" + hmac.new(secrets[source].encode(), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, app.current_event.headers.get("x-hub-signature-256", "")):
        raise UnauthorizedError("the signature does not match")
    event = parse(event=text, model=IssueEvent)
    issue = event.issue
    push = {
        "Body": f"{issue.title}\nby {issue.user.login}\n{issue.body}",
        "CompanyId": 4711,
        "ExpirySecs": 86400,
        "IntegrationKey": "bench",
        "Sound": True,
        "Title": f"New issue: {event.repository.full_name} #{issue.number}",
        "UserExternalId": "4711",
    }
    answer = pool.request("POST", URL, body=json.dumps(push), headers={"Content-Type": "application/json"})
    logger.info("delivered", source=source, status=answer.status)
    metrics.add_metric(name="Delivered", unit=MetricUnit.Count, value=1)
    return Response(status_code=200, content_type="application/json", body='{"outcome": "delivered"}')


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an invocation."""
    return app.resolve(event, context)


class Context:
    """The context that Lambda hands over with an invocation."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:bench"
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout."""
        return 20_000


def main(file: str) -> None:
    """Measure the handler."""
    invocation, context = json.loads(Path(file).read_text("utf-8")), Context()

    def side() -> None:
        answer = handler(invocation, context)
        if answer["statusCode"] != 200:  # noqa: PLR2004
            raise SystemExit(f"bench: the peer failed: {answer}")

    serve(side)


if __name__ == "__main__":
    main(sys.argv[1])
