"""A source that takes several proofs, as the shipped `webhook` does: a token, or a signature of the body."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED
from front_door import PLANTED, api_gateway_v2, request, world
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.outcomes import Outcome
from push_relay.core.rules.findings import Mistakes
from push_relay.core.rules.source import read_source
from push_relay.core.secret import CachedSecret
from push_relay.core.trust.door import Door
from push_relay.core.trust.signing_secrets import REFETCH_SECS, StoredSigningSecrets
from sender_case import mac
from sns_sender import Request

VERIFY: Mapping[str, Any] = tomllib.loads((SHIPPED / "webhook/source.toml").read_text("utf-8"))["verify"]
TOKEN, KEY = "planted-token", "planted-signing-key"
BODY = b'{"note": "planted"}'
BOTH = {"secret": TOKEN, "signing-key": KEY}
SIGNATURES = ("x-hub-signature-256", "x-signature-256", "x-signature")


class Relay:
    """A relay with one source, whose stored secret can be changed."""

    def __init__(
        self, directory: Path, stored: object, verify: Mapping[str, Any] = VERIFY, **more: Any
    ) -> None:
        self.here = world(directory, verify, **more)
        self.stored = stored
        clock = self.here.clock
        secrets = StoredSigningSecrets(CachedSecret(self._read, clock.now, clock.monotonic))
        self.here.change_door(Door(secrets, self.here.sns.certificate))

    def _read(self) -> str:
        return json.dumps({PLANTED: self.stored})

    def status(self, headers: Mapping[str, str], body: bytes = BODY) -> int:
        """Send a request, and return the answer's status."""
        sent = request(body, {"content-type": "application/json", **headers})
        return int(self.here.receive(api_gateway_v2(sent))["statusCode"])

    def code(self, headers: Mapping[str, str]) -> str:
        """Send a request that is refused, and return the error code."""
        answer = self.here.receive(
            api_gateway_v2(request(BODY, {"content-type": "application/json", **headers}))
        )
        return str(json.loads(answer["body"])["code"])


def bearer(token: str = TOKEN) -> dict[str, str]:
    """Return the header of a token."""
    return {"authorization": f"Bearer {token}"}


def signed(
    key: str = KEY, name: str = SIGNATURES[0], prefix: str = "sha256=", body: bytes = BODY
) -> dict[str, str]:
    """Return the header of a signature."""
    return {name: prefix + mac(key.encode(), body).hex()}


@pytest.mark.parametrize(
    "stored", [TOKEN, [TOKEN], ["new", TOKEN], {"secret": TOKEN}, {"secret": ["new", TOKEN]}, BOTH]
)
def test_a_stored_text_is_a_token(stored: object, tmp_path: Path) -> None:
    """It may be in either header."""
    relay = Relay(tmp_path, stored)
    assert relay.status(bearer()) == 202
    assert relay.status({"x-relay-token": TOKEN}) == 202
    assert relay.status({"x-relay-token": TOKEN + "x"}) == relay.status(bearer("x")) == 401


@pytest.mark.parametrize("prefix", ["sha256=", ""])
@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize(
    "stored",
    [
        {"signing-key": KEY},
        {"signing-key": ["new", KEY]},
        {"Signing_Key": KEY},
        {"signing-key": KEY, "id": "1"},
        BOTH,
    ],
)
def test_a_stored_signing_key_signs(name: str, prefix: str, stored: object, tmp_path: Path) -> None:
    """The signature is of the body, and hexadecimal in either case."""
    relay = Relay(tmp_path, stored)
    header = signed(name=name, prefix=prefix)
    assert relay.status(header) == 202
    assert relay.status({name: prefix + mac(KEY.encode(), BODY).hex().upper()}) == 202
    assert relay.status(header, b'{"note": "another"}') == relay.status(signed("other", name, prefix)) == 401


