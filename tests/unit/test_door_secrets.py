"""Signing secrets as people store them, through the front door: accepted, or a 503 whose reason is logged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import captured
from front_door import PLANTED, api_gateway_v2, world
from push_relay.core.outcomes import Outcome
from push_relay.core.secret import MIN_REFETCH_SECS
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from secret_store import SecretsManager, rotating, status
from signers import CASES, Case, whsec

KEYED = [case for case in CASES if case.verify["scheme"] not in WITHOUT_SECRET]
EVERY = pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
BY_NAME = {case.name: case for case in CASES}
STANDARD, GITHUB = BY_NAME["standard-webhooks v1"], BY_NAME["github"]
FLOOD = 1000

#: Of each scheme that has more than a text's form: stored secrets that can fit no request.
UNUSABLE = [
    *((case, stored) for case in KEYED for stored in ("", " ", "\n", "\ufeff", '""')),
    *((STANDARD, stored) for stored in ("my planted secret", "whsec_", "whsec_planted!", "whsk_AAAA")),
    (STANDARD, BY_NAME["standard-webhooks v1a"].secret.removeprefix(b"whpk_").decode()),
    (BY_NAME["basic"], "planted without a colon"),
    (BY_NAME["token bearer"], "plant\u00e9d"),
    (BY_NAME["token bearer"], "Bearer "),
]


def hold(manager: SecretsManager, *stored: object) -> None:
    """Store what a person has put for the source, as JSON."""
    manager._text = json.dumps({PLANTED: stored[0] if len(stored) == 1 else list(stored)})


@EVERY
@pytest.mark.parametrize("form", ["{}\n", " {}", "{}\u00a0", "\ufeff{}", '"{}"', "'{}'\r\n"], ids=ascii)
def test_a_genuine_request_is_let_in_whatever_is_round_the_secret(
    case: Case, form: str, tmp_path: Path
) -> None:
    """By one read of the secret; a forger is refused as ever."""
    here, manager = rotating(tmp_path, case)
    hold(manager, form.format(case.secret.decode()))
    assert status(here, case) == 202
    assert len(manager.reads) == 1
    assert status(here, case, case.other) == 401


@pytest.mark.parametrize("stored", [whsec(1)[6:].decode(), "v1," + whsec(1).decode()])
def test_a_standard_secret_without_its_prefix_or_with_another_lets_its_sender_in(
    stored: str, tmp_path: Path
) -> None:
    """As some senders show it."""
    here, manager = rotating(tmp_path, STANDARD)
    hold(manager, stored)
    assert status(here, STANDARD) == 202
    assert status(here, STANDARD, STANDARD.other) == 401


def test_a_whole_number_is_a_secret(tmp_path: Path) -> None:
    """Who types one into JSON forgets the quotes."""
    here, manager = rotating(tmp_path, GITHUB)
    hold(manager, 20261126)
    assert status(here, GITHUB, b"20261126") == 202


@pytest.mark.parametrize(("case", "stored"), UNUSABLE, ids=lambda value: getattr(value, "name", ascii(value)))
def test_a_secret_that_can_fit_nothing_is_503_and_the_log_has_the_reason(
    case: Case, stored: str, tmp_path: Path
) -> None:
    """Never 401 for ever. The log names the source and what the secret must be; neither shows the secret."""
    with captured() as said:
        here, manager = rotating(tmp_path, case)
        here.telemetry = said.telemetry
        hold(manager, stored)
        answer = here.receive(api_gateway_v2(case.genuine()))
    assert answer["statusCode"] == 503
    problem = json.loads(answer["body"])
    assert problem["code"] == "credentials_unavailable"
    assert "detail" not in problem
    (line,) = said.logs
    assert line["error_code"] == "credentials_unavailable"
    assert f"`{PLANTED}`" in line["detail"]
    assert len(stored) < 10 or stored not in said.text


@EVERY
def test_nobody_is_let_in_by_a_secret_that_was_never_filled_in(case: Case, tmp_path: Path) -> None:
    """Not by the empty key, nor by what is left if white space or quotes are taken for one."""
    for stored in ("", " ", '""', "\n"):
        here, manager = rotating(tmp_path / str(len(stored)), case)
        hold(manager, stored)
        for key in (b"", b" ", b'""', b"\n"):
            if case.verify["scheme"] != "standard-webhooks":
                assert here.receive(api_gateway_v2(case.sign(case.body, key, "")))["statusCode"] == 503
        assert not here.messages.queued


def test_a_mended_secret_is_found_within_a_minute(tmp_path: Path) -> None:
    """Requests ask for it all the while, and cost one read a minute."""
    here, manager = rotating(tmp_path, STANDARD)
    hold(manager, "my planted secret")
    assert status(here, STANDARD) == 503
    hold(manager, STANDARD.secret.decode())
    manager.reads.clear()
    for _ in range(FLOOD):
        assert status(here, STANDARD, STANDARD.other) == 503
        here.clock.time += (MIN_REFETCH_SECS - 1) / FLOOD
    assert not manager.reads
    here.clock.time += 1
    assert status(here, STANDARD) == 202
    assert len(manager.reads) == 1


def test_of_two_secrets_the_good_one_still_lets_in_and_the_other_is_reported(tmp_path: Path) -> None:
    """A request that fits no good secret may be signed with the one that was stored wrongly."""
    here, manager = rotating(tmp_path, STANDARD)
    hold(manager, STANDARD.secret.decode(), "my planted secret", 7.5)
    assert status(here, STANDARD) == 202
    assert status(here, STANDARD, STANDARD.other) == 503
    (receipt,) = here.witness.receipts
    assert receipt.outcome is Outcome.PARKED
    assert receipt.detail is not None
    assert "number 2, number 3 of 3" in receipt.detail
    assert "my planted" not in receipt.detail


def test_an_unsigned_request_meets_what_a_signed_one_meets(tmp_path: Path) -> None:
    """So nobody learns from it whether a signature would be needed."""
    here, manager = rotating(tmp_path, GITHUB)
    hold(manager, " ")
    assert here.receive(api_gateway_v2(replace(GITHUB.genuine(), headers={})))["statusCode"] == 503


@EVERY
def test_a_password_is_asked_for_only_by_sources_that_take_one(case: Case, tmp_path: Path) -> None:
    """`WWW-Authenticate: Basic` makes some senders send their password, and browsers ask for one."""
    here = world(tmp_path, case.verify)
    here.secrets.secrets = (case.secret,)
    for sent in (case.genuine(secret=case.other), replace(case.genuine(), headers={}, query={})):
        answer = here.receive(api_gateway_v2(sent))
        assert answer["statusCode"] == 401
        asked = answer["headers"].get("WWW-Authenticate")
        wanted = 'Basic realm="push-relay", charset="UTF-8"' if case.name == "basic" else None
        assert asked == wanted
