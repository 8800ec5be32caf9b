"""Wire the function `receive`."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from push_relay.adapters import aws
from push_relay.adapters.sns import SnsEndpoint
from push_relay.bootstrap.common import Common, prepare_clients
from push_relay.core.intake import Forward, Intake, QueueForward
from push_relay.core.trust.certificates import KnownCertificates
from push_relay.core.trust.door import Door
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from push_relay.settings import DeliveryMode, Settings

if TYPE_CHECKING:
    from push_relay.core.clock import Clock
    from push_relay.core.trust.fetched_keys import FetchedKeys


class PublishedKeys:
    """The keys that senders publish. The modules that fetch them are only loaded if a request needs it."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock

    @cached_property
    def _keys(self) -> "FetchedKeys":
        from push_relay.adapters.key_server import KeyServer  # noqa: PLC0415 (as the docstring states)
        from push_relay.core.trust.fetched_keys import FetchedKeys  # noqa: PLC0415

        return FetchedKeys(KeyServer().document, self._clock.now, self._clock.monotonic)

    def named(self, host: str, url: str) -> bytes:
        """Return the document of an address that names its content."""
        return self._keys.named(host, url)

    def current(self, url: str, is_usable: Callable[[bytes], bool]) -> bytes:
        """Return the document of an address whose content changes."""
        return self._keys.current(url, is_usable)

    def renewed(self, url: str, is_usable: Callable[[bytes], bool]) -> bytes:
        """Return the same, fetched again."""
        return self._keys.renewed(url, is_usable)


def build(common: Common) -> HttpEndpoint:
    """Wire the HTTP endpoint."""
    settings, clock = common.settings, common.clock
    sns = SnsEndpoint(sign=aws.signed)
    signing_secrets = StoredSigningSecrets(common.secret(settings.signing_secrets_arn))
    intake = Intake(
        sources=common.sources,
        routing=common.routing,
        door=Door(signing_secrets, KnownCertificates(sns.certificate, clock.monotonic), PublishedKeys(clock)),
        subscriptions=sns,
        forward=_direct(common) if settings.mode is DeliveryMode.DIRECT else QueueForward(common.queue),
        clock=clock,
        dead_letters=common.queue,
    )
    return HttpEndpoint(intake, common.telemetry)


def _direct(common: Common) -> Forward:
    # Only the mode `direct` needs the back half in this function.
    from push_relay.bootstrap.deliver import build_back_half  # noqa: PLC0415
    from push_relay.entrypoints.direct import DirectForward  # noqa: PLC0415

    relay, ending, _ = build_back_half(common)
    return DirectForward(relay, ending)


def warm_up(settings: Settings) -> None:
    """Import and make before the first event what it needs. Calls no service."""
    from push_relay.core.rules import admission, schema  # noqa: F401, PLC0415 (`Source` imports them when needed)

    prepare_clients(settings, settings.signing_secrets_arn, settings.push_credentials_arn)
