"""The schemes by name, as a source's `[verify]` table names them."""

from collections.abc import Callable

from push_relay.core.rules.configuration import TomlTable
from push_relay.core.trust.schemes import (
    body_hmac,
    shared,
    sns_http,
    standard_webhooks,
    timestamped_hmac,
    twilio,
)
from push_relay.core.trust.schemes.proof import Scheme

#: Makes a scheme of the options in a `[verify]` table. Raises ConfigurationInvalid.
SCHEMES: dict[str, Callable[[TomlTable], Scheme]] = {
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


def read_scheme(verify: TomlTable) -> Scheme:
    """Make the scheme that a `[verify]` table names. Raises ConfigurationInvalid.

    Refuses keys that nobody has asked for: a caller with keys of its own in the table asks for them first.
    """
    name = verify.text("scheme")
    if name not in SCHEMES:
        raise verify.wrong("scheme", f"`{name}` does not exist; there are: {', '.join(SCHEMES)}")
    scheme = SCHEMES[name](verify)
    verify.refuse_unknown_keys()
    return scheme
