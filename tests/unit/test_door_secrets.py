"""Stored signing secrets are accepted in many formats. An unusable one results in a 503, and is logged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import captured
from front_door import PLANTED, api_gateway_v2, world
from push_relay.core.outcomes import Outcome
from push_relay.core.trust.signing_secrets import REFETCH_SECS
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from secret_store import SecretsManager, rotating, status
from signers import CASES, Case, whsec

KEYED = [case for case in CASES if case.verify["scheme"] not in WITHOUT_SECRET]
EVERY = pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
BY_NAME = {case.name: case for case in CASES}
STANDARD, GITHUB = BY_NAME["standard-webhooks v1"], BY_NAME["github"]
FLOOD = 1000

#: Stored secrets that cannot match any request, by scheme.
UNUSABLE = [
    *((case, stored) for case in KEYED for stored in ("", " ", "\n", "\ufeff", '""')),
    *((STANDARD, stored) for stored in ("my planted secret", "whsec_", "whsec_planted!", "whsk_AAAA")),
    (STANDARD, BY_NAME["standard-webhooks v1a"].secret.removeprefix(b"whpk_").decode()),
    (BY_NAME["basic"], "planted without a colon"),
    (BY_NAME["token bearer"], "plant\u00e9d"),
    (BY_NAME["token bearer"], "Bearer "),
]


def hold(manager: SecretsManager, *stored: object) -> None:
    """Store one or several secrets of the source as JSON, as a person would."""
    manager._text = json.dumps({PLANTED: stored[0] if len(stored) == 1 else list(stored)})


@EVERY
@pytest.mark.parametrize("form", ["{}\n", " {}", "{}\u00a0", "\ufeff{}", '"{}"', "'{}'\r\n"], ids=ascii)
def test_white_space_and_quotes_around_a_secret_are_ignored(case: Case, form: str, tmp_path: Path) -> None:
    """A genuine request is accepted after one read of the secret, and a forger is still rejected."""
    here, manager = rotating(tmp_path, case)
    hold(manager, form.format(case.secret.decode()))
    assert status(here, case) == 202
    assert len(manager.reads) == 1
    assert status(here, case, case.other) == 401


@pytest.mark.parametrize("stored", [whsec(1)[6:].decode(), "v1," + whsec(1).decode()])
def test_the_prefix_of_a_standard_webhooks_secret_is_optional(stored: str, tmp_path: Path) -> None:
    """Some senders show the secret without its prefix, or with another one before it."""
    here, manager = rotating(tmp_path, STANDARD)
    hold(manager, stored)
    assert status(here, STANDARD) == 202
    assert status(here, STANDARD, STANDARD.other) == 401


def test_a_secret_of_digits_can_be_stored_as_a_number(tmp_path: Path) -> None:
    """It is easy to forget the quotes in JSON."""
    here, manager = rotating(tmp_path, GITHUB)
    hold(manager, 20261126)
    assert status(here, GITHUB, b"20261126") == 202


@pytest.mark.parametrize(("case", "stored"), UNUSABLE, ids=lambda value: getattr(value, "name", ascii(value)))
def test_an_unusable_secret_results_in_a_503_and_a_log_line(case: Case, stored: str, tmp_path: Path) -> None:
    """The sender is not at fault, so a 401 would be wrong. The log names the source but not the secret."""
    with captured() as output:
        here, manager = rotating(tmp_path, case)
        here.telemetry = output.telemetry
        hold(manager, stored)
        answer = here.receive(api_gateway_v2(case.genuine()))
    assert answer["statusCode"] == 503
    problem = json.loads(answer["body"])
    assert problem["code"] == "credentials_unavailable"
    assert "detail" not in problem
    (line,) = output.logs
    assert line["error_code"] == "credentials_unavailable"
    assert f"`{PLANTED}`" in line["detail"]
    assert len(stored) < 10 or stored not in output.text


@EVERY
def test_a_blank_secret_accepts_nothing(case: Case, tmp_path: Path) -> None:
    """A forger could sign with the empty key, or with the white space or the quotes themselves."""
    for stored in ("", " ", '""', "\n"):
        here, manager = rotating(tmp_path / str(len(stored)), case)
        hold(manager, stored)
        for key in (b"", b" ", b'""', b"\n"):
            if case.verify["scheme"] != "standard-webhooks":
                assert here.receive(api_gateway_v2(case.sign(case.body, key, "")))["statusCode"] == 503
        assert not here.messages.queued


def test_a_corrected_secret_is_found_within_seconds(tmp_path: Path) -> None:
    """Requests arrive all the time, but they cause only one read in five seconds."""
    here, manager = rotating(tmp_path, STANDARD)
    hold(manager, "my planted secret")
    assert status(here, STANDARD) == 503
    hold(manager, STANDARD.secret.decode())
    manager.reads.clear()
    for _ in range(FLOOD):
        assert status(here, STANDARD, STANDARD.other) == 503
        here.clock.time += (REFETCH_SECS - 1) / FLOOD
    assert not manager.reads
    here.clock.time += 1.1
    assert status(here, STANDARD) == 202
    assert len(manager.reads) == 1


def test_an_unusable_secret_does_not_affect_a_good_one(tmp_path: Path) -> None:
    """A request that does not match the good one may be signed with the other, so it gets a 503."""
    here, manager = rotating(tmp_path, STANDARD)
    hold(manager, STANDARD.secret.decode(), "my planted secret", 7.5)
    assert status(here, STANDARD) == 202
    assert status(here, STANDARD, STANDARD.other) == 503
    (receipt,) = here.witness.receipts
    assert receipt.outcome is Outcome.PARKED
    assert receipt.detail is not None
    assert "number 2, number 3 of 3" in receipt.detail
    assert "my planted" not in receipt.detail


def test_an_unsigned_request_also_gets_a_503_if_the_secret_is_unusable(tmp_path: Path) -> None:
    """A different answer would reveal whether a signature is required."""
    here, manager = rotating(tmp_path, GITHUB)
    hold(manager, " ")
    assert here.receive(api_gateway_v2(replace(GITHUB.genuine(), headers={})))["statusCode"] == 503


@EVERY
def test_only_a_source_with_basic_authentication_asks_for_a_password(case: Case, tmp_path: Path) -> None:
    """`WWW-Authenticate: Basic` makes some senders send a password, and makes browsers show a prompt."""
    here = world(tmp_path, case.verify)
    here.secrets.secrets = (case.secret,)
    for sent in (case.genuine(secret=case.other), replace(case.genuine(), headers={}, query={})):
        answer = here.receive(api_gateway_v2(sent))
        assert answer["statusCode"] == 401
        asked = answer["headers"].get("WWW-Authenticate")
        wanted = 'Basic realm="push-relay", charset="UTF-8"' if case.name == "basic" else None
        assert asked == wanted
