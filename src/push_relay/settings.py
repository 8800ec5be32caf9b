"""The settings in the environment. docs/reference.md lists them.

Only this module reads the environment, except for the three settings of the log and the metrics.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.rules.kinds import base_url

#: In the artifact the sources and the deployer's file lie beside the package.
_ROOT = Path(__file__).resolve().parents[1]


class DeliveryMode(StrEnum):
    """Whether `receive` queues an event, or delivers it within the HTTP call."""

    QUEUE = "queue"
    DIRECT = "direct"


class LedgerWrites(StrEnum):
    """How the ledger writes a group of claims or ends of claims."""

    SINGLE = "single"  # a call for each item, in parallel
    PARTIQL = "partiql"  # a call for up to 25 items; unproven on AWS


@dataclass(frozen=True, slots=True)
class Settings:
    """The values that the template gives the functions. A value that a function never needs may be empty."""

    mode: DeliveryMode
    queue_url: str
    dead_letter_queue_url: str
    signing_secrets_arn: str
    push_base_url: str
    push_credentials_arn: str
    ledger_table: str
    config_file: Path
    sources_directory: Path
    stack: str = "push-relay"
    backlog_table: str = ""
    ledger_writes: LedgerWrites = LedgerWrites.SINGLE

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment. Raises ConfigurationInvalid, which names the variable."""
        mode = environment.get("DELIVERY_MODE", DeliveryMode.QUEUE)
        if mode not in list(DeliveryMode):
            raise ConfigurationInvalid(f"DELIVERY_MODE is not one of: {', '.join(DeliveryMode)}")
        writes = environment.get("LEDGER_WRITES", LedgerWrites.SINGLE)
        if writes not in list(LedgerWrites):
            raise ConfigurationInvalid(f"LEDGER_WRITES is not one of: {', '.join(LedgerWrites)}")
        return cls(
            mode=DeliveryMode(mode),
            queue_url=environment.get("QUEUE_URL", ""),
            dead_letter_queue_url=environment.get("DEAD_LETTER_QUEUE_URL", ""),
            signing_secrets_arn=environment.get("SIGNING_SECRETS_ARN", ""),
            push_base_url=_base_url(environment.get("PUSH_BASE_URL", "")),
            push_credentials_arn=environment.get("PUSH_CREDENTIALS_ARN", ""),
            ledger_table=environment.get("LEDGER_TABLE", ""),
            config_file=Path(environment.get("RELAY_CONFIG", _ROOT / "config" / "relay.json")),
            sources_directory=Path(environment.get("RELAY_SOURCES", _ROOT / "sources")),
            # CloudWatch takes no empty dimension.
            stack=environment.get("STACK_NAME") or "push-relay",
            backlog_table=environment.get("BACKLOG_TABLE", ""),
            ledger_writes=LedgerWrites(writes),
        )


def _base_url(text: str) -> str:
    """Check the vendor's base URL: credentials travel in the body, so it is https, or this machine."""
    if not text:
        return text
    try:
        return base_url(text)
    except ConfigurationInvalid as exc:
        raise ConfigurationInvalid(f"PUSH_BASE_URL {exc.detail}") from exc
