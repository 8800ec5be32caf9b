"""Fetched keys: which addresses are called, how often, and how long a key is kept."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from jwt_senders import BODY, NOW, Request, body_hash, ec_key, jwk, jwks, rsa_key, token
from ports import Clock
from push_relay.core.errors import CredentialsUnavailable, SignatureInvalid, Stale
from push_relay.core.trust.certificates import MAX_FETCHES, PERIOD_SECS, RESERVED_FOR_REPEATED
from push_relay.core.trust.fetched_keys import (
    FRESH_SECS,
    MAX_AGE_SECS,
    REFRESH_RETRY_SECS,
    RETRY_SECS,
    FetchedKeys,
)
from push_relay.core.trust.schemes.proof import Evidence, Scheme
from push_relay.core.trust.schemes.registry import read_scheme

ADDRESS = "https://keys.example.com/.well-known/jwks.json"
TABLE: Mapping[str, Any] = {
    "scheme": "jwt",
    "token": "header:X-Token",
    "algorithm": "RS256",
    "key": "jwks",
    "claims": {"iss": "planted", "hash": "{body|sha256-hex}"},
    "time": {"expires": "exp"},
    "fetch": {"address": ADDRESS, "hosts": ["keys.example.com"], "path_begins": "/.well-known/"},
}
CLAIMS: Mapping[str, Any] = {"iss": "planted", "hash": body_hash(), "exp": NOW + 10**6}
FLOOD = 500


class Sender:
    """A sender that publishes keys, and a relay that fetches them. `document` is a text, None or an error."""

    def __init__(self, table: Mapping[str, Any] = TABLE) -> None:
        self.clock = Clock(NOW)
        self.document: bytes | Exception | None = jwks(jwk(rsa_key(), kid="one"))
        self.calls: list[tuple[float, str]] = []
        self.keys = FetchedKeys(self._fetch, self.clock.now, self.clock.monotonic)
        self.scheme: Scheme = read_scheme(table)

    def _fetch(self, url: str) -> bytes | None:
        self.calls.append((self.clock.time, url))
        if isinstance(self.document, Exception):
            raise self.document
        return self.document

    def send(
        self,
        claims: Mapping[str, Any] = CLAIMS,
        number: int = 0,
        *,
        settings: Mapping[str, str] | None = None,
        body: bytes = BODY,
        **jose: Any,
    ) -> bool:
        """Send a token; return whether it is accepted. CredentialsUnavailable passes through."""
        request = Request(body, {"x-token": token(dict(claims), rsa_key(number), {"kid": "one"} | jose)})
        evidence = Evidence((), self.clock.time, settings=settings or {}, keys=self.keys)
        try:
            return self.scheme(request, evidence).content
        except SignatureInvalid:
            return False

    def outcome(self, *args: Any, **jose: Any) -> object:
        """Return whether a token is accepted, or `later`."""
        try:
            return self.send(*args, **jose)
        except CredentialsUnavailable as exc:
            return "later" if 0 < (exc.retry_after or 1) <= PERIOD_SECS else "at a wrong time"


def test_a_set_of_keys_is_fetched_once_and_kept() -> None:
    """It is fetched when it is first needed, from the configured address."""
    sender = Sender()
    for _ in range(FLOOD):
        assert sender.send()
    assert sender.calls == [(NOW, ADDRESS)]


@pytest.mark.parametrize(
    "forged",
    [
        {"claims": {**CLAIMS, "iss": "evil"}},
        {"claims": {**CLAIMS, "hash": body_hash(b"x")}},
        {"claims": {"iss": "planted", "hash": body_hash()}},
        {"alg": "RS512"},
        {"crit": ["x"], "x": 1},
        {"body": b"another"},
    ],
)
def test_nothing_is_fetched_for_a_token_that_cannot_fit(forged: Mapping[str, Any]) -> None:
    """Everything that needs no key is checked before."""
    sender = Sender()
    assert not sender.send(**forged)
    assert not sender.calls


def test_nothing_is_fetched_for_a_token_that_has_expired() -> None:
    """A captured token must not cause a call either."""
    sender = Sender()
    with pytest.raises(Stale):
        sender.send({**CLAIMS, "exp": NOW - 9999})
    assert not sender.calls


def test_a_forged_signature_under_a_known_name_causes_no_further_fetch() -> None:
    """The set is known, and so is the key that the name belongs to."""
    sender = Sender()
    assert sender.send()
    sender.clock.time += RETRY_SECS
    assert not any(sender.send(number=1) for _ in range(FLOOD))
    assert len(sender.calls) == 1


def test_a_flood_of_made_up_names_causes_few_fetches() -> None:
    """All names are in one document, so the time between fetches is the bound."""
    sender = Sender()
    for number in range(FLOOD):
        assert sender.outcome(number=1, kid=f"made-up-{number}") in (False, "later")
        sender.clock.time += PERIOD_SECS / FLOOD
    assert len(sender.calls) <= 1 + PERIOD_SECS / RETRY_SECS


def test_a_new_key_is_accepted_within_seconds_during_a_flood() -> None:
    """A rotation under attack: made-up names cannot use up what a new key needs."""
    sender = Sender()
    assert sender.send()
    sender.document = jwks(jwk(rsa_key(2), kid="two"))
    accepted = 0.0
    for number in range(FLOOD):
        sender.outcome(number=1, kid=f"made-up-{number}")
        if sender.outcome(number=2, kid="two") is True:
            accepted = sender.clock.time
            break
        sender.clock.time += 0.1
    assert 0 < accepted - NOW <= RETRY_SECS + 0.2


def test_a_token_that_may_be_signed_with_a_newer_key_is_asked_for_again() -> None:
    """The sender repeats it, and by then the set can be fetched again."""
    sender = Sender()
    assert sender.send()
    with pytest.raises(CredentialsUnavailable) as refused:
        sender.send(number=2, kid="two")
    assert refused.value.retry_after == RETRY_SECS
    sender.clock.time += RETRY_SECS
    assert sender.outcome(number=2, kid="two") is False
    sender.document = jwks(jwk(rsa_key(2), kid="two"))
    sender.clock.time += RETRY_SECS
    assert sender.send(number=2, kid="two")


def test_a_set_without_names_is_fetched_again_for_a_signature_that_fits_none() -> None:
    """Nothing else shows that its keys were replaced."""
    sender = Sender()
    sender.document = jwks(jwk(rsa_key()))
    assert sender.send()
    sender.document = jwks(jwk(rsa_key(2)))
    sender.clock.time += RETRY_SECS
    assert sender.send(number=2)
    assert sender.outcome(number=1) is not True
    sender.document = jwks(jwk(rsa_key(4), kid="four"))
    sender.clock.time += RETRY_SECS
    assert sender.send(number=4, kid=None)
    sender.document = jwks(jwk(rsa_key(5), kid="five"))
    sender.clock.time += RETRY_SECS
    assert sender.send(number=5, kid=None)
    assert len(sender.calls) == 4


def test_a_key_that_was_removed_ends() -> None:
    """After FRESH_SECS if the set can be fetched, and after MAX_AGE_SECS if it cannot."""
    sender = Sender()
    assert sender.send()
    sender.document = jwks(jwk(rsa_key(2), kid="two"))
    sender.clock.time += FRESH_SECS - 1
    assert sender.send()
    sender.clock.time += 1
    assert sender.outcome() in (False, "later")


def test_a_failing_server_does_not_end_the_keys_at_once() -> None:
    """It is asked again now and then. Its answers meanwhile replace nothing."""
    sender = Sender()
    assert sender.send()
    sender.document = CredentialsUnavailable("down")
    sender.clock.time += FRESH_SECS
    for _ in range(FLOOD):
        assert sender.send()
    assert len(sender.calls) == 2
    sender.document = b"<html>maintenance</html>"
    sender.clock.time += REFRESH_RETRY_SECS
    assert sender.send()
    assert len(sender.calls) == 3
    sender.clock.time = NOW + MAX_AGE_SECS
    with pytest.raises(CredentialsUnavailable):
        sender.send()


@pytest.mark.parametrize(
    "document",
    [None, b"", b"[]", b"{}", b"<html>", jwks(jwk(ec_key(), use="enc")), CredentialsUnavailable("x")],
)
def test_an_answer_without_keys_is_not_remembered_as_one(document: bytes | Exception | None) -> None:
    """The sender is asked to try again. The server is called again after some seconds."""
    sender = Sender()
    sender.document = document
    assert {sender.outcome() for _ in range(FLOOD)} == {"later"}
    assert len(sender.calls) == 1
    sender.document = jwks(jwk(rsa_key(), kid="one"))
    sender.clock.time += RETRY_SECS
    assert sender.send()


def test_the_clock_may_be_set_back() -> None:
    """Then the age of a set is unknown, and it is fetched again."""
    sender = Sender()
    uptime = Clock(0)
    sender.keys = FetchedKeys(sender._fetch, sender.clock.now, uptime.monotonic)
    assert sender.send()
    sender.clock.time -= 100
    assert sender.outcome() == "later"
    uptime.time += RETRY_SECS
    assert sender.send()
    assert len(sender.calls) == 2


def test_a_stored_key_is_used_and_nothing_is_fetched() -> None:
    """A deployer who stores the key has chosen it."""
    sender = Sender()
    request = Request(BODY, {"x-token": token(dict(CLAIMS), rsa_key(), {"kid": "one"})})
    for stored, accepted in ((rsa_key(), True), (rsa_key(3), False)):
        (reading,) = sender.scheme.secret.readings(jwks(jwk(stored)))
        evidence = Evidence((reading,), NOW, keys=sender.keys)
        if accepted:
            assert sender.scheme(request, evidence).content
        else:
            with pytest.raises(SignatureInvalid):
                sender.scheme(request, evidence)
    assert not sender.calls


def test_without_a_way_to_fetch_nothing_is_accepted() -> None:
    """As in a preview, which makes no calls."""
    request = Request(BODY, {"x-token": token(dict(CLAIMS), rsa_key())})
    with pytest.raises(CredentialsUnavailable):
        Sender().scheme(request, Evidence((), NOW))


# --- where keys are fetched from --------------------------------------------------------------------

TENANT = {
    **TABLE,
    "settings": ["tenant"],
    "fetch": {"address": "https://{setting:tenant}.keys.example.com/set", "hosts": ["*.keys.example.com"]},
}


def test_a_setting_may_complete_the_address() -> None:
    """It is the name of a tenant, and nothing else."""
    sender = Sender(TENANT)
    assert sender.send(settings={"tenant": "acme-1"})
    assert sender.calls[0][1] == "https://acme-1.keys.example.com/set"
    for tenant in ("a.b", "a/b", "a@b", "evil.example/#", "", ".", "A", "a b", "%61", "a:1", "a?", "\u0430"):
        with pytest.raises(CredentialsUnavailable):
            sender.send(settings={"tenant": tenant})
    assert len(sender.calls) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://keys.example.com/.well-known/x",
        "https://evil.example/.well-known/x",
        "https://keys.example.com.evil.example/.well-known/x",
        "https://evil.keys.example.com/.well-known/x",
        "https://keys.example.com:444/.well-known/x",
        "https://u@keys.example.com/.well-known/x",
        "https://keys.example.com/.well-known/../x",
        "https://keys.example.com/.well-known//x",
        "https://keys.example.com/.well-known/x?y",
        "https://keys.example.com/.well-known/x#y",
        "https://keys.example.com/.well-known/%2e%2e/x",
        "https://keys.example.com/other/x",
        "https://keys.example.com/.well-known/" + "x" * 600,
        "HTTPS://keys.example.com/.well-known/x",
        "https://KEYS.example.com/.well-known/x",
        " https://keys.example.com/.well-known/x",
        "https://keys.example.com/.well-known/x\n",
        "https://keys\uff0eexample.com/.well-known/x",
        "",
    ],
)
def test_an_address_elsewhere_is_never_called(address: str) -> None:
    """Neither if the deployer's settings make it, nor if a request does."""
    fetch = {**TABLE["fetch"], "address": "{setting:address}"}
    sender = Sender({**TABLE, "fetch": fetch})
    request = Request(BODY, {"x-token": token(dict(CLAIMS), rsa_key())})
    with pytest.raises((CredentialsUnavailable, SignatureInvalid)):
        sender.scheme(request, Evidence((), NOW, settings={"address": address}, keys=sender.keys))
    named = Sender({**TABLE, "fetch": {**TABLE["fetch"], "address": "{header:X-Cert}"}})
    request = Request(BODY, {"x-token": token(dict(CLAIMS), rsa_key()), "x-cert": address})
    with pytest.raises(SignatureInvalid):
        named.scheme(request, Evidence((), NOW, keys=named.keys))
    assert not sender.calls
    assert not named.calls


