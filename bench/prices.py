"""AWS's list prices and the assumptions of the cost model, each with its source.

Prices: dollars, us-east-1, on demand, first tier, without the free tier, as of the date in `AS_OF`. They were
compared with public pages that copy AWS's price lists, because the lists themselves are pages that load their
numbers later. Prices of other regions are not in here: eu-west-1 differs by up to about 15 % for some of
them, which was not checked.
"""

from typing import Final, NamedTuple


class Price(NamedTuple):
    """A price, or an assumption. `source`: where it was checked; empty if it could not be checked."""

    value: float
    unit: str
    source: str = ""


AS_OF: Final = "2026-11"
REGION: Final = "us-east-1"

PRICES: Final[dict[str, Price]] = {
    "lambda_gb_secs_arm64": Price(
        0.0000133334, "GB and second", "https://cloudchipr.com/blog/aws-lambda-pricing"
    ),
    "lambda_gb_secs_x86_64": Price(
        0.0000166667, "GB and second", "https://cloudchipr.com/blog/aws-lambda-pricing"
    ),
    "lambda_requests": Price(0.20, "million", "https://cloudchipr.com/blog/aws-lambda-pricing"),
    "http_api_requests": Price(1.00, "million", "https://www.apigatewaycost.com/aws"),
    "function_url_requests": Price(
        0.0,
        "million",
        "https://iamanuragh.in/blog/2026-03-17-lambda-function-urls-stop-paying-for-api-gateway",
    ),
    "sqs_requests": Price(0.40, "million and 64 KB", "https://cloudburn.io/blog/amazon-sqs-pricing"),
    "dynamodb_write_units": Price(
        0.625, "million", "https://airbyte.com/data-engineering-resources/dynamodb-pricing"
    ),
    "dynamodb_read_units": Price(
        0.125, "million", "https://airbyte.com/data-engineering-resources/dynamodb-pricing"
    ),
    "secrets": Price(
        0.40,
        "month",
        "https://hivebook.wiki/wiki/aws-secrets-manager-rotated-secrets-dynamic-db-credentials-kms",
    ),
    "secret_calls": Price(
        5.00,
        "million",
        "https://hivebook.wiki/wiki/aws-secrets-manager-rotated-secrets-dynamic-db-credentials-kms",
    ),
    "log_gb": Price(
        0.50,
        "GB",
        "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
    ),
    "metrics": Price(0.30, "series and month", "https://signoz.io/guides/cloudwatch-pricing"),
    "alarms": Price(0.10, "month", "https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm"),
    "pipes_requests": Price(0.40, "million", "https://cloudburn.io/blog/amazon-eventbridge-pricing"),
    "api_destination_calls": Price(0.20, "million", "https://cloudburn.io/blog/amazon-eventbridge-pricing"),
}

ASSUMPTIONS: Final[dict[str, Price]] = {
    "full_core_mb": Price(
        1769,
        "MB of memory with which a function has one core",
        "https://docs.aws.amazon.com/lambda/latest/dg/resource-model.html",
    ),
    "cold_share": Price(
        0.01,
        "of the invocations start a process, whose start is billed; AWS writes that it is usually less",
        "https://worldofsoftware.org/amazon-to-raise-aws-lambda-costs-by-charging-for-cold-starts/amp",
    ),
    "start_cores": Price(
        1,
        "core that a start has at least, whatever the memory",
        "https://bitesizedserverless.com/bite/when-is-the-lambda-init-phase-free-and-when-is-it-billed/",
    ),
    "table_call_ms": Price(5, "ms that an invocation waits for a call of DynamoDB"),
    "queue_call_ms": Price(10, "ms that an invocation waits for a call of SQS"),
    "vendor_call_ms": Price(150, "ms that an invocation waits for a call of the vendor"),
    "connections": Price(3, "calls of the vendor at a time, its default"),
    "log_event_bytes": Price(
        26,
        "bytes that CloudWatch adds to each log line",
        "https://www.rdocumentation.org/packages/paws.management/versions/0.1.0/topics/cloudwatchlogs_put_log_events",
    ),
    "platform_log_bytes": Price(400, "bytes of Lambda's own log lines for an invocation"),
    "access_log_bytes": Price(450, "bytes of the endpoint's access log for a request"),
    "polls_a_month": Price(
        5 * 3 * 60 * 24 * 30, "polls of an empty queue: Lambda's five, each of 20 seconds"
    ),
    "ticks_a_month": Price(60 * 24 * 30, "scheduled invocations, one a minute"),
    "secret_calls_a_month": Price(
        2 * 12 * 24 * 30, "calls of Secrets Manager: one in 300 s of each function"
    ),
}
