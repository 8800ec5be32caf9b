"""Presets of token senders, PayPal and eBay: a genuine request of each, and what a forger would change."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from jwt_senders import (
    BODY,
    NOW,
    URL,
    Request,
    body_hash,
    rsa_key,
    token,
)
from push_relay.core.errors import CredentialsUnavailable, SignatureInvalid, Stale, Unauthenticated
from push_relay.core.trust.presets import FAMILIES, PRESETS
from push_relay.core.trust.schemes.proof import Evidence
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.verify_table import Verify
from token_providers import CERTIFICATE, SECRET, SENDERS, certificate, paypal

SLUGS = pytest.mark.parametrize("slug", SENDERS)


def accept(slug: str, request: Request, now: float = NOW, settings: Mapping[str, str] | None = None) -> Any:
    """Verify a request by a preset and the key that a deployer stores."""
    sender = SENDERS[slug]
    scheme = read_scheme({"scheme": slug})
    readings = scheme.secret.readings(sender.stored)
    assert readings
    settings = sender.settings if settings is None else settings
    return scheme(request, Evidence(readings, now, settings=settings))


def test_each_preset_of_these_families_has_a_sender() -> None:
    """A row without a test is a claim without a proof."""
    assert {*FAMILIES["signed_tokens"], *FAMILIES["fetched"]} == set(SENDERS)


@SLUGS
def test_a_genuine_request_is_accepted(slug: str) -> None:
    """Its proof covers as much as the preset states."""
    sender = SENDERS[slug]
    verified = accept(slug, sender.send(BODY, sender.key, NOW))
    assert verified.content is sender.covers
    table = Verify.for_document({"scheme": slug})({"scheme": slug})
    assert table.signs_content is sender.covers


@SLUGS
def test_another_key_is_refused(slug: str) -> None:
    """A forger has a key of its own."""
    sender = SENDERS[slug]
    with pytest.raises(SignatureInvalid):
        accept(slug, sender.send(BODY, sender.other, NOW))


@SLUGS
def test_another_body_is_refused_if_the_proof_covers_it(slug: str) -> None:
    """And otherwise the content counts as not signed."""
    sender = SENDERS[slug]
    request = sender.send(BODY, sender.key, NOW)
    changed = replace(request, body=request.body[:-2] + b" " + request.body[-2:])
    if slug == "paypal":
        with pytest.raises(SignatureInvalid):
            accept(slug, changed)
    elif sender.covers:
        with pytest.raises(Unauthenticated):
            accept(slug, changed)
    else:
        assert accept(slug, changed).content is False


@SLUGS
def test_a_request_ends_with_its_window(slug: str) -> None:
    """A captured request must not be accepted for ever."""
    sender = SENDERS[slug]
    if sender.past is not None:
        request = sender.send(BODY, sender.key, NOW)
        assert accept(slug, request, NOW + sender.past - 1)
        with pytest.raises(Stale):
            accept(slug, request, NOW + sender.past)


@SLUGS
def test_each_setting_is_required_and_compared(slug: str) -> None:
    """Tokens of all customers of a provider are signed with the same key."""
    sender = SENDERS[slug]
    request = sender.send(BODY, sender.key, NOW)
    for name in sender.settings:
        with pytest.raises(SignatureInvalid):
            accept(slug, request, settings={**sender.settings, name: "another"})
        with pytest.raises(CredentialsUnavailable, match=f"`{name}` is missing"):
            accept(
                slug, request, settings={key: sender.settings[key] for key in sender.settings if key != name}
            )


@SLUGS
def test_a_shown_setting_never_verifies(slug: str) -> None:
    """It is on the provider's pages and in addresses."""
    sender = SENDERS[slug]
    for value in sender.settings.values():
        request = SENDERS["monday"].send(BODY, value.encode(), NOW)
        with pytest.raises(Unauthenticated):
            accept(slug, request)


@pytest.mark.parametrize(
    ("slug", "claims"),
    [
        ("messagebird", {"iss": "evil", "payload_hash": body_hash()}),
        ("messagebird", {"iss": "MessageBird"}),
        ("messagebird", {"iss": "MessageBird", "payload_hash": body_hash(), "url_hash": body_hash(b"x")}),
        ("netlify", {"iss": "netlify"}),
        ("netlify", {"sha256": body_hash()}),
        ("vonage", {"iss": "Vonage", "iat": NOW}),
        ("monday", {"aud": "https://other.example/", "iat": NOW, "exp": NOW + 60}),
        ("monday", {"aud": URL, "iat": NOW}),
        ("jira-connect", {"qsh": "context-qsh", "iat": NOW, "exp": NOW + 60}),
        ("jira-connect", {"iat": NOW, "exp": NOW + 60}),
        ("fusionauth", {}),
        ("fusionauth", {"request_body_sha256": body_hash()}),
    ],
)
def test_a_token_without_what_the_provider_states_is_refused(slug: str, claims: Mapping[str, Any]) -> None:
    """Each is signed with the genuine secret. Jira's `context-qsh` is the token of a page's frame."""
    prefix = {"vonage": "Bearer ", "jira-connect": "JWT "}.get(slug, "")
    (name,) = SENDERS[slug].send(BODY, SECRET, NOW).headers
    with pytest.raises(SignatureInvalid):
        accept(slug, Request(BODY, {name: prefix + token(dict(claims), SECRET)}))


