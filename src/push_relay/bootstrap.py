"""The composition root: settings -> adapters -> relay. Nothing else builds an adapter."""

from dataclasses import dataclass

from push_relay.adapters import aws, secrets
from push_relay.adapters.batches import DynamoDbBatches
from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.adapters.connections import DynamoDbConnections
from push_relay.adapters.cooldown import DynamoDbCooldown
from push_relay.adapters.ledger import DynamoDbLedger
from push_relay.adapters.pace import CircuitBreaker, DailyQuota
from push_relay.adapters.process import SystemClock, Threads
from push_relay.adapters.push_http import HttpPushApi
from push_relay.adapters.queue import SqsQueue
from push_relay.adapters.secrets import SecretsManagerPushCredentials, SecretsManagerSigningSecrets
from push_relay.adapters.sns import SnsEndpoint
from push_relay.adapters.table import LedgerTable
from push_relay.core.delivery.batching import Batcher
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.sender import Sender
from push_relay.core.relay import Relay
from push_relay.core.trust.door import Door
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
    account = routing.account
    vendor = DailyQuota(
        HttpPushApi(settings.push_base_url, account),
        table,
        Quota(account, routing.budgets),
        clock.now,
        telemetry.quota,
    )
    breaker = CircuitBreaker(vendor, DynamoDbCooldown(table, clock.now), account, clock.now, vendor.check)
    sender = Sender(
        ledger=DynamoDbLedger(table, clock.now),
        credentials=SecretsManagerPushCredentials(settings.push_credentials_arn, monotonic=clock.monotonic),
        push_api=breaker,
        pace=breaker,
        clock=clock,
        hold_unknown=account.hold_unknown,
        resends=account.resends,
    )
    signing_secrets = SecretsManagerSigningSecrets(settings.signing_secrets_arn, monotonic=clock.monotonic)
    relay = Relay(
        mode=settings.mode,
        sources=Catalog(settings.sources_directory),
        routing=routing,
        door=Door(signing_secrets, sns.certificate),
        subscriptions=sns,
        queue=queue,
        sender=sender,
        batcher=Batcher(DynamoDbBatches(table, clock.now), sender, queue),
        connections=DynamoDbConnections(table, "default", account, clock.now, clock.sleep),
        clock=clock,
        parallel_map=Threads(account.connections),
    )
    return Application(relay, queue, telemetry)


def warm_up(settings: Settings) -> None:
    """Make the AWS clients that the settings ask for, and call nobody.

    Lambda starts a function with a whole processor, and runs it on a part of one: what is loaded here costs a
    third of what it costs inside the first request, whose sender waits. A function loads only what it uses.
    """
    if settings.signing_secrets_arn or settings.push_credentials_arn:
        secrets.prepare()
    if settings.signing_secrets_arn:
        from push_relay.core.rules import admission, schema  # noqa: F401, PLC0415 (what `Source` imports late)
    if settings.push_credentials_arn:
        from push_relay.core.rules import wording  # noqa: F401, PLC0415 (the same)
    if settings.queue_url:
        aws.prepare(aws.sqs)
    if settings.ledger_table:
        aws.prepare(aws.dynamodb)