@pytest.mark.parametrize(
    ("fetch", "cause"),
    [
        ({"address": ADDRESS}, "`hosts` is missing"),
        ({"address": ADDRESS, "hosts": []}, "is an empty list"),
        ({"address": ADDRESS, "hosts": ["*"]}, "is not a host's name"),
        ({"address": ADDRESS, "hosts": ["*.com"]}, "is not a host's name"),
        ({"address": ADDRESS, "hosts": ["keys.example.com/x"]}, "is not a host's name"),
        ({"address": "{header:X}", "hosts": ["keys.example.com"]}, "path_begins"),
        ({"address": "{header:X}", "hosts": ["*.example.com"], "path_begins": "/k/"}, "exact `hosts`"),
        ({"address": ADDRESS, "hosts": ["keys.example.com"], "pointer": "x"}, "is not a JSON pointer"),
    ],
)
def test_an_address_that_is_not_pinned_is_refused(fetch: Mapping[str, Any], cause: str) -> None:
    """A fetched key decides who is believed."""
    with pytest.raises(Exception, match=cause):
        read_scheme({**TABLE, "fetch": fetch})


# --- addresses that a request names -----------------------------------------------------------------


def named_sender() -> tuple[Sender, Callable[[str], object]]:
    """Return a sender whose requests name the address, and a function that sends one that names it."""
    fetch = {**TABLE["fetch"], "address": "{header:X-Cert}"}
    sender = Sender({**TABLE, "fetch": fetch})

    def send(name: str) -> object:
        headers = {"x-token": token(dict(CLAIMS), rsa_key(), {"kid": "one"})}
        request = Request(BODY, {**headers, "x-cert": f"https://keys.example.com/.well-known/{name}"})
        try:
            return sender.scheme(request, Evidence((), sender.clock.time, keys=sender.keys)).content
        except CredentialsUnavailable:
            return "later"
        except SignatureInvalid:
            return False

    return sender, send


