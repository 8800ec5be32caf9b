"""The proof of a new source is guessed from the headers of its captured requests."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from push_relay.core.errors import RelayError
from push_relay.core.trust.presets import SLUGS
from relayctl.drafting.capture import Capture
from relayctl.drafting.proof import Proof, guess
from relayctl.drafting.signature_form import describe
from relayctl.preview.inputs import InputError
from relayctl.senders import CannotSignError, new_secret, sign
from relayctl.webhook import Webhook

HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
BASE64 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="


def guessed(name: str, headers: Mapping[str, str], **query: str) -> dict[str, Any]:
    """Return the table that is guessed for one request."""
    return dict(guess(name, [Capture("in.json", b"{}", headers, query)]).table)


def signed_by(slug: str) -> Capture | None:
    """Return a request that the sender of a preset has signed; None if only the sender can sign it."""
    verify = {"scheme": slug}
    webhook = Webhook({"content-type": "application/json"}, b'{"a": {}, "event": {}, "signature": {}}')
    try:
        signed = sign(webhook, verify, new_secret(verify), time.time(), url="https://relay.example/w")
    except (CannotSignError, RelayError):
        return None
    return Capture("in.json", signed.body, signed.headers, signed.query)


SIGNED = {slug: capture for slug in SLUGS if (capture := signed_by(slug))}
IN_HEADERS = {slug: capture for slug, capture in SIGNED.items() if len(capture.headers) > 1}


def test_most_presets_can_be_signed() -> None:
    """Otherwise the tests below would test little."""
    assert len(IN_HEADERS) > 100


@pytest.mark.parametrize("slug", IN_HEADERS)
def test_the_preset_is_found_if_the_source_has_its_name(slug: str) -> None:
    """By the proof that its sender writes."""
    assert guessed(slug, IN_HEADERS[slug].headers)["scheme"] == slug


@pytest.mark.parametrize("slug", IN_HEADERS)
def test_without_its_name_the_proof_is_read_from_the_place_in_which_it_is(slug: str) -> None:
    """The guess is a preset with the same header, a description of the header, or a question about it."""
    capture = IN_HEADERS[slug]
    found = guess("my-own-name", [capture])
    ours = Proof({"scheme": slug}, [], "").headers & capture.headers.keys()
    assert found.headers & ours or any(f"`{header}`" in found.question for header in ours), found.table


@pytest.mark.parametrize(
    ("headers", "table"),
    [
        ({"stripe-signature": f"t=1800000000,v1={HEX}"}, {"scheme": "stripe"}),
        ({"x-hub-signature-256": f"sha256={HEX}", "x-github-event": "push"}, {"scheme": "github"}),
        ({"x-hub-signature-256": f"sha256={HEX}", "user-agent": "GitHub-Hookshot/1"}, {"scheme": "github"}),
        (
            {"x-hub-signature-256": f"sha256={HEX}"},
            {"scheme": "signed", "signature": "header:x-hub-signature-256", "prefix": "sha256="},
        ),
        (
            {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": f"v1,{BASE64}"},
            {"scheme": "standard-webhooks"},
        ),
        (
            {"oven-id": "m", "oven-timestamp": "1", "oven-signature": f"v1,{BASE64}"},
            {"scheme": "standard-webhooks", "header_prefix": "oven"},
        ),
        (
            {"x-oven-signature": HEX[:40]},
            {"scheme": "signed", "signature": "header:x-oven-signature", "algorithm": "hmac-sha1"},
        ),
        (
            {"x-oven-hmac": BASE64, "x-oven-timestamp": "1800000000000"},
            {
                "scheme": "signed",
                "signature": "header:x-oven-hmac",
                "encoding": "base64",
                "timestamp": "header:x-oven-timestamp",
                "timestamp_format": "unix-ms",
                "text": "{timestamp}.{body}",
            },
        ),
        (
            {"x-oven-signature": f"t=1800000000;s={HEX}"},
            {
                "scheme": "signed",
                "signature": "header:x-oven-signature",
                "split": ";",
                "item": "s",
                "timestamp": "item:t",
                "text": "{timestamp}.{body}",
            },
        ),
        ({"authorization": "Basic YTpi"}, {"scheme": "basic"}),
        (
            {"authorization": "Bearer abc"},
            {"scheme": "token", "header": "authorization", "prefix": "Bearer "},
        ),
        ({"authorization": "abc"}, {"scheme": "token", "header": "authorization"}),
        ({"x-oven-token": "abc"}, {"scheme": "token", "header": "x-oven-token"}),
        ({"x-gitlab-token": "abc"}, {"scheme": "gitlab"}),
        ({"cookie": "token=abc", "digest": HEX}, {"scheme": "token", "header": "X-Relay-Token"}),
        ({}, {"scheme": "token", "header": "X-Relay-Token"}),
    ],
)
def test_the_table_is_guessed(headers: dict[str, str], table: dict[str, Any]) -> None:
    """A preset by its own header or by what names its sender, else a description, else a token."""
    assert guessed("my-source", headers) == table


def test_a_token_in_the_address_is_found() -> None:
    """It comes after the headers."""
    assert guessed("oven", {"a": "b"}, token="t") == {"scheme": "token", "query": "token"}
    assert guessed("oven", {"x-token": "b"}, token="t")["header"] == "x-token"


def test_a_preset_with_the_name_of_the_source_needs_no_headers() -> None:
    """A body alone is often all that a documentation publishes."""
    assert guessed("stripe", {}) == {"scheme": "stripe"}


def test_the_preset_that_the_user_names_wins() -> None:
    """A misspelt one is answered with the one that was meant."""
    capture = Capture("in.json", b"{}", {"stripe-signature": f"t=1,v1={HEX}"})
    assert guess("oven", [capture], "paddle").table == {"scheme": "paddle"}
    with pytest.raises(InputError, match="did you mean `paddle`"):
        guess("oven", [capture], "padle")


def test_an_unknown_proof_has_a_question_for_the_sender() -> None:
    """A guess that is certain has none."""
    assert "sign its webhooks" in guess("oven", [Capture("in.json", b"{}")]).question
    assert not guess("stripe", [Capture("in.json", b"{}")]).question


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-oven-signature", "not a signature"),
        ("x-oven-signature", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP"),
        ("content-digest", HEX),
        ("signature-input", HEX),
        ("x-design-id", HEX),
    ],
)
def test_other_values_are_not_described_as_signatures(header: str, value: str) -> None:
    """A token is described as a token, and a hash of the content is made without a secret."""
    assert describe(header, value, {}) is None
