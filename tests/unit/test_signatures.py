"""`relayctl` signs an example for every preset whose key can be held, as the relay verifies it."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest

from provider_relay import admit
from provider_signer import SENDERS
from provider_signer.kit import NOW, Sent
from provider_signer.sender import Sender
from push_relay.core.errors import SignatureInvalid
from push_relay.core.inbound.media_type import FORM
from relayctl import senders
from relayctl.webhook import Webhook

#: Keys that only the provider has.
PUBLIC = ("ed25519", "p256", "rsa")
HELD = [sender for sender in SENDERS.values() if not sender.key.startswith(PUBLIC)]
#: Its proof is in a part of multipart/form-data, which the signer cannot write.
MULTIPART = "dropbox-sign"
EVERY = pytest.mark.parametrize("sender", [s for s in HELD if s.slug != MULTIPART], ids=lambda s: s.slug)


def example(sender: Sender) -> Webhook:
    """Return the provider's request without its proof in headers or query."""
    genuine = sender.request()
    return Webhook({"content-type": genuine.headers["content-type"]}, genuine.body)


def signed(sender: Sender, secret: str) -> Sent:
    """Return the example as the demonstration sends it."""
    genuine = sender.request()
    sent = senders.sign(
        example(sender), {"scheme": sender.slug}, secret, NOW, url=genuine.url.partition("?")[0]
    )
    return replace(genuine, headers=sent.headers, query=sent.query, body=sent.body)


@EVERY
def test_an_example_of_every_preset_is_signed(sender: Sender) -> None:
    """A nonce or an id that the provider signs is made up."""
    admit(sender, signed(sender, sender.stored()))


@EVERY
def test_another_secret_does_not_fit(sender: Sender) -> None:
    """If the signer used no secret, the test above would prove nothing."""
    with pytest.raises(SignatureInvalid):
        admit(sender, signed(sender, sender.stored(1)))


@EVERY
def test_a_new_secret_has_the_form_that_the_preset_needs(sender: Sender) -> None:
    """`make run` makes one for every source."""
    verify = {"scheme": sender.slug}
    assert senders.is_valid_secret(senders.new_secret(verify), verify)
    assert senders.needs_secret(verify)


@pytest.mark.parametrize("sender", [s for s in SENDERS.values() if s not in HELD], ids=lambda s: s.slug)
def test_a_private_key_cannot_be_held(sender: Sender) -> None:
    """The relay stores only the public key."""
    with pytest.raises(senders.CannotSignError, match="private key"):
        senders.sign(example(sender), {"scheme": sender.slug}, sender.stored(), NOW)


def test_a_proof_is_written_into_the_document_in_a_forms_field() -> None:
    """Its sender can write the form in two ways, and this is the one that the signer can write."""
    sender = SENDERS[MULTIPART]
    document = {"event": {"event_time": "1", "event_type": "signed", "event_hash": ""}, "title": "a & b"}
    form = urlencode({"json": json.dumps(document), "zone": "x y"}).encode()
    request = Webhook({"content-type": FORM}, form)
    sent = senders.sign(request, {"scheme": MULTIPART}, sender.stored(), NOW)
    fields = dict(parse_qsl(sent.body.decode()))
    assert fields["zone"] == "x y"
    assert json.loads(fields["json"])["title"] == "a & b"
    genuine = replace(sender.request(), headers=sent.headers, query={}, body=sent.body)
    admit(sender, genuine)
    with pytest.raises(SignatureInvalid):
        admit(sender, replace(genuine, body=sent.body.replace(b"signed", b"failed")))
