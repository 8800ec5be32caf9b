"""Secrets can be rotated at any time, and neither forgers nor outages cause many reads of Secrets Manager."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from front_door import PLANTED, api_gateway_v2, request, world, world_of
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.outcomes import Outcome
from push_relay.core.secret import FAILURE_AGE_SECS, MAX_AGE_SECS, MIN_REFETCH_SECS, CachedSecret
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.schemes.proof import Verified
from push_relay.core.trust.signing_secrets import REFETCH_SECS
from secret_store import SecretsManager, rotating, status
from signers import CASES, Case, mac
from sns_sender import NOW

GITHUB = next(case for case in CASES if case.name == "github")
KEYED = [case for case in CASES if case.verify["scheme"] != "sns-http"]
EVERY = pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
FLOOD = 1000
MINUTE = 60


@EVERY
def test_old_and_new_secret_are_both_accepted(case: Case, tmp_path: Path) -> None:
    """The order in which they are listed does not matter, and one read is enough."""
    for secrets in ((case.other, case.secret), (case.secret, case.other)):
        here, manager = rotating(tmp_path, case, *secrets)
        assert [status(here, case, secret) for secret in secrets] == [202, 202]
        assert len(manager.reads) == 1


@EVERY
def test_a_new_secret_is_found_by_one_refetch(case: Case, tmp_path: Path) -> None:
    """The sender may use it before the relay's copy expires. No request is rejected meanwhile."""
    here, manager = rotating(tmp_path, case)
    assert status(here, case) == 202
    manager.hold(case.other, case.secret)
    assert [status(here, case, secret) for secret in (case.other, case.secret, case.other)] == [202] * 3
    assert len(manager.reads) == 2


def test_a_removed_secret_is_rejected_after_the_maximum_age(tmp_path: Path) -> None:
    """This is the latest time. It is rejected earlier if another refusal has caused a refetch."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.hold(GITHUB.other)
    here.clock.time += MAX_AGE_SECS
    assert status(here, GITHUB) == 401
    assert status(here, GITHUB, GITHUB.other) == 202


def test_the_secrets_are_not_read_for_a_scheme_without_one(tmp_path: Path) -> None:
    """A forged message of SNS must not wait for Secrets Manager, and no setting takes part in its proof."""
    case = next(case for case in CASES if case.name == "sns-http version 2")
    here, manager = rotating(tmp_path, case)
    forged = case.genuine(here.clock.time)
    assert here.receive(api_gateway_v2(replace(forged, body=b"{}")))["statusCode"] == 401
    assert manager.reads == []


ZOOM = {
    "scheme": "hmac",
    "header": "x-zm-signature",
    "prefix": "v0=",
    "content": "v0:{timestamp}:{body}",
    "timestamp_header": "x-zm-request-timestamp",
}


@pytest.mark.parametrize("signing", [b"old secret", b"new secret"])
@pytest.mark.parametrize(
    "listed", [(b"old secret", b"new secret"), (b"new secret", b"old secret"), (b"old secret",)]
)
def test_a_handshake_is_answered_with_the_secret_that_signed_it(
    signing: bytes, listed: tuple[bytes, ...], tmp_path: Path
) -> None:
    """Zoom checks the answer with its own secret, which may be any in the list, or a new one."""
    here = world(tmp_path, ZOOM, top='handshake = "zoom"')
    manager = SecretsManager(here.clock, *listed)
    held = manager.signing_secrets()
    here.change_door(Door(held, here.sns.certificate))
    held.of(PLANTED)
    manager.hold(*{*listed, signing})  # if it was not listed, it has just been added
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}'
    signature = mac(signing, b"v0:" + str(NOW).encode() + b":" + body).hex()
    headers = {"x-zm-signature": f"v0={signature}", "x-zm-request-timestamp": str(NOW)}
    answer = here.receive(api_gateway_v2(request(body, headers)))
    assert json.loads(answer["body"])["encryptedToken"] == mac(signing, b"qgg8vlvZRS6UYooatFL8Aw").hex()
    assert len(manager.reads) == 1 + (signing not in listed)


@EVERY
def test_an_empty_list_of_secrets_accepts_nothing(case: Case, tmp_path: Path) -> None:
    """Neither the genuine sender nor a forger with the empty key is accepted."""
    here = world_of(tmp_path, case)
    here.secrets.secrets = here.secrets.rotated = ()
    unkeyed = (
        [] if case.verify["scheme"] == "standard-webhooks" else [case.sign(case.body, b"", case.written(NOW))]
    )
    for sent in (case.genuine(), *unkeyed):
        assert here.receive(api_gateway_v2(sent))["statusCode"] == 503


def test_the_result_of_a_verification_does_not_show_the_secret() -> None:
    """The object could be logged by mistake."""
    assert "planted" not in repr(Admitted(Verified(b"signed"), b"planted secret"))


def test_many_forgeries_cause_one_refetch(tmp_path: Path) -> None:
    """The refetch that the first causes is enough for the thousand that follow at the same time."""
    here, manager = rotating(tmp_path, GITHUB)
    status(here, GITHUB)
    assert status(here, GITHUB, GITHUB.other) == 401
    known = len(manager.reads)
    assert {status(here, GITHUB, GITHUB.other) for _ in range(FLOOD)} == {401}
    assert len(manager.reads) == known == 2
    assert here.witness.outcomes == [Outcome.REJECTED] * (FLOOD + 1)


def test_unsigned_stale_and_genuine_requests_cause_no_refetch(tmp_path: Path) -> None:
    """A new secret would not change the result for them."""
    case = next(case for case in CASES if case.name == "slack")
    here, manager = rotating(tmp_path, case)
    for sent in (replace(case.genuine(), headers={}), case.genuine(NOW - 10_000), case.genuine()):
        here.receive(api_gateway_v2(sent))
    assert len(manager.reads) == 1


def test_a_flood_of_forgeries_causes_one_read_in_five_seconds(tmp_path: Path) -> None:
    """Genuine webhooks during the ten minutes of the flood are all accepted."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.reads.clear()
    for number in range(FLOOD):
        assert status(here, GITHUB, GITHUB.other) == 401
        if number % 100 == 0:
            assert status(here, GITHUB) == 202
        here.clock.time += 10 * MINUTE / FLOOD
    gaps = [later - earlier for earlier, later in zip(manager.reads, manager.reads[1:], strict=False)]
    assert len(manager.reads) <= 10 * MINUTE / REFETCH_SECS
    assert min(gaps) >= REFETCH_SECS == 5


