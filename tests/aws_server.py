"""The relay's clients of AWS, for a server of a test."""

import pytest

from push_relay.adapters import aws
from relayctl.local_aws import REGION


def aws_at(address: str, patch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    """Let the relay and boto3 find AWS at an address; return the environment that does it."""
    environment = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        **variables,
    }
    for name, value in environment.items():
        patch.setenv(name, value)
    patch.setattr(aws, "_clients", {})
    return environment
