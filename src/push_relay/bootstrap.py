"""The composition root: settings -> adapters -> relay. Nothing else builds an adapter."""

from dataclasses import dataclass

from push_relay.adapters import aws
from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.adapters.dynamodb.batches import DynamoDbBatches
from push_relay.adapters.dynamodb.calls import DynamoDbCallCounter
from push_relay.adapters.dynamodb.cooldown import DynamoDbCooldown
from push_relay.adapters.dynamodb.leases import DynamoDbLeaseRecord
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.process import SystemClock, Threads
from push_relay.adapters.push_http import HttpPushApi
from push_relay.adapters.queue import SqsQueue
from push_relay.adapters.secrets import read_secret
from push_relay.adapters.sns import SnsEndpoint
from push_relay.core.delivery.batching import Batcher
from push_relay.core.delivery.circuit import CircuitBreaker
from push_relay.core.delivery.credentials import StoredPushCredentials
from push_relay.core.delivery.daily_quota import DailyQuota
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.sender import Sender
from push_relay.core.delivery.share import SharedConnections
from push_relay.core.relay import Relay
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.certificates import KnownCertificates
from push_relay.core.trust.door import Door
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from push_relay.settings import Settings
from push_relay.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Application:
    """All that a handler needs."""

    relay: Relay
    queue: SqsQueue
    telemetry: Telemetry


def build(settings: Settings, clock: SystemClock | None = None) -> Application:
    """Wire the application. Calls nobody: AWS clients are made when they are first needed.

    The chaos run hands in a clock of its own, by which a day passes in a second.
    """
    clock = clock or SystemClock()
    routing = read_routing_file(settings.config_file)
    sns = SnsEndpoint(sign=aws.signed)
    queue = SqsQueue(settings.queue_url, settings.dead_letter_queue_url, clock.now)
    telemetry = Telemetry(settings.stack)
    table = LedgerTable(settings.ledger_table)
    name, account = "default", routing.account
    vendor = DailyQuota(
        HttpPushApi(settings.push_base_url, account),
        DynamoDbCallCounter(table, name, clock.now),
        Quota(account, routing.budgets),
        clock,
        telemetry.quota,
    )
    breaker = CircuitBreaker(vendor, DynamoDbCooldown(table, name, clock.now), account, clock, vendor.check)
    sender = Sender(
        ledger=DynamoDbLedger(table, clock.now),
        credentials=StoredPushCredentials(_secret(settings.push_credentials_arn, clock)),
        push_api=breaker,
        pace=breaker,
        clock=clock,
        hold_unknown=account.hold_unknown,
        resends=account.resends,
    )
    signing_secrets = StoredSigningSecrets(_secret(settings.signing_secrets_arn, clock))
    relay = Relay(
        mode=settings.mode,
        sources=Catalog(settings.sources_directory),
        routing=routing,
        door=Door(signing_secrets, KnownCertificates(sns.certificate, clock.monotonic)),
        subscriptions=sns,
        queue=queue,
        sender=sender,
        batcher=Batcher(DynamoDbBatches(table, clock.now), sender, queue),
        connections=SharedConnections(
            lambda worker: DynamoDbLeaseRecord(table, name, account.connections, worker, clock.now),
            account,
            clock.now,
            clock.sleep,
        ),
        clock=clock,
        parallel_map=Threads(account.connections),
    )
    return Application(relay, queue, telemetry)


def _secret(arn: str, clock: SystemClock) -> CachedSecret:
    return CachedSecret(lambda: read_secret(arn), clock.now, clock.monotonic)


def warm_up(settings: Settings) -> None:
    """Make the AWS clients that the settings ask for, and call nobody.

    Lambda starts a function with a whole processor, and runs it on a part of one: what is loaded here costs a
    third of what it costs inside the first request, whose sender waits. A function loads only what it uses.
    """
    if settings.signing_secrets_arn or settings.push_credentials_arn:
        aws.prepare(aws.secretsmanager)
    if settings.signing_secrets_arn:
        from push_relay.core.rules import admission, schema  # noqa: F401, PLC0415 (what `Source` imports late)
    if settings.push_credentials_arn:
        from push_relay.core.rules import wording  # noqa: F401, PLC0415 (the same)
    if settings.queue_url:
        aws.prepare(aws.sqs)
    if settings.ledger_table:
        aws.prepare(aws.dynamodb)
