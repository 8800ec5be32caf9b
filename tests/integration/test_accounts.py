"""Accounts on a real DynamoDB, with vendors of their own; and the items of the version before accounts."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import boto_clients
from fakes import SAMPLES, SHIPPED
from local_aws import LocalAws
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.process import SystemClock
from push_relay.bootstrap.common import Common
from push_relay.bootstrap.deliver import build_back_half
from push_relay.core.delivery.batching import closing_event, window_of
from push_relay.core.delivery.permits import Permits
from push_relay.core.event import Event
from push_relay.core.push import Receipt
from push_relay.core.relay import Relay
from push_relay.settings import DeliveryMode, Settings
from sandbox import Account as Organisation
from sandbox import SandboxServer

#: When the version before wrote the items of the sample, in seconds since the epoch.
WRITTEN_AT = 1_790_000_000.0
ONE_ROUTE = '[[route]]\nsource = "push"\nto = ["user:{{ data.UserId }}"]\n'


@pytest.fixture
def local(local_stores: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """Point botocore to the local AWS."""
    for name, value in local_stores.environment.items():
        monkeypatch.setenv(name, value)
    return local_stores


@pytest.fixture
def vendor() -> Iterator[SandboxServer]:
    """Run the vendor of the organisation 1."""
    with SandboxServer(Organisation(1, "key-1")) as running:
        yield running


@pytest.fixture
def other_vendor() -> Iterator[SandboxServer]:
    """Run the vendor of the organisation 2, which refuses the credentials of the organisation 1."""
    with SandboxServer(Organisation(2, "key-2")) as running:
        yield running


class FixedClock(SystemClock):
    """A clock that shows when the sample's items were written, and `added` seconds more."""

    added = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return WRITTEN_AT + self.added


def secret(company_id: int) -> str:
    """Store the credentials of an organisation; return the secret's ARN."""
    value = json.dumps({"CompanyId": company_id, "IntegrationKey": f"key-{company_id}"})
    made = boto_clients.secretsmanager().create_secret(Name=f"push-{uuid.uuid4().hex}", SecretString=value)
    return made["ARN"]


def wired(local: LocalAws, config: Path, vendor: SandboxServer, clock: SystemClock) -> tuple[Relay, str]:
    """Wire the back half with a relay.toml; return it and the ledger's table."""
    table = local.table().name
    settings = Settings(
        mode=DeliveryMode.QUEUE,
        queue_url=local.queue(),
        dead_letter_queue_url=local.queue(),
        signing_secrets_arn="",
        push_base_url=vendor.address,
        push_credentials_arn=secret(1),
        ledger_table=table,
        config_file=config,
        sources_directory=SHIPPED,
        backlog_table=local.backlog_table().name,
    )
    return build_back_half(Common.of(settings, clock)).relay, table


def event(number: int, received_at: float, title: str = "Bread") -> Event:
    """Return an event of the source `push`."""
    data = {"UserId": "ada", "Title": title, "Body": "b"}
    return Event("push", f"e-{number}", "", data, received_at, f"i-{number}")


def deliver(relay: Relay, *events: Event) -> dict[str | None, str]:
    """Deliver events; return each account's error code, or its outcome if there is none."""
    ends: dict[str | None, str] = {}
    for receipts in relay.deliver(events, lambda: 30.0):
        ends |= {receipt.account: _end(receipt) for receipt in receipts}
    return ends


def _end(receipt: Receipt) -> str:
    return receipt.error_code or str(receipt.outcome)


def permits(table: str) -> Permits:
    """Return the permits of the default account."""
    return DynamoDbPermits(LedgerTable(table), "default", time.time).read()


def unused_address() -> str:
    """Return an address at which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def test_an_account_in_trouble_affects_no_other(
    local: LocalAws, tmp_path: Path, vendor: SandboxServer, other_vendor: SandboxServer
) -> None:
    """All three push to the user id `ada`: one has no calls left, one has a dead vendor, one is well."""
    config = tmp_path / "relay.toml"
    route = '{}account = "{}"\n'.format
    config.write_text(
        "[account.default]\ndaily_calls = 1\nreserved_percent = 0\n"
        f'[account.dead]\nbase_url = "{unused_address()}"\ncredentials_secret = "{secret(3)}"\n'
        f'[account.well]\nbase_url = "{other_vendor.address}"\ncredentials_secret = "{secret(2)}"\n'
        + ONE_ROUTE
        + route(ONE_ROUTE, "dead")
        + route(ONE_ROUTE, "well")
    )
    relay, table = wired(local, config, vendor, SystemClock())
    now = time.time()
    assert deliver(relay, event(1, now)) == {
        "default": "delivered",
        "dead": "vendor_unavailable",
        "well": "delivered",
    }
    for number in range(2, 7):
        ends = deliver(relay, event(number, now))
        assert ends["dead"] in {"vendor_unavailable", "circuit_open"}
        assert (ends["default"], ends["well"]) == ("quota_exhausted", "delivered")
    # Nothing that was delivered is taken for another account's push, and nothing is sent again.
    assert deliver(relay, event(1, now))["well"] == "duplicate"
    assert [push["CompanyId"] for push in vendor.record.pushes()] == [1]
    assert [push["CompanyId"] for push in other_vendor.record.pushes()] == [2] * 6
    names = {item["pk"]["S"] for item in boto_clients.dynamodb().scan(TableName=table)["Items"]}
    assert {"connections#default", "connections#well", "connections#dead"} <= names
    assert {name.rpartition("#")[0] for name in names if name.startswith("quota#")} == {
        "quota#default",
        "quota#dead",
        "quota#well",
    }


def test_items_of_the_version_before_accounts_are_the_default_accounts(
    local: LocalAws, tmp_path: Path, vendor: SandboxServer
) -> None:
    """A deployment sends nothing again, loses no open window and forgets no call of the day.

    The version before wrote the items of the sample: `e-1` and `e-4` delivered, `e-2` and `e-3` in a window.
    """
    config = tmp_path / "relay.toml"
    config.write_text(
        "[account.default]\ndaily_calls = 100\n"
        + ONE_ROUTE.replace("to =", "when = \"data.Title != 'batch'\"\nto =")
        + ONE_ROUTE.replace("to =", 'when = "data.Title == \'batch\'"\nbatch = "5m"\nto =')
    )
    clock = FixedClock()
    relay, table = wired(local, config, vendor, clock)
    items: list[Any] = json.loads((SAMPLES / "ledger-of-the-version-before.json").read_text())
    for item in items:
        boto_clients.dynamodb().put_item(TableName=table, Item=item)
    known = [event(1, WRITTEN_AT, "sent"), event(4, WRITTEN_AT, "down"), event(2, WRITTEN_AT, "batch")]
    assert deliver(relay, *known) == {"default": "duplicate"}
    (push,) = relay.pushes(event(3, WRITTEN_AT, "batch"))
    assert not isinstance(push, Receipt)
    clock.added = 300.0
    assert deliver(relay, closing_event(window_of(push, WRITTEN_AT))) == {"default": "delivered"}
    (shown,) = vendor.record.pushes()
    assert (shown["Title"], shown["Body"]) == ("2 new alerts", "2 \u00d7 batch")
    calls = permits(table).calls["2026-09-21"]
    assert (calls.used, calls.elsewhere) == (1, 2)
    count = boto_clients.dynamodb().get_item(TableName=table, Key={"pk": {"S": "quota#default#2026-09-21"}})[
        "Item"
    ]
    assert int(count["calls"]["N"]) == calls.drawn + calls.elsewhere