@pytest.mark.parametrize("stored", [TOKEN, [TOKEN], {"secret": TOKEN}, BOTH])
def test_a_token_never_signs(stored: object, tmp_path: Path) -> None:
    """Everybody who has seen a request has the token."""
    relay = Relay(tmp_path, stored)
    for name in SIGNATURES:
        for prefix in ("sha256=", ""):
            assert relay.status(signed(TOKEN, name, prefix)) == 401
    assert not relay.here.messages.queued


@pytest.mark.parametrize("stored", [{"signing-key": KEY}, BOTH])
def test_a_key_is_never_compared(stored: object, tmp_path: Path) -> None:
    """A sender that signs does not show its key."""
    relay = Relay(tmp_path, stored)
    assert relay.status(bearer(KEY)) == relay.status({"x-relay-token": KEY}) == 401
    assert relay.status({"x-signature": KEY}) == 401


@pytest.mark.parametrize(
    "same", [{"secret": KEY, "signing-key": KEY}, {"secret": ["a", f" {KEY}"], "signing-key": ["b", KEY]}]
)
def test_a_token_that_is_a_key_too_refuses_everything(same: object, tmp_path: Path) -> None:
    """The log names the two members."""
    relay = Relay(tmp_path, same)
    assert relay.status(bearer(KEY)) == relay.status(signed()) == 503
    assert all("`secret` and `signing-key`" in receipt.detail for receipt in relay.here.witness.receipts)


def test_a_proof_of_a_kind_that_is_not_stored_is_refused(tmp_path: Path) -> None:
    """The answer is that of a wrong proof, and without any proof that of a missing one."""
    for number, (stored, headers) in enumerate((({"signing-key": KEY}, bearer()), (TOKEN, signed()))):
        relay = Relay(tmp_path / str(number), stored)
        assert relay.code(headers) == "signature_invalid"
        assert relay.code({}) == "signature_missing"
    assert Relay(tmp_path / "none", {"id": "1"}).code(bearer()) == "credentials_unavailable"


def test_one_wrong_proof_does_not_affect_a_right_one(tmp_path: Path) -> None:
    """A proxy may add a header of its own. One that fits is enough."""
    relay = Relay(tmp_path, BOTH)
    assert relay.status({**bearer("other"), **signed()}) == 202
    assert relay.status({**bearer(), **signed("other")}) == 202
    assert relay.status({**bearer("other"), **signed("other")}) == 401


def test_a_sender_may_write_its_signature_in_two_spellings(tmp_path: Path) -> None:
    """Some send old and new headers together, and a proxy may sign in a form of its own."""
    relay = Relay(tmp_path, BOTH)
    bare = signed(name="x-signature", prefix="")
    assert relay.status({**signed(), **bare}) == 202
    assert relay.status({**signed(), "x-signature": "not hexadecimal"}) == 202
    assert relay.status({"x-hub-signature-256": "not hexadecimal", **bare}) == 202
    assert relay.status({**signed("other"), **signed("other", "x-signature", "")}) == 401


def test_an_unusable_secret_of_one_kind_does_not_affect_the_other(tmp_path: Path) -> None:
    """A request that fits neither may be genuine, so its sender is asked to send again."""
    relay = Relay(tmp_path, {"secret": "\u00e9", "signing-key": KEY})
    assert relay.status(signed()) == 202
    assert relay.status(bearer()) == 503


def test_a_key_of_another_kind_is_found_within_seconds(tmp_path: Path) -> None:
    """The deployer has just stored it, and the sender uses it at once."""
    relay = Relay(tmp_path, TOKEN)
    assert relay.status(bearer()) == 202
    relay.stored = BOTH
    relay.here.clock.time += REFETCH_SECS
    assert relay.status(signed()) == 202


def test_the_content_is_proven_if_the_proof_covers_it(tmp_path: Path) -> None:
    """After a token a body is read strictly, and by its content type."""
    relay = Relay(tmp_path, BOTH)
    text = {"content-type": "text/plain"}
    assert relay.status({**signed(), **text}) == 202
    assert relay.status({**bearer(), **text}) == 415


