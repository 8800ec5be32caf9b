"""Settings are read from the environment, and a dangerous or unknown value is refused."""

import pytest

from push_relay.core.errors import ConfigurationInvalid
from push_relay.settings import DeliveryMode, LedgerWrites, Settings


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example.com",
        "ftp://push.example.com",
        "push.example.com",
        "https://",
        "https://user@push.example.com",
        "https://push.example.com?x=1",
        "https://push.example.com/#x",
        "http://127.0.0.1.example.com",
    ],
)
def test_a_base_url_that_would_leak_credentials_is_refused(url: str) -> None:
    """Credentials are in the body of every call, so the address has to be https or this machine."""
    with pytest.raises(ConfigurationInvalid, match="PUSH_BASE_URL"):
        Settings.read({"PUSH_BASE_URL": url})


@pytest.mark.parametrize(
    "url", ["https://push.example.com/", "http://127.0.0.1:8080", "http://[::1]:1/base/"]
)
def test_a_plain_base_url_is_accepted_without_its_last_slash(url: str) -> None:
    """The path of an operation is appended to it."""
    assert Settings.read({"PUSH_BASE_URL": url}).push_base_url == url.rstrip("/")


def test_settings_have_defaults_and_a_wrong_one_is_refused() -> None:
    """A function that does not need a setting may leave it empty. A wrong mode is an error with the name."""
    assert Settings.read({}).mode is DeliveryMode.QUEUE
    with pytest.raises(ConfigurationInvalid, match="DELIVERY_MODE"):
        Settings.read({"DELIVERY_MODE": "fast"})
    with pytest.raises(ConfigurationInvalid, match="LEDGER_WRITES"):
        Settings.read({"LEDGER_WRITES": "fast"})
    assert Settings.read({"LEDGER_WRITES": "partiql"}).ledger_writes is LedgerWrites.PARTIQL
