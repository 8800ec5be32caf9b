"""An organisation at the vendor: its account of the relay, its sandbox, and its credentials."""

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from chaos.run_calendar import TIME_ZONE
from chaos.run_clock import RunClock
from relayctl.deploy import secrets_client
from relayctl.ministack import LocalAws
from sandbox import Account, Call, Faults, Record, SandboxServer
from sandbox.account import Limits


class RunRecord(Record):
    """A record of all calls, with the times of the run's clock."""

    def __init__(self, run_clock: RunClock) -> None:
        super().__init__(keep=None)
        self._run_clock = run_clock

    def add(self, call: Call) -> Call:
        """Store a call."""
        return super().add(replace(call, time=datetime.fromtimestamp(self._run_clock.now(), UTC)))


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation.

    account      the name of its account in relay.toml
    daily_calls  the vendor's limit for a day
    secret       the name of the secret with its credentials
    """

    account: str
    company_id: int
    daily_calls: int
    sandbox: SandboxServer
    secret: str

    def rotate_at_vendor(self) -> str:
        """Let the vendor accept only a new key from now on, and return the key."""
        key = secrets.token_urlsafe(24)
        self.sandbox.account.change_credentials(self.company_id, key)
        return key

    def create_secret(self, aws: LocalAws) -> str:
        """Create the secret with a new key, and return its ARN."""
        content = self._credentials(self.rotate_at_vendor())
        return secrets_client(aws).create_secret(Name=self.secret, SecretString=content)["ARN"]

    def rotate_secret(self, aws: LocalAws, key: str) -> None:
        """Store a key in Secrets Manager."""
        content = self._credentials(key)
        secrets_client(aws).put_secret_value(SecretId=self.secret, SecretString=content)

    def _credentials(self, key: str) -> str:
        return json.dumps({"CompanyId": self.company_id, "IntegrationKey": key})


def make_organisation(
    account: str, number: int, daily_calls: int, seed: int, run_clock: RunClock
) -> Organisation:
    """Make an organisation whose days are those of the run's clock. `number`: differs with each one."""
    company_id = 4711 + number
    vendor = Account(
        company_id,
        secrets.token_urlsafe(24),
        limits=Limits(daily_calls=daily_calls),
        time_zone=TIME_ZONE,
        clock=lambda: datetime.fromtimestamp(run_clock.now(), UTC),
    )
    sandbox = SandboxServer(vendor, record=RunRecord(run_clock), faults=Faults(seed=seed + number))
    return Organisation(account, company_id, daily_calls, sandbox, f"push-credentials-{account}")
