"""An allow-list checks the address that the gateway reports, and nothing that a caller can write."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import CALLER, GATEWAYS, Gateway, request, world
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.outcomes import Outcome
from signers import CASES
from sns_sender import Request

ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
GITHUB = next(case for case in CASES if case.name == "github")
LISTED = 'allow_ips = ["203.0.113.0/24", "2001:db8:a::/48", "192.0.2.1"]'


def guarded(directory: Path, policy: str = LISTED, **more: Any) -> World:
    """Return a relay with a source that has an allow-list."""
    here = world(directory, GITHUB.verify, policy=policy, **more)
    here.secrets.secrets = (GITHUB.secret,)
    return here


def assert_forbidden(here: World, answer: dict[str, Any]) -> None:
    """Check that an answer is a 403 without details, that it is counted, and that nothing is queued."""
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (403, "address_not_allowed")
    assert problem["detail"] == "the caller's address is not in the source's allow-list"
    assert here.witness.outcomes[-1] is Outcome.REJECTED
    assert not here.messages.queued


@ANY_GATEWAY
@pytest.mark.parametrize(
    "caller", ["203.0.113.7", "203.0.113.255", "192.0.2.1", "2001:db8:a::1", "2001:0DB8:000A::00ff"]
)
def test_a_listed_address_may_call(gateway: Gateway, caller: str, tmp_path: Path) -> None:
    """The caller still has to be verified: a wrong signature gets a 401."""
    here = guarded(tmp_path)
    assert here.receive(gateway(GITHUB.genuine(), caller=caller))["statusCode"] == 202
    assert here.receive(gateway(GITHUB.genuine(secret=b"x"), caller=caller))["statusCode"] == 401


@ANY_GATEWAY
@pytest.mark.parametrize(
    "caller",
    [
        "198.51.100.1",
        "203.0.114.7",
        "192.0.2.2",
        "2001:db8:b::1",
        "::1",
        "::ffff:198.51.100.1",
        "",
        "unknown",
        "203.0.113.7:443",
        "203.0.113.7, 198.51.100.1",
        " 203.0.113.7",
        "203.0.113.07",
        "203.0.113",
        "3405803783",
        "203.0.113.7\n",
        "\u0662\u0660\u0663.0.113.7",
        "[2001:db8:a::1]",
        "2001:db8:a::1%eth0/64",
        "\udcff",
    ],
    ids=ascii,
)
def test_any_other_address_is_rejected(gateway: Gateway, caller: str, tmp_path: Path) -> None:
    """A genuine signature does not help, and a text that is not an address is rejected too."""
    here = guarded(tmp_path)
    assert_forbidden(here, here.receive(gateway(GITHUB.genuine(), caller=caller)))
    assert here.secrets.refetches == 0


@ANY_GATEWAY
@pytest.mark.parametrize("name", ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"])
def test_a_header_of_the_caller_s_does_not_change_the_address(
    gateway: Gateway, name: str, tmp_path: Path
) -> None:
    """Anyone can send these headers, so they neither admit a caller nor keep one out."""
    here = guarded(tmp_path)
    genuine = GITHUB.genuine()
    lying = replace(genuine, headers={**genuine.headers, name: CALLER})
    assert_forbidden(here, here.receive(gateway(lying, caller="198.51.100.1")))
    confused = replace(genuine, headers={**genuine.headers, name: "198.51.100.1"})
    assert here.receive(gateway(confused))["statusCode"] == 202


@ANY_GATEWAY
def test_an_invocation_without_an_address_is_rejected(gateway: Gateway, tmp_path: Path) -> None:
    """If the gateway does not report an address, no header can replace it."""
    here = guarded(tmp_path)
    invocation = gateway(GITHUB.genuine(), caller=CALLER)
    for value in (None, 7, ["203.0.113.7"], {}):
        text = json.dumps(invocation["requestContext"]).replace(f'"{CALLER}"', json.dumps(value))
        assert_forbidden(here, here.receive(invocation | {"requestContext": json.loads(text)}))


def test_the_address_is_checked_before_the_secret_is_read(tmp_path: Path) -> None:
    """A flood from other addresses must cost no signature check, and must not reveal a missing secret."""
    here = guarded(tmp_path)
    here.secrets.missing = True
    assert_forbidden(here, here.receive(GATEWAYS[0](GITHUB.genuine(), caller="198.51.100.1")))


def test_without_an_allow_list_every_address_may_call(tmp_path: Path) -> None:
    """An empty list has the same effect as no list. The signature is checked in both cases."""
    for policy in ("", "allow_ips = []"):
        here = guarded(tmp_path, policy)
        for caller in ("198.51.100.1", "::1", "unknown"):
            assert here.receive(GATEWAYS[1](GITHUB.genuine(), caller=caller))["statusCode"] == 202


@pytest.mark.parametrize(
    "network", ["203.0.113.7/24", "planted", "203.0.113.0/33", "*", "0.0.0.0/", "203.0.113.0 - 203.0.113.9"]
)
def test_an_invalid_network_in_the_list_is_found_at_build_time(network: str, tmp_path: Path) -> None:
    """A mistake must be found by the build and not by the first webhook."""
    with pytest.raises(ConfigurationInvalid, match="allow_ips"):
        guarded(tmp_path, f'allow_ips = ["{network}"]')


@ANY_GATEWAY
def test_an_allow_list_also_protects_a_source_without_verification(gateway: Gateway, tmp_path: Path) -> None:
    """The address is the only thing that is checked if the scheme is `none`."""
    here = world(tmp_path, {"scheme": "none"}, policy=f"unverified = true\n{LISTED}")
    assert_forbidden(here, here.receive(gateway(Request(b"{}"), caller="198.51.100.1")))
    assert here.receive(gateway(Request(b"{}")))["statusCode"] == 202


@ANY_GATEWAY
def test_the_preflight_is_answered_only_to_listed_addresses(gateway: Gateway, tmp_path: Path) -> None:
    """A positive answer would promise a sender that its events are accepted."""
    here = guarded(tmp_path, top='handshake = "cloudevents"')
    asked = request(headers={"webhook-request-origin": "sender.example.com"})
    assert_forbidden(here, here.receive(gateway(asked, method="OPTIONS", caller="198.51.100.1")))
    assert here.receive(gateway(asked, method="OPTIONS"))["statusCode"] == 200
