"""The parts that both functions need: configuration, sources, queues, telemetry and clock."""

from push_relay.adapters import aws
from push_relay.adapters.catalog import Catalog, read_configuration
from push_relay.adapters.process import SystemClock
from push_relay.adapters.queue import SqsQueue
from push_relay.adapters.secrets import read_secret
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.rules.routing import Routing
from push_relay.core.secret import CachedSecret
from push_relay.settings import Settings
from push_relay.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Common:
    """The parts of a function that do not depend on its half of the pipeline."""

    settings: Settings
    routing: Routing
    sources: Catalog
    queue: SqsQueue
    telemetry: Telemetry
    clock: SystemClock

    @classmethod
    def of(cls, settings: Settings, clock: SystemClock | None = None) -> "Common":
        """Make the parts. Calls no service: AWS clients are made when they are first needed.

        clock  the chaos run's own, by which a day passes in a second
        """
        clock = clock or SystemClock()
        telemetry = Telemetry(settings.stack)
        routing = read_configuration(settings.config_file)
        for warning in routing.warnings:
            telemetry.outdated(warning)
        return cls(
            settings,
            routing,
            Catalog(settings.sources_directory, telemetry.outdated),
            SqsQueue(settings.queue_url, settings.dead_letter_queue_url, clock.now),
            telemetry,
            clock,
        )

    def secret(self, arn: str) -> CachedSecret:
        """Return a secret of Secrets Manager, which is read when it is first needed."""
        return CachedSecret(lambda: read_secret(arn), self.clock.now, self.clock.monotonic)


def prepare_clients(settings: Settings, *secrets: str) -> None:
    """Make the AWS clients that the settings need, and call no service.

    Lambda starts a function with a full processor core and runs it on a part of one: an import here costs a
    third of what it costs inside the first invocation, whose sender may wait.

    secrets  the ARNs of the secrets that the function reads; an empty one is not set
    """
    if any(secrets):
        aws.prepare(aws.secretsmanager)
    if settings.queue_url:
        aws.prepare(aws.sqs)
    if settings.ledger_table:
        aws.prepare(aws.dynamodb)