@pytest.mark.parametrize(
    ("headers", "outcome"), [(bearer(), Outcome.DELIVERED), (signed(), Outcome.DUPLICATE)]
)
def test_a_captured_request_is_never_another_event(
    headers: dict[str, str], outcome: Outcome, tmp_path: Path
) -> None:
    """A sender with a token may say the same again the next day."""
    relay = Relay(tmp_path, BOTH)
    for _ in range(2):
        assert relay.status(headers) == 202
        event, _ = relay.here.messages.queued[-1]
        relay.here.witness.receipts.extend(relay.here.relay.deliver([event], relay.here.time_left)[0])
        relay.here.clock.time += 13 * 3600
    assert relay.here.witness.outcomes == [Outcome.DELIVERED, outcome]


@pytest.mark.parametrize("name", [*SIGNATURES, "authorization", "x-relay-token"])
def test_no_event_keeps_a_proof(name: str) -> None:
    """Not even that of another alternative than the one that fits."""
    document = {"title": "t", "docs": "d", "verify": VERIFY, "event": {"type": f'headers."{name}"'}}
    with pytest.raises(Mistakes, match="proof"):
        read_source("planted", document, {})


@pytest.mark.parametrize(
    ("verify", "message"),
    [
        ({}, "needs from 1 to 10 tables"),
        ({"alternative": [{"scheme": "basic"}] * 11}, "needs from 1 to 10 tables"),
        ({"alternative": [{"scheme": "none"}]}, "`none` cannot be an alternative"),
        ({"alternative": [{"scheme": "any-of", "alternative": [{"scheme": "basic"}]}]}, "`any-of` cannot"),
        ({"alternative": [{"scheme": "sns-http"}]}, "`sns-http` cannot be an alternative"),
        ({"alternative": [{"scheme": "netlify"}]}, "`netlify` cannot be an alternative"),
        ({"alternative": [{"scheme": "signed"}]}, "`signature` is missing"),
        (
            {"alternative": [{"scheme": "signed", "signature": "header:x", "text": "{method}"}]},
            "does not contain",
        ),
        ({"alternative": [{"scheme": "tokn"}]}, "does not exist"),
        ({"alternative": [{"scheme": "token", "header": "x-request-id"}]}, "would be logged"),
    ],
)
def test_a_wrong_alternative_is_a_mistake(verify: dict[str, Any], message: str) -> None:
    """Each of them is checked as a scheme of its own."""
    with pytest.raises(Mistakes, match=message):
        read_source("planted", {"title": "t", "docs": "d", "verify": {"scheme": "any-of", **verify}}, {})


def test_a_preset_may_be_an_alternative(tmp_path: Path) -> None:
    """A source may move from a token to a provider's signature without a gap."""
    alternatives = [{"scheme": "github"}, {"scheme": "basic"}]
    relay = Relay(
        tmp_path,
        {"signing-key": KEY, "secret": "me:planted"},
        {"scheme": "any-of", "alternative": alternatives},
    )
    assert relay.status(signed()) == 202
    assert relay.status({"authorization": "Basic bWU6cGxhbnRlZA=="}) == 202
    answer = relay.here.receive(api_gateway_v2(Request(BODY, {}, {}, request().url)))
    assert answer["headers"]["WWW-Authenticate"].startswith("Basic ")


def test_a_signing_key_is_not_a_setting() -> None:
    """A text must not be able to contain a key."""
    held = StoredSigningSecrets(
        CachedSecret(lambda: json.dumps({"a": {**BOTH, "id": "1"}, "b": KEY}), lambda: 0.0, lambda: 0.0)
    )
    assert held.settings("a") == {"id": "1"}
    assert (held.of("a"), held.of("a", "signing-key")) == ([TOKEN.encode()], [KEY.encode()])
    with pytest.raises(CredentialsUnavailable):
        held.of("b", "signing-key")
