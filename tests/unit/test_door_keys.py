"""Fetched keys of a source: a stored key is preferred, and without a stored one the sender's is fetched."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import PLANTED, api_gateway_v2, world
from jwt_senders import body_hash, jwk, jwks, rsa_key, token
from ports import Clock
from push_relay.bootstrap.receive import PublishedKeys
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.door import Door
from push_relay.core.trust.fetched_keys import FetchedKeys
from push_relay.core.trust.signing_secrets import StoredSigningSecrets
from sns_sender import Request

BODY = b'{"note": "planted"}'
ADDRESS = "https://keys.example.com/set"
TABLE: Mapping[str, Any] = {
    "scheme": "jwt",
    "token": "header:X-Token",
    "algorithm": "RS256",
    "key": "jwks",
    "claims": {"hash": "{body|sha256-hex}", "aud": "{setting:audience}"},
    "settings": ["audience"],
    "fetch": {"address": ADDRESS, "hosts": ["keys.example.com"]},
}


def relay(directory: Path, stored: Mapping[str, object] | None) -> tuple[World, list[str]]:
    """Return a relay whose sender publishes its key number 0, and the addresses that are called.

    stored  the signing secrets; None if they cannot be read
    """
    here = world(directory, TABLE, policy='settings = {audience = "planted"}')
    calls: list[str] = []

    def fetch(url: str) -> bytes:
        calls.append(url)
        return jwks(jwk(rsa_key(), kid="one"))

    def read() -> str:
        if stored is None:
            raise CredentialsUnavailable("down")
        return json.dumps(stored)

    secrets = StoredSigningSecrets(CachedSecret(read, here.clock.now, here.clock.monotonic))
    keys = FetchedKeys(fetch, here.clock.now, here.clock.monotonic)
    here.change_door(Door(secrets, here.sns.certificate, keys))
    return here, calls


def status(here: World, number: int = 0, audience: str = "planted") -> int:
    """Send a request that is signed with a key, and return the answer's status."""
    written = token({"hash": body_hash(BODY), "aud": audience}, rsa_key(number), {"kid": "one"})
    return int(here.receive(api_gateway_v2(Request(BODY, {"x-token": written})))["statusCode"])


@pytest.mark.parametrize("stored", [{}, {"other": "x"}, {PLANTED: {"audience": "planted"}}])
def test_without_a_stored_key_the_senders_is_fetched(stored: Mapping[str, object], tmp_path: Path) -> None:
    """Settings beside the secret, or in relay.toml, never verify."""
    here, calls = relay(tmp_path, stored)
    assert [status(here), status(here, 1), status(here, audience="evil")] == [202, 401, 401]
    assert calls == [ADDRESS]


@pytest.mark.parametrize("beside", [False, True])
def test_a_stored_key_is_the_only_one(tmp_path: Path, *, beside: bool) -> None:
    """The sender's published key, which is another one, is not even fetched."""
    key = jwks(jwk(rsa_key(1), kid="one")).decode()
    here, calls = relay(tmp_path, {PLANTED: {"secret": key, "audience": "planted"} if beside else [key]})
    assert [status(here), status(here, 1)] == [401, 202]
    assert not calls


@pytest.mark.parametrize(
    ("stored", "answer"), [(None, 503), ({PLANTED: "planted"}, 503), ({PLANTED: ""}, 503)]
)
def test_a_stored_key_that_cannot_be_read_is_not_replaced_by_a_fetched_one(
    stored: Mapping[str, object] | None, answer: int, tmp_path: Path
) -> None:
    """The deployer has chosen a key, or may have."""
    here, calls = relay(tmp_path, stored)
    assert status(here) == answer
    assert not calls


def test_the_modules_that_fetch_keys_are_loaded_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay without such a source must not pay for it at each start."""
    for name in ("push_relay.adapters.key_server", "push_relay.core.trust.fetched_keys"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    keys = PublishedKeys(Clock())
    assert "push_relay.adapters.key_server" not in sys.modules
    with pytest.raises(CredentialsUnavailable):
        keys.current("https://127.0.0.1:1/set", lambda _: True)
    assert "push_relay.adapters.key_server" in sys.modules
