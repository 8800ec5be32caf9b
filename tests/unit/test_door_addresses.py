"""Allow-lists go by the address that the gateway vouches for, and by nothing that a caller can write."""

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
    """Return a relay whose source lists addresses."""
    here = world(directory, GITHUB.verify, policy=policy, **more)
    here.secrets.secrets = (GITHUB.secret,)
    return here


def forbidden(here: World, answer: dict[str, Any]) -> None:
    """Hold a refusal to 403, which tells nothing and is counted."""
    told = json.loads(answer["body"])
    assert (answer["statusCode"], told["code"]) == (403, "address_not_allowed")
    assert told["detail"] == "the caller's address is not in the source's allow-list"
    assert here.witness.outcomes[-1] is Outcome.REJECTED
    assert not here.messages.queued


@ANY_GATEWAY
@pytest.mark.parametrize(
    "caller", ["203.0.113.7", "203.0.113.255", "192.0.2.1", "2001:db8:a::1", "2001:0DB8:000A::00ff"]
)
def test_a_listed_address_may_call(gateway: Gateway, caller: str, tmp_path: Path) -> None:
    """And still has to prove itself."""
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
def test_any_other_address_is_turned_away(gateway: Gateway, caller: str, tmp_path: Path) -> None:
    """With a genuine signature too; what is no address fails closed."""
    here = guarded(tmp_path)
    forbidden(here, here.receive(gateway(GITHUB.genuine(), caller=caller)))
    assert here.secrets.refetches == 0


@ANY_GATEWAY
@pytest.mark.parametrize("name", ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"])
def test_what_a_caller_writes_of_themselves_does_not_count(
    gateway: Gateway, name: str, tmp_path: Path
) -> None:
    """Neither to get in, nor to be kept out."""
    here = guarded(tmp_path)
    genuine = GITHUB.genuine()
    lying = replace(genuine, headers={**genuine.headers, name: CALLER})
    forbidden(here, here.receive(gateway(lying, caller="198.51.100.1")))
    confused = replace(genuine, headers={**genuine.headers, name: "198.51.100.1"})
    assert here.receive(gateway(confused))["statusCode"] == 202


@ANY_GATEWAY
def test_an_invocation_without_an_address_is_turned_away(gateway: Gateway, tmp_path: Path) -> None:
    """Nobody vouches for it, whatever its headers say."""
    here = guarded(tmp_path)
    invocation = gateway(GITHUB.genuine(), caller=CALLER)
    for value in (None, 7, ["203.0.113.7"], {}):
        text = json.dumps(invocation["requestContext"]).replace(f'"{CALLER}"', json.dumps(value))
        forbidden(here, here.receive(invocation | {"requestContext": json.loads(text)}))


def test_the_address_is_asked_before_the_secret(tmp_path: Path) -> None:
    """A flood from elsewhere costs no comparison and no read; a missing secret is no 503 to it."""
    here = guarded(tmp_path)
    here.secrets.missing = True
    forbidden(here, here.receive(GATEWAYS[0](GITHUB.genuine(), caller="198.51.100.1")))


def test_without_a_list_everybody_may_call_and_be_verified(tmp_path: Path) -> None:
    """An empty list is none."""
    for policy in ("", "allow_ips = []"):
        here = guarded(tmp_path, policy)
        for caller in ("198.51.100.1", "::1", "unknown"):
            assert here.receive(GATEWAYS[1](GITHUB.genuine(), caller=caller))["statusCode"] == 202


@pytest.mark.parametrize(
    "network", ["203.0.113.7/24", "planted", "203.0.113.0/33", "*", "0.0.0.0/", "203.0.113.0 - 203.0.113.9"]
)
def test_a_slip_in_the_list_is_found_at_build_time(network: str, tmp_path: Path) -> None:
    """Not by the first webhook."""
    with pytest.raises(ConfigurationInvalid, match="allow_ips"):
        guarded(tmp_path, f'allow_ips = ["{network}"]')


@ANY_GATEWAY
def test_a_source_open_to_all_can_be_kept_to_some(gateway: Gateway, tmp_path: Path) -> None:
    """Where nothing else proves the sender, the address still counts."""
    here = world(tmp_path, {"scheme": "none"}, policy=f"unverified = true\n{LISTED}")
    forbidden(here, here.receive(gateway(Request(b"{}"), caller="198.51.100.1")))
    assert here.receive(gateway(Request(b"{}")))["statusCode"] == 202


@ANY_GATEWAY
def test_the_preflight_is_answered_to_listed_addresses_alone(gateway: Gateway, tmp_path: Path) -> None:
    """Whoever may not send is not told that they may."""
    here = guarded(tmp_path, top='handshake = "cloudevents"')
    asked = request(headers={"webhook-request-origin": "sender.example.com"})
    forbidden(here, here.receive(gateway(asked, method="OPTIONS", caller="198.51.100.1")))
    assert here.receive(gateway(asked, method="OPTIONS"))["statusCode"] == 200
