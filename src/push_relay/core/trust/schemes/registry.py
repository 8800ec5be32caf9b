"""The schemes by name, as a source's `[verify]` table names them."""

from collections.abc import Callable, Mapping
from typing import Any

from push_relay.core.rules.findings import Report
from push_relay.core.trust.schemes import (
    body_hmac,
    shared,
    sns_http,
    standard_webhooks,
    timestamped_hmac,
    twilio,
)
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.verify_table import Verify

#: Makes a scheme of a `[verify]` table, which the class in VERIFY_TABLES has read.
SCHEMES: dict[str, Callable[[Any], Scheme]] = {
    "github": body_hmac.github,
    "stripe": timestamped_hmac.stripe,
    "slack": timestamped_hmac.slack,
    "shopify": body_hmac.shopify,
    "standard-webhooks": standard_webhooks.standard_webhooks,
    "grafana": body_hmac.grafana,
    "pagerduty": body_hmac.pagerduty,
    "zendesk": timestamped_hmac.zendesk,
    "twilio": twilio.twilio,
    "sns-http": sns_http.sns_http,
    "hmac": body_hmac.generic,
    "token": shared.token,
    "basic": shared.basic,
    "none": shared.none,
}


def make_scheme(verify: Verify) -> Scheme:
    """Make the scheme of a table without mistakes."""
    return SCHEMES[verify.scheme](verify)


def read_scheme(document: Mapping[str, object]) -> Scheme:
    """Make the scheme of a `[verify]` table's document. Raises ConfigurationInvalid."""
    report = Report()
    verify = Verify.for_document(document)(document, report, ("verify",))
    report.raise_mistakes()
    return make_scheme(verify)
