"""The handshakes by the names that a source's `handshake` uses."""

from push_relay.core.trust.handshakes import challenge, cloudevents, sns
from push_relay.core.trust.handshakes.base import Handshake

HANDSHAKES: dict[str, Handshake] = {
    "slack": Handshake(challenge.slack),
    "zoom": Handshake(challenge.zoom),
    "event-grid": Handshake(challenge.event_grid),
    "microsoft-graph": Handshake(challenge.microsoft_graph),
    # Only `sns-http` proves which topic asks. Under another scheme a caller could make the relay fetch a URL.
    "sns": Handshake(sns.confirm, scheme="sns-http"),
    "cloudevents": Handshake(preflight=cloudevents.preflight),
}
#: The handshake of a source that configures none.
NO_HANDSHAKE = Handshake()
