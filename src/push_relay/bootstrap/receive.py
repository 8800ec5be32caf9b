"""Wire the function `receive`."""

from push_relay.adapters import aws
from push_relay.adapters.sns import SnsEndpoint
from push_relay.bootstrap.common import Common
from push_relay.core.intake import Forward, Intake, QueueForward
from push_relay.core.trust.certificates import KnownCertificates
from push_relay.core.trust.door import Door
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from push_relay.settings import DeliveryMode, Settings


def build(common: Common) -> HttpEndpoint:
    """Wire the HTTP endpoint."""
    settings, clock = common.settings, common.clock
    sns = SnsEndpoint(sign=aws.signed)
    signing_secrets = StoredSigningSecrets(common.secret(settings.signing_secrets_arn))
    intake = Intake(
        sources=common.sources,
        routing=common.routing,
        door=Door(signing_secrets, KnownCertificates(sns.certificate, clock.monotonic)),
        subscriptions=sns,
        forward=_direct(common) if settings.mode is DeliveryMode.DIRECT else QueueForward(common.queue),
        clock=clock,
    )
    return HttpEndpoint(intake, common.telemetry)


def _direct(common: Common) -> Forward:
    # Only the mode `direct` needs the back half in this function.
    from push_relay.bootstrap.deliver import build_relay  # noqa: PLC0415
    from push_relay.entrypoints.direct import DirectForward  # noqa: PLC0415
    from push_relay.entrypoints.ending import Ending  # noqa: PLC0415

    return DirectForward(build_relay(common), Ending(common.queue, common.clock))


def warm_up(settings: Settings) -> None:
    """Make the AWS clients that the settings need, and call no service.

    Lambda starts a function with a full processor core and runs it on a part of one: an import here costs a
    third of what it costs inside the first request, whose sender waits.
    """
    from push_relay.core.rules import admission, schema  # noqa: F401, PLC0415 (`Source` imports them when needed)

    if settings.signing_secrets_arn or settings.push_credentials_arn:
        aws.prepare(aws.secretsmanager)
    if settings.queue_url:
        aws.prepare(aws.sqs)
    if settings.ledger_table:
        aws.prepare(aws.dynamodb)