def test_a_new_secret_is_accepted_within_seconds_of_a_flood(tmp_path: Path) -> None:
    """Ten forgeries a second must not delay the first request that is signed with the new secret."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    for _ in range(100):
        assert status(here, GITHUB, b"forged") == 401
        here.clock.time += 0.1
    manager.hold(GITHUB.other)
    waited = 0.0
    while status(here, GITHUB, GITHUB.other) != 202:
        assert status(here, GITHUB, b"forged") == 401
        here.clock.time += 0.1
        waited += 0.1
    assert waited <= REFETCH_SECS


def test_a_flood_during_an_outage_of_secrets_manager_does_not_affect_genuine_webhooks(
    tmp_path: Path,
) -> None:
    """A forger can cause the read that fails, at most once a minute. The known secret stays usable."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.down = True
    manager.reads.clear()
    for _ in range(FLOOD):
        assert status(here, GITHUB, GITHUB.other) == 503  # it could be signed with a new secret
        assert status(here, GITHUB) == 202
        here.clock.time += (MAX_AGE_SECS - 1) / FLOOD
    assert len(manager.reads) <= MAX_AGE_SECS / MINUTE
    assert len(here.messages.queued) == 1 + FLOOD


def test_a_secret_rotated_during_an_outage_is_found_after_it(tmp_path: Path) -> None:
    """During the outage the sender gets a 503, because some senders never retry after a 401."""
    here, manager = rotating(tmp_path, GITHUB)
    status(here, GITHUB)
    manager.hold(GITHUB.other)
    manager.down = True
    assert {status(here, GITHUB, GITHUB.other) for _ in range(9)} == {503}
    manager.down = False
    here.clock.time += MIN_REFETCH_SECS
    assert status(here, GITHUB, GITHUB.other) == 202


def test_nothing_is_accepted_while_no_secret_could_be_read(tmp_path: Path) -> None:
    """All senders get a 503. The secret is read again after `FAILURE_AGE_SECS`, and not for every request."""
    here, manager = rotating(tmp_path, GITHUB)
    manager.down = True
    for number in range(FLOOD):
        assert status(here, GITHUB, GITHUB.other if number % 2 else None) == 503
        here.clock.time += MINUTE / FLOOD
    assert len(manager.reads) <= MINUTE / FAILURE_AGE_SECS + 1
    assert not here.messages.queued
    manager.down = False
    here.clock.time += FAILURE_AGE_SECS
    assert status(here, GITHUB) == 202


def test_known_secrets_are_used_during_an_outage_up_to_their_maximum_age(tmp_path: Path) -> None:
    """After that nothing is accepted, because a secret that was removed meanwhile must not stay valid."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.hold(GITHUB.other)
    manager.down = True
    here.clock.time += 5 * MINUTE - 1
    assert status(here, GITHUB) == 202
    here.clock.time += 1
    manager.reads.clear()
    for _ in range(FLOOD):
        assert status(here, GITHUB) == status(here, GITHUB, GITHUB.other) == 503
        here.clock.time += MINUTE / FLOOD
    assert len(manager.reads) <= MINUTE / FAILURE_AGE_SECS + 1
    manager.down = False
    here.clock.time += FAILURE_AGE_SECS
    assert [status(here, GITHUB, secret) for secret in (GITHUB.other, GITHUB.secret)] == [202, 401]


def test_a_sender_that_cannot_be_verified_is_asked_to_retry_in_a_minute(tmp_path: Path) -> None:
    """The answer is a 503 with `Retry-After` and not a 401, after which some senders never retry."""
    here, manager = rotating(tmp_path, GITHUB)
    manager.down = True
    answer = here.receive(api_gateway_v2(GITHUB.genuine()))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert json.loads(answer["body"])["code"] == "credentials_unavailable"
    assert here.witness.outcomes == [Outcome.PARKED]


def test_parallel_threads_cause_one_read() -> None:
    """Threads that need the secret while another reads it wait for the result, and share its failure."""
    reads, asking = [], threading.Barrier(8)

    def read() -> str:
        reads.append(1)
        time.sleep(0.05)
        raise CredentialsUnavailable("a secret cannot be read from Secrets Manager (Fake)")

    secret = CachedSecret(read, lambda: 0.0, lambda: 0.0)

    def ask(_: int) -> bool:
        asking.wait(10)
        with pytest.raises(CredentialsUnavailable):
            secret.text()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert len(reads) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"planted": ""}', '{"planted": []}', '{"planted": [""]}'])
def test_a_malformed_secret_accepts_nothing(text: str, tmp_path: Path) -> None:
    """Not even a request that is signed with the empty key is accepted."""
    here, manager = rotating(tmp_path, GITHUB)
    manager._text = text
    for signed in (GITHUB.sign(GITHUB.body, b"", ""), GITHUB.genuine()):
        assert here.receive(api_gateway_v2(signed))["statusCode"] == 503
    assert not here.messages.queued
