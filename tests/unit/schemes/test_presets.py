"""Every preset accepts its provider's genuine requests, and refuses every forgery of them.

The requests are made by tests/provider_signer, which is written from the providers' rules and does not know
the rows that are tested.
"""

import pytest

from provider_relay import admit, source_of
from provider_signer import SENDERS
from provider_signer.forgeries import FORGERIES, Forge
from provider_signer.kit import NOW
from provider_signer.sender import Sender
from push_relay.core.errors import SignatureInvalid, Stale, Unauthenticated
from push_relay.core.inbound.body import read_body
from push_relay.core.trust.presets import FAMILIES, PRESETS

#: Presets whose proof is compared by another test: `sns-http` under another name.
ALIASES = {"aws-sns"}
#: Presets of tokens by a private key, and of fetched keys: test_token_presets.py has their senders.
ELSEWHERE = {*FAMILIES["signed_tokens"], *FAMILIES["fetched"]} - set(SENDERS)
EVERY = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
TIMED = pytest.mark.parametrize(
    "sender", [s for s in SENDERS.values() if s.window], ids=[s.slug for s in SENDERS.values() if s.window]
)
UNTIMED = [s for s in SENDERS.values() if s.window is None and not s.expires]
EXPIRING = [s for s in SENDERS.values() if s.expires]
ROTATING = [s for s in SENDERS.values() if s.rotates]


def test_every_preset_has_a_sender() -> None:
    """A new row needs a signer that is independent of it."""
    assert set(PRESETS) - ALIASES - ELSEWHERE == set(SENDERS)


@EVERY
def test_a_genuine_request_is_accepted(sender: Sender) -> None:
    """With the preset's name alone, and no key beside it."""
    admitted = admit(sender, sender.request())
    assert admitted.verified.content == (sender.covers == "body")


@EVERY
def test_the_body_of_a_genuine_request_is_read(sender: Sender) -> None:
    """The preset's defaults of `[event]` fit the body that its provider sends."""
    sent = sender.request()
    verified = admit(sender, sent).verified
    body_format = source_of(sender.slug).body_format
    document = read_body(
        sent.body, sent.headers, body_format, proven=verified.content, covered=verified.signed
    )
    assert document


@EVERY
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forgery_is_refused(sender: Sender, forge: Forge) -> None:
    """Nobody learns more than that the proof is missing or does not fit."""
    for number, forged in enumerate(forge(sender)):
        with pytest.raises(Unauthenticated) as refused:
            admit(sender, forged)
        assert not isinstance(refused.value, Stale), number


def test_every_forgery_applies_to_some_sender() -> None:
    """A forgery that never yields a request would prove nothing."""
    assert all(any([*forge(sender)] for sender in SENDERS.values()) for forge in FORGERIES)


@EVERY
def test_both_keys_are_accepted_during_a_rotation(sender: Sender) -> None:
    """The deployer stores the old and the new key, in any order."""
    for number in (0, 1):
        admit(sender, sender.request(number), 0, 1)
        admit(sender, sender.request(number), 1, 0)
    with pytest.raises(SignatureInvalid):
        admit(sender, sender.request(2), 0, 1)


@pytest.mark.parametrize("sender", ROTATING, ids=lambda sender: sender.slug)
def test_a_proof_by_either_key_of_a_request_is_accepted(sender: Sender) -> None:
    """A provider that rotates its key signs with both; a proof that does not fit may come first."""
    for numbers in ((0, 1), (1, 0)):
        admit(sender, sender.request(*numbers))


@TIMED
def test_a_time_within_the_window_is_accepted(sender: Sender) -> None:
    """The last seconds before each limit are still valid."""
    assert sender.window
    for away in (-sender.window + 5, (sender.window if sender.ahead is None else sender.ahead) - 5):
        admit(sender, sender.request(now=NOW + away))


@TIMED
def test_a_time_outside_the_window_is_stale(sender: Sender) -> None:
    """Only a sender that has the key learns that."""
    assert sender.window
    for away in (-sender.window - 5, sender.window + 5):
        with pytest.raises(Stale):
            admit(sender, sender.request(now=NOW + away))
        with pytest.raises(SignatureInvalid):
            admit(sender, sender.request(1, now=NOW + away))


@pytest.mark.parametrize("slug", ["recurly", "airwallex", "knock", "front"])
def test_a_time_in_seconds_or_milliseconds_is_accepted(slug: str) -> None:
    """Documentation and libraries differ about the unit; the number of digits shows it."""
    sender = SENDERS[slug]
    in_seconds = sender.request(now=NOW / 1000)
    assert f"{NOW:d}" in str(in_seconds.headers)
    assert f"{NOW * 1000:d}" in str(sender.request().headers)
    admit(sender, in_seconds)
    with pytest.raises(Stale):
        admit(sender, in_seconds, now=NOW + 301)


@pytest.mark.parametrize("sender", UNTIMED, ids=lambda sender: sender.slug)
def test_without_a_window_an_old_request_is_accepted(sender: Sender) -> None:
    """The ledger refuses repeats instead."""
    admit(sender, sender.request(now=NOW - 40 * 86_400))


@pytest.mark.parametrize("sender", EXPIRING, ids=lambda sender: sender.slug)
def test_an_old_token_is_stale(sender: Sender) -> None:
    """Its end is signed."""
    with pytest.raises(Stale):
        admit(sender, sender.request(now=NOW - 86_400))


@EVERY
def test_a_preset_needs_a_secret(sender: Sender) -> None:
    """No preset opens a source to everybody."""
    source = source_of(sender.slug)
    assert source.needs_secret
    assert not source.open_to_all


@EVERY
def test_a_second_attempt_is_the_same_event(sender: Sender) -> None:
    """A provider signs each attempt again, so the time is not part of the event's identity."""
    # Linear's time is a part of the body, so only the id in its header shows a second attempt.
    if sender.covers == "body" and sender.slug != "linear":
        first, second = (admit(sender, sender.request(now=NOW + away)).verified for away in (0, 3))
        assert first == second