def test_messagebird_signs_no_hash_if_there_is_no_body() -> None:
    """And such a token fits no other body."""
    request = SENDERS["messagebird"].send(b"", SECRET, NOW)
    assert accept("messagebird", request).content
    with pytest.raises(SignatureInvalid):
        accept("messagebird", replace(request, body=BODY))


def test_a_jira_token_fits_only_its_address() -> None:
    """The method, the path and the query are covered."""
    request = SENDERS["jira-connect"].send(BODY, SECRET, NOW)
    for other in (
        replace(request, method="GET"),
        replace(request, url=URL.replace("planted", "other")),
        replace(request, url=URL.replace("shop=1", "shop=2")),
    ):
        with pytest.raises(SignatureInvalid):
            accept("jira-connect", other)


class Served:
    """Keys that are served, instead of FetchedKeys. It records the addresses."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.calls: list[str] = []

    def named(self, _host: str, url: str) -> bytes:
        """Return the document."""
        self.calls.append(url)
        return self.document

    def current(self, url: str, _is_usable: Callable[[bytes], bool]) -> bytes:
        """Return the document."""
        return self.named("", url)

    renewed = current


ADDRESSES = {
    "paypal": CERTIFICATE,
    "kinde": "https://acme.kinde.com/.well-known/jwks.json",
    "constant-contact": "https://developer.constantcontact.com/.well-known/jwks.json",
    "fireblocks": "https://keys.fireblocks.io/.well-known/jwks.json",
    "google-pubsub": "https://www.googleapis.com/oauth2/v3/certs",
    "google-cloud-tasks": "https://www.googleapis.com/oauth2/v3/certs",
    "event-grid-entra": "https://login.microsoftonline.com/t-1/discovery/v2.0/keys",
}


def test_each_preset_with_fetched_keys_is_tested() -> None:
    """ADDRESSES is complete."""
    assert {slug for slug in SENDERS if "fetch" in PRESETS[slug].verify} == set(ADDRESSES)


@pytest.mark.parametrize("slug", ADDRESSES)
def test_the_key_is_fetched_from_the_provider(slug: str) -> None:
    """And from nowhere else. A forgery that can be seen without the key costs no call."""
    sender, scheme = SENDERS[slug], read_scheme({"scheme": slug})
    keys = Served(sender.stored)
    assert scheme.fetches
    request = sender.send(BODY, sender.key, NOW)
    assert scheme(request, Evidence((), NOW, settings=sender.settings, keys=keys)).signed
    assert keys.calls == [ADDRESSES[slug]]
    with pytest.raises(SignatureInvalid):
        scheme(sender.send(BODY, sender.other, NOW), Evidence((), NOW, settings=sender.settings, keys=keys))
    keys.calls.clear()
    without = Evidence((), NOW, settings=dict.fromkeys(sender.settings, ""), keys=keys)
    if sender.settings:
        with pytest.raises((CredentialsUnavailable, SignatureInvalid)):
            scheme(request, without)
    assert not keys.calls


@pytest.mark.parametrize(
    "address",
    [
        CERTIFICATE.replace("api.paypal.com", "evil.example"),
        CERTIFICATE.replace("api.paypal.com", "api.paypal.com.evil.example"),
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("/v1/notifications/certs/", "/v1/other/"),
        CERTIFICATE.replace("certs/", "certs/../../x/"),
        CERTIFICATE + "?x",
        "",
    ],
)
def test_a_certificate_of_paypal_comes_from_paypal(address: str) -> None:
    """The certificate decides the key, so its address is pinned."""
    keys = Served(certificate(rsa_key()))
    request = paypal(BODY, rsa_key(), NOW, address)
    with pytest.raises(SignatureInvalid):
        read_scheme({"scheme": "paypal"})(
            request, Evidence((), NOW, settings={"webhook-id": "WH-1"}, keys=keys)
        )
    assert not keys.calls


def test_a_certificate_of_paypal_that_has_expired_is_refused() -> None:
    """Its owner has replaced it since."""
    keys = Served(certificate(rsa_key(), days=1))
    request = paypal(BODY, rsa_key(), NOW)
    evidence = Evidence((), NOW + 10, settings={"webhook-id": "WH-1"}, keys=keys)
    with pytest.raises(SignatureInvalid):
        read_scheme({"scheme": "paypal"})(request, evidence)


@pytest.mark.parametrize(
    "wrapped", [b"x", b"[]", b"{}", b'{"signature": 1}', b'{"signature": ""}', b'{"signature": "!"}']
)
def test_a_wrapped_signature_that_cannot_be_read_is_refused(wrapped: bytes) -> None:
    """As eBay wraps it."""
    with pytest.raises(SignatureInvalid):
        accept("ebay", Request(BODY, {"x-ebay-signature": base64.b64encode(wrapped).decode()}))
    with pytest.raises(SignatureInvalid):
        accept("ebay", Request(BODY, {"x-ebay-signature": wrapped.decode()}))
