"""`relayctl preview` of what senders ask by GET, of secrets in handshakes, and of published keys."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from invocations import webhook
from preview_files import HOT, PROOF, SOURCE, Files

ADDRESS = "https://keys.example.com/kiln.pem"
PUBLISHED = f"""\
[verify]
scheme = "public-key"
signature = "header:x-kiln-signature"
algorithm = "ecdsa-p256-sha256"
encoding = "hex"
key = "pem"
[verify.fetch]
address = "{ADDRESS}"
hosts = ["keys.example.com"]
"""


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with the source `kiln`, routes and a secret."""
    return Files(tmp_path, capsys)


def asking(files: Files, slug: str) -> None:
    """Let the sender of `kiln` ask as a provider does."""
    files.write_source("kiln", SOURCE.replace(PROOF, f'handshake = "{slug}"\n{PROOF}'))


@pytest.mark.parametrize(("value", "code"), [("right", 0), ("wrong", 1)])
def test_a_question_by_get_is_answered_if_its_token_fits(files: Files, value: str, code: int) -> None:
    """Meta sends a token that the deployer has stored beside the secret."""
    asking(files, "meta")
    secrets = files.write("secrets.json", {"kiln": {"secret": "s", "verify-token": "right"}})
    query = {"hub.mode": "subscribe", "hub.challenge": "12345", "hub.verify_token": value}
    invocation = webhook({}, source="kiln", method="GET", query=query)
    ran = files.run(files.write("in.json", invocation), "--secrets", secrets)
    assert ran.code == code
    if code:
        assert (ran.line["status"], ran.event["error_code"]) == ("rejected", "handshake_refused")
    else:
        assert (ran.line["status"], ran.line["answer"]["body"], ran.line["events"]) == (
            "handshake",
            "12345",
            [],
        )


@pytest.mark.parametrize("slug", ["meta", "asana"])
def test_without_secrets_a_question_that_needs_a_setting_is_marked(files: Files, slug: str) -> None:
    """Otherwise the answer would look as if the source was wrong."""
    asking(files, slug)
    query = {"hub.mode": "subscribe", "hub.challenge": "12345", "hub.verify_token": "right", "setup": "once"}
    sent = {"headers": {"x-hook-secret": "n" * 32}} if slug == "asana" else {"method": "GET"}
    ran = files.run(files.write("in.json", webhook({}, source="kiln", query=query, **sent)))
    assert (ran.code, ran.line["skipped"]) == (1, ["settings"])


def test_the_secret_of_a_handshake_is_not_kept(files: Files) -> None:
    """The answer is that of a relay with a dead-letter queue."""
    asking(files, "asana")
    setup = hashlib.sha256(b"once").hexdigest()
    secrets = files.write("secrets.json", {"kiln": {"setup": setup}})
    invocation = webhook({}, source="kiln", query={"setup": "once"}, headers={"x-hook-secret": "n" * 32})
    ran = files.run(files.write("in.json", invocation), "--secrets", secrets)
    assert (ran.code, ran.line["status"], ran.line["skipped"]) == (0, "handshake", ["secret"])
    assert "n" * 32 in ran.line["answer"]["headers"].values()


def test_a_published_key_comes_from_a_file(files: Files) -> None:
    """A preview calls no network."""
    files.write_source("kiln", SOURCE.replace(PROOF, PUBLISHED))
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = json.dumps(HOT)
    signature = key.sign(body.encode(), ec.ECDSA(hashes.SHA256())).hex()
    headers = {"content-type": "application/json", "x-kiln-signature": signature}
    secrets = ("--secrets", files.write("secrets.json", {}))
    fetched = ("--fetched", files.write("fetched.json", {ADDRESS: pem.decode()}))
    example = files.example(body, headers)
    assert files.run(example, *secrets).event["error_code"] == "credentials_unavailable"
    ran = files.run(example, *secrets, *fetched)
    assert (ran.line["status"], ran.line["verified"]) == ("delivered", True)
    forged = files.run(files.example(body + " ", headers), *secrets, *fetched)
    assert (forged.event["error_code"], forged.line["verified"]) == ("signature_invalid", False)
