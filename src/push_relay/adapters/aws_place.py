"""The region, the endpoints and the credentials for AWS, as botocore would find them, without botocore.

A Lambda function has its region and its role's credentials in its environment. Rare cases are left to
botocore, which is imported for them: credentials from elsewhere, FIPS and dual-stack endpoints, and a region
in a profile.
"""

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from push_relay.adapters.aws_error import AwsError
from push_relay.adapters.aws_signature import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The domains of AWS's partitions, by how the names of their regions begin. All others are in the first one.
_DOMAINS = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
)
_DOMAIN = "amazonaws.com"
#: Services whose names in the environment differ from those in their hosts.
_ENDPOINT_NAMES = {"secretsmanager": "secrets_manager"}
_OTHER_ENDPOINTS = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


def region(environment: "Mapping[str, str]" = os.environ) -> str:
    """Return the region. Raises AwsError."""
    found = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION")
    found = found or _ask_botocore(lambda session: cast("str", session.get_config_variable("region")))
    if not found:
        raise AwsError("NoRegionError")
    return found


def endpoint(service: str, of_region: str, environment: "Mapping[str, str]" = os.environ) -> str:
    """Return the URL of a service: the one that the environment sets, or AWS's own.

    service  as botocore names it, such as `dynamodb`
    """
    is_ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    own = environment.get(f"AWS_ENDPOINT_URL_{_ENDPOINT_NAMES.get(service, service).upper()}")
    if not is_ignored and (url := own or environment.get("AWS_ENDPOINT_URL")):
        return url
    if any(environment.get(name, "").lower() == "true" for name in _OTHER_ENDPOINTS):
        return _ask_botocore(
            lambda session: str(session.create_client(service, region_name=of_region).meta.endpoint_url)
        )
    domain = next((domain for start, domain in _DOMAINS if of_region.startswith(start)), _DOMAIN)
    return f"https://{service}.{of_region}.{domain}"


class RoleCredentials:
    """Returns the credentials that are valid now. They are looked for when the first call needs them."""

    def __init__(self, environment: "Mapping[str, str]" = os.environ) -> None:
        self._environment = environment
        self._current: Callable[[], Credentials] | None = None

    def __call__(self) -> Credentials:
        """Return the credentials. Raises AwsError if there are none."""
        if self._current is None:
            self._current = _credentials(self._environment)
        return self._current()


def _credentials(environment: "Mapping[str, str]") -> "Callable[[], Credentials]":
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if access_key and secret_key and "AWS_CREDENTIAL_EXPIRATION" not in environment:
        found = Credentials(access_key, secret_key, environment.get("AWS_SESSION_TOKEN", ""))
        return lambda: found
    refreshed = _ask_botocore(lambda session: session.get_credentials())
    if refreshed is None:
        raise AwsError("NoCredentialsError")

    def current() -> Credentials:
        # botocore renews them shortly before they expire.
        frozen = _ask_botocore(lambda _session: refreshed.get_frozen_credentials())
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    return current


_making = threading.Lock()


@cache
def _botocore() -> Any:
    from botocore.session import get_session  # noqa: PLC0415 (rare, and it takes long to import)

    return get_session()


def _ask_botocore[T](ask: "Callable[[Any], T]") -> T:
    """Ask botocore's session, of which there is one. Raises AwsError with the name of botocore's error."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (as above)

    with _making:
        try:
            return ask(_botocore())
        except (BotoCoreError, RuntimeError) as exc:  # a RuntimeError if renewed credentials have expired
            raise AwsError(type(exc).__name__) from None
