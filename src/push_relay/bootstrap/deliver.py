"""Wire the function `deliver`, and the back half for `receive` in the mode `direct`."""

from functools import partial
from typing import NamedTuple

from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.adapters.dynamodb.batches import DynamoDbBatches
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.ledger_writes import GroupWrites
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.process import Threads
from push_relay.adapters.push_http import HttpPushApi
from push_relay.bootstrap.common import Common, prepare_clients
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.backlog import Backlog
from push_relay.core.delivery.batching import Batcher
from push_relay.core.delivery.credentials import StoredPushCredentials
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.ledger import Ledger
from push_relay.core.delivery.parking import Parking
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.sender import Sender
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.translator import Translator
from push_relay.entrypoints.backlog_feed import FeedParts
from push_relay.entrypoints.batch_consumer import BatchConsumer
from push_relay.entrypoints.drain import Drainer
from push_relay.entrypoints.ending import Ending
from push_relay.settings import LedgerWrites, Settings

#: Threads of a lane besides those that make its calls: the writer of settlements.
_MORE_THREADS = 1


class BackHalf(NamedTuple):
    """The back half of the relay."""

    relay: Relay
    ending: Ending
    backlog: Backlog


def build(common: Common) -> BatchConsumer:
    """Wire the batch consumer."""
    relay, ending, backlog = build_back_half(common)
    parts = FeedParts(relay, backlog, ending, common.telemetry, common.clock)
    return BatchConsumer(
        recogniser=Recogniser(common.sources, common.routing, common.clock.now, common.telemetry.fell_back),
        relay=relay,
        ending=ending,
        drainer=Drainer(parts, Threads(len(relay.lanes))),
        telemetry=common.telemetry,
        clock=common.clock,
    )


def build_back_half(common: Common) -> BackHalf:
    """Wire the back half."""
    settings, clock = common.settings, common.clock
    table = LedgerTable(settings.ledger_table)
    # PartiQL's module is only imported if it is chosen.
    ledger = DynamoDbLedger(table, clock.now, _group_writes(settings, table))
    backlog = DynamoDbBacklog(BacklogTable(settings.backlog_table), clock.now)
    accounts = common.routing.accounts
    permits = {name: _permits(common, account, table) for name, account in accounts.items()}
    parking = Parking(backlog, common.queue, permits, clock)
    lanes = {
        name: _lane(common, account, _sender(common, account, ledger, permits[name]), table, parking)
        for name, account in accounts.items()
    }
    relay = Relay(Translator(common.sources, common.routing), lanes, ledger, Threads(len(lanes)))
    return BackHalf(relay, Ending(common.queue, parking, clock), backlog)


def _group_writes(settings: Settings, table: LedgerTable) -> GroupWrites | None:
    if settings.ledger_writes is LedgerWrites.SINGLE:
        return None
    from push_relay.adapters.dynamodb.ledger_partiql import PartiqlWrites  # noqa: PLC0415

    return PartiqlWrites(table)


def _permits(common: Common, account: Account, table: LedgerTable) -> AccountPermits:
    return AccountPermits(
        DynamoDbPermits(table, account.name, common.clock.now),
        Quota(account, common.routing.budgets[account.name]),
        common.clock,
        partial(common.telemetry.quota, account.name),
    )


def _sender(common: Common, account: Account, ledger: Ledger, permits: AccountPermits) -> Sender:
    settings = common.settings
    secret = account.credentials_secret or settings.push_credentials_arn
    return Sender(
        ledger=ledger,
        credentials=StoredPushCredentials(common.secret(secret)),
        push_api=HttpPushApi(account.base_url or settings.push_base_url, account),
        permits=permits,
        clock=common.clock,
        hold_unknown=account.hold_unknown,
        resends=account.resends,
    )


def _lane(common: Common, account: Account, sender: Sender, table: LedgerTable, parking: Parking) -> Lane:
    return Lane(
        account=account,
        sender=sender,
        batcher=Batcher(
            DynamoDbBatches(table, common.clock.now), sender.ledger, sender, parking, common.clock
        ),
        permits=sender.permits,
        threads=Threads(account.connections + _MORE_THREADS),
    )


def warm_up(settings: Settings) -> None:
    """Import and make before the first event what it needs. Calls no service."""
    from push_relay.core.rules import wording  # noqa: F401, PLC0415 (`Source` imports it when it is needed)

    prepare_clients(settings, settings.push_credentials_arn)
