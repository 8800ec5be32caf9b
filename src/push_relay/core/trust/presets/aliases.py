"""Presets that are another scheme of the engine under the provider's name."""

from collections.abc import Mapping
from typing import Final

from push_relay.core.trust.presets.preset import Preset

PRESETS: Final[Mapping[str, Preset]] = {
    "aws-sns": Preset(
        "Amazon SNS",
        "https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
        {"scheme": "sns-http"},
        event={"format": "sns"},
        secret="nothing: the certificate is fetched from SNS",
        note='Set `handshake = "sns"` to confirm subscriptions. List the topics in `[source.NAME] topics` in relay.toml: SNS signs everybody\'s messages in the same way.',
    ),
}
