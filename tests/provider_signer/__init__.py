"""Every provider as a sender, written from the provider's rules and independent of the code that verifies."""

from collections.abc import Mapping
from typing import Final

from provider_signer import bodies, public_keys, signed_tokens, texts, timed, tokens
from provider_signer.sender import Sender

SENDERS: Final[Mapping[str, Sender]] = {
    sender.slug: sender
    for module in (bodies, timed, texts, public_keys, signed_tokens, tokens)
    for sender in module.SENDERS
}
