"""Wire the function `deliver`, and the back half for `receive` in the mode `direct`."""

from functools import partial

from push_relay.adapters.dynamodb.batches import DynamoDbBatches
from push_relay.adapters.dynamodb.calls import DynamoDbCallCounter
from push_relay.adapters.dynamodb.cooldown import DynamoDbCooldown
from push_relay.adapters.dynamodb.leases import DynamoDbLeaseRecord
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.process import Threads
from push_relay.adapters.push_http import HttpPushApi
from push_relay.bootstrap.common import Common, prepare_clients
from push_relay.core.account import Account
from push_relay.core.delivery.batching import Batcher
from push_relay.core.delivery.circuit import CircuitBreaker
from push_relay.core.delivery.credentials import StoredPushCredentials
from push_relay.core.delivery.daily_quota import DailyQuota
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.sender import Sender
from push_relay.core.delivery.share import SharedConnections
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.translator import Translator
from push_relay.entrypoints.batch_consumer import BatchConsumer
from push_relay.settings import Settings


def build(common: Common) -> BatchConsumer:
    """Wire the batch consumer."""
    return BatchConsumer(
        recogniser=Recogniser(common.sources, common.routing, common.clock.now, common.telemetry.fell_back),
        relay=build_relay(common),
        queues=common.queue,
        telemetry=common.telemetry,
        clock=common.clock,
    )


def build_relay(common: Common) -> Relay:
    """Wire the back half."""
    table = LedgerTable(common.settings.ledger_table)
    ledger = DynamoDbLedger(table, common.clock.now)
    lanes = {name: _lane(common, account, table, ledger) for name, account in common.routing.accounts.items()}
    translator = Translator(common.sources, common.routing)
    return Relay(translator, lanes, ledger, Threads(len(lanes)))


def _lane(common: Common, account: Account, table: LedgerTable, ledger: DynamoDbLedger) -> Lane:
    settings, clock = common.settings, common.clock
    name, secret = account.name, account.credentials_secret or settings.push_credentials_arn
    vendor = DailyQuota(
        HttpPushApi(account.base_url or settings.push_base_url, account),
        DynamoDbCallCounter(table, name, clock.now),
        Quota(account, common.routing.budgets[name]),
        clock,
        partial(common.telemetry.quota, name),
    )
    breaker = CircuitBreaker(vendor, DynamoDbCooldown(table, name, clock.now), account, clock, vendor.check)
    sender = Sender(
        ledger=ledger,
        credentials=StoredPushCredentials(common.secret(secret)),
        push_api=breaker,
        pace=breaker,
        clock=clock,
        hold_unknown=account.hold_unknown,
        resends=account.resends,
    )
    connections = SharedConnections(
        lambda worker: DynamoDbLeaseRecord(table, name, account.connections, worker, clock.now),
        account,
        clock.now,
        clock.sleep,
    )
    return Lane(
        account=account,
        sender=sender,
        batcher=Batcher(DynamoDbBatches(table, clock.now), ledger, sender, common.queue, clock),
        connections=connections,
        parallel_map=Threads(account.connections),
    )


def warm_up(settings: Settings) -> None:
    """Import and make before the first event what it needs. Calls no service."""
    from push_relay.core.rules import wording  # noqa: F401, PLC0415 (`Source` imports it when it is needed)

    prepare_clients(settings, settings.push_credentials_arn)