def test_made_up_addresses_are_bounded_as_those_of_sns_are() -> None:
    """A new name that is repeated uses what is reserved for repeated ones."""
    sender, send = named_sender()
    genuine, sender.document = sender.document, None
    assert {send(f"made-up-{number}") for number in range(FLOOD)} == {False, "later"}
    assert len(sender.calls) == MAX_FETCHES - RESERVED_FOR_REPEATED
    sender.document = genuine
    assert [send("new"), send("new"), send("new")] == ["later", True, True]
    assert len(sender.calls) == MAX_FETCHES - RESERVED_FOR_REPEATED + 1


def test_a_flood_at_one_host_does_not_use_up_the_fetches_of_another() -> None:
    """Each host has fetches of its own, and hosts come from the configuration."""
    sender, send = named_sender()
    for number in range(FLOOD):
        send(f"made-up-{number}")
    assert sender.keys.named("other.example.com", "https://other.example.com/x")


def test_a_named_document_ends_too() -> None:
    """A sender may have withdrawn it."""
    sender, send = named_sender()
    assert send("one") is True
    sender.document = None
    sender.clock.time += MAX_AGE_SECS - 1
    assert send("one") is True
    sender.clock.time += 1
    assert send("one") is False


def test_the_key_may_be_in_a_larger_document() -> None:
    """A pointer names it; it is a text."""
    fetch = {**TABLE["fetch"], "pointer": "/config/key"}
    sender = Sender({**TABLE, "fetch": fetch})
    text = jwks(jwk(rsa_key(), kid="one")).decode()
    for document, accepted in (
        ({"config": {"key": text}}, True),
        ({"config": {"key": json.loads(text)}}, "later"),
        ({"config": text}, "later"),
        ([], "later"),
    ):
        sender.keys = FetchedKeys(sender._fetch, sender.clock.now, sender.clock.monotonic)
        sender.document = json.dumps(document).encode()
        assert sender.outcome() == accepted
