"""Secrets are exchanged while webhooks come in, and neither forgers nor outages hammer Secrets Manager."""

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
    """In whichever order they are listed; neither costs more than the one read."""
    for secrets in ((case.other, case.secret), (case.secret, case.other)):
        here, manager = rotating(tmp_path, case, *secrets)
        assert [status(here, case, secret) for secret in secrets] == [202, 202]
        assert len(manager.reads) == 1


@EVERY
def test_a_secret_rotated_just_now_is_found_by_one_refetch(case: Case, tmp_path: Path) -> None:
    """The sender signs with it before the relay's copy is old; nothing is refused meanwhile."""
    here, manager = rotating(tmp_path, case)
    assert status(here, case) == 202
    manager.hold(case.other, case.secret)
    assert [status(here, case, secret) for secret in (case.other, case.secret, case.other)] == [202] * 3
    assert len(manager.reads) == 2


def test_a_secret_that_was_taken_away_lets_nobody_in_after_its_age(tmp_path: Path) -> None:
    """At the latest; at once where anything was refused meanwhile."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.hold(GITHUB.other)
    here.clock.time += MAX_AGE_SECS
    assert status(here, GITHUB) == 401
    assert status(here, GITHUB, GITHUB.other) == 202


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
def test_a_question_is_answered_by_the_secret_that_it_was_asked_with(
    signing: bytes, listed: tuple[bytes, ...], tmp_path: Path
) -> None:
    """Zoom checks the answer by the secret that it knows, wherever that stands in the list or newly came."""
    here = world(tmp_path, ZOOM, top='handshake = "zoom"')
    manager = SecretsManager(here.clock, *listed)
    held = manager.signing_secrets()
    here.change_door(Door(held, here.sns.certificate))
    held.of(PLANTED)
    manager.hold(*{*listed, signing})  # rotated just now, where it was not listed
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}'
    signature = mac(signing, b"v0:" + str(NOW).encode() + b":" + body).hex()
    headers = {"x-zm-signature": f"v0={signature}", "x-zm-request-timestamp": str(NOW)}
    answer = here.receive(api_gateway_v2(request(body, headers)))
    assert json.loads(answer["body"])["encryptedToken"] == mac(signing, b"qgg8vlvZRS6UYooatFL8Aw").hex()
    assert len(manager.reads) == 1 + (signing not in listed)


@EVERY
def test_an_empty_list_of_secrets_lets_nobody_in(case: Case, tmp_path: Path) -> None:
    """Neither the genuine sender nor whoever signs with the empty key."""
    here = world_of(tmp_path, case)
    here.secrets.secrets = here.secrets.rotated = ()
    unkeyed = (
        [] if case.verify["scheme"] == "standard-webhooks" else [case.sign(case.body, b"", case.written(NOW))]
    )
    for sent in (case.genuine(), *unkeyed):
        assert here.receive(api_gateway_v2(sent))["statusCode"] == 503


def test_a_secret_is_not_shown_with_what_it_fits() -> None:
    """Whoever logs what was admitted logs no secret."""
    assert "planted" not in repr(Admitted(Verified(b"signed"), b"planted secret"))


def test_forgeries_cost_no_read_in_the_steady_state(tmp_path: Path) -> None:
    """A thousand at once: the refetch that the first causes serves them all."""
    here, manager = rotating(tmp_path, GITHUB)
    status(here, GITHUB)
    assert status(here, GITHUB, GITHUB.other) == 401
    known = len(manager.reads)
    assert {status(here, GITHUB, GITHUB.other) for _ in range(FLOOD)} == {401}
    assert len(manager.reads) == known == 2
    assert here.witness.outcomes == [Outcome.REJECTED] * (FLOOD + 1)


def test_what_is_unsigned_stale_or_genuine_costs_no_read(tmp_path: Path) -> None:
    """No other secret would make it fit."""
    case = next(case for case in CASES if case.name == "slack")
    here, manager = rotating(tmp_path, case)
    for sent in (replace(case.genuine(), headers={}), case.genuine(NOW - 10_000), case.genuine()):
        here.receive(api_gateway_v2(sent))
    assert len(manager.reads) == 1


def test_a_flood_costs_one_read_a_minute(tmp_path: Path) -> None:
    """Over ten minutes, with genuine webhooks in between: these are let in all along."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.reads.clear()
    for number in range(FLOOD):
        assert status(here, GITHUB, GITHUB.other) == 401
        if number % 100 == 0:
            assert status(here, GITHUB) == 202
        here.clock.time += 10 * MINUTE / FLOOD
    gaps = [later - earlier for earlier, later in zip(manager.reads, manager.reads[1:], strict=False)]
    assert len(manager.reads) <= 10
    assert min(gaps) >= MIN_REFETCH_SECS == MINUTE


def test_a_flood_while_secrets_manager_fails_costs_one_read_a_minute_and_refuses_no_genuine_webhook(
    tmp_path: Path,
) -> None:
    """A forger can cause the read that fails; those who hold the known secret must not pay for it."""
    here, manager = rotating(tmp_path, GITHUB)
    assert status(here, GITHUB) == 202
    manager.down = True
    manager.reads.clear()
    for _ in range(FLOOD):
        assert status(here, GITHUB, GITHUB.other) == 503  # nobody can know that it is forged
        assert status(here, GITHUB) == 202
        here.clock.time += (MAX_AGE_SECS - 1) / FLOOD
    assert len(manager.reads) <= MAX_AGE_SECS / MINUTE
    assert len(here.messages.queued) == 1 + FLOOD


def test_a_secret_rotated_during_an_outage_is_found_after_it(tmp_path: Path) -> None:
    """Until it can be read the sender is asked to come again: a 401 would be the end for some."""
    here, manager = rotating(tmp_path, GITHUB)
    status(here, GITHUB)
    manager.hold(GITHUB.other)
    manager.down = True
    assert {status(here, GITHUB, GITHUB.other) for _ in range(9)} == {503}
    manager.down = False
    here.clock.time += MIN_REFETCH_SECS
    assert status(here, GITHUB, GITHUB.other) == 202


def test_where_no_secret_was_ever_read_nobody_is_let_in_and_few_reads_are_made(tmp_path: Path) -> None:
    """503 to all: it is tried again after FAILURE_AGE_SECS seconds, however many call."""
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


def test_known_secrets_outlive_an_outage_by_no_more_than_their_age(tmp_path: Path) -> None:
    """Then nobody is let in: a secret that was taken away meanwhile must not be good for ever."""
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


def test_a_sender_who_cannot_be_verified_is_asked_to_come_again_in_a_minute(tmp_path: Path) -> None:
    """503 with Retry-After, and not 401, which some senders take for the end."""
    here, manager = rotating(tmp_path, GITHUB)
    manager.down = True
    answer = here.receive(api_gateway_v2(GITHUB.genuine()))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert json.loads(answer["body"])["code"] == "credentials_unavailable"
    assert here.witness.outcomes == [Outcome.PARKED]


def test_threads_cause_one_read_together() -> None:
    """Those that come while a secret is being read wait for it, and fail with it."""
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
def test_a_slip_in_the_secret_lets_nobody_in(text: str, tmp_path: Path) -> None:
    """Not even whoever signs with the empty key."""
    here, manager = rotating(tmp_path, GITHUB)
    manager._text = text
    for signed in (GITHUB.sign(GITHUB.body, b"", ""), GITHUB.genuine()):
        assert here.receive(api_gateway_v2(signed))["statusCode"] == 503
    assert not here.messages.queued
