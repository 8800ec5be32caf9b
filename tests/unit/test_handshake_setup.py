"""A secret that its sender chooses in the handshake: a stranger can neither set it nor learn it."""

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest

from dead_letters import NOW, dead_letter
from fake_sqs import FakeSqs
from fakes import World, captured
from front_door import api_gateway_v2, request, world
from invocations import sqs_batch, sqs_record
from push_relay.core.errors import QueueUnavailable
from push_relay.core.rules.source import read_source
from push_relay.core.trust.handshakes.setup import WAITING_CODE, setup_hash
from relayctl.__main__ import main
from relayctl.deadletters.outgoing import outgoing_messages
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.handshakes import describe, read_secrets, report
from sns_sender import Request

VALUE = "Zm9yIG9uZSBzZXR1cCBvbmx5"
CHOSEN = "b537207f20cbfa02357cf448134da559"
SIGNED = {"scheme": "hmac", "header": "x-hook-signature"}
DLQ = "https://sqs/dead"
ASKS = pytest.mark.parametrize("name", ["asana", "notion"])


def asked(name: str, secret: str = CHOSEN, **query: str) -> Request:
    """Return the request that brings a secret."""
    if name == "asana":
        return request(b"{}", {"x-hook-secret": secret}, query)
    return request({"verification_token": secret}, {}, query)


def relay_for(directory: Path, name: str, setup: str = "", **more: Any) -> World:
    """Return a relay whose only source has a handshake, and waits for a secret if `setup` is given."""
    here = world(directory, SIGNED, top=f'handshake = "{name}"', **more)
    if setup:
        here.secrets.stored_settings = {"setup": setup_hash(setup)}
    return here


def took_nothing(here: World) -> bool:
    """Return whether no secret was taken."""
    return not (here.messages.dead_letters or here.messages.queued or here.witness.handshakes)


@ASKS
def test_the_secret_waits_in_the_dead_letter_queue(name: str, tmp_path: Path) -> None:
    """It is stored before the sender gets an answer. A person reads it from there."""
    here = relay_for(tmp_path, name, VALUE)
    answer = here.receive(api_gateway_v2(asked(name, setup=VALUE)))
    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert answer["headers"].get("X-Hook-Secret") == (CHOSEN if name == "asana" else None)
    (dead,) = here.messages.dead_letters
    assert (dead.error_code, dead.attributes["source"]) == (WAITING_CODE, "planted")
    assert json.loads(dead.body) == {"source": "planted", "secret": CHOSEN}
    assert here.witness.handshakes == [("planted", "req-1")]
    assert not here.messages.queued


def test_a_secret_that_is_moved_back_to_the_queue_is_not_pushed(tmp_path: Path) -> None:
    """AWS's own redrive moves each message as it is."""
    here = relay_for(tmp_path, "asana", VALUE)
    here.receive(api_gateway_v2(asked("asana", setup=VALUE)))
    (dead,) = here.messages.dead_letters
    attributes = {
        name: {"stringValue": value, "dataType": "String"} for name, value in dead.attributes.items()
    }
    here.deliver(sqs_batch({**sqs_record(dead.body), "messageAttributes": attributes}))
    assert not here.vendor.calls
    assert here.messages.dead_letters[1].error_code == "malformed_request"


WRONG = [
    {},
    {"setup": ""},
    {"setup": "guessed"},
    {"setup": setup_hash(VALUE)},
    {"setup": f"{VALUE},{VALUE}"},
    {"setup": VALUE.lower()},
    {"Setup": VALUE},
]


@ASKS
@pytest.mark.parametrize("query", WRONG)
def test_a_stranger_without_the_value_cannot_set_a_secret(
    name: str, query: dict[str, str], tmp_path: Path
) -> None:
    """The stored hash is not the value either."""
    here = relay_for(tmp_path, name, VALUE)
    answer = here.receive(api_gateway_v2(asked(name, **query)))
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (403, "handshake_refused")
    assert took_nothing(here)
    assert CHOSEN not in json.dumps(answer)


@ASKS
@pytest.mark.parametrize("setup", ["", "another value"])
def test_after_the_setup_nobody_can_set_a_secret(name: str, setup: str, tmp_path: Path) -> None:
    """The URL keeps its value, so everybody who sees an event's URL knows it. The refusal is the same."""
    here = relay_for(tmp_path, name, setup)
    answer = here.receive(api_gateway_v2(asked(name, setup=VALUE)))
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (403, "handshake_refused")
    assert took_nothing(here)


@ASKS
@pytest.mark.parametrize("stored", [VALUE, "0", setup_hash(VALUE)[:-1]])
def test_a_setting_that_is_not_a_hash_fits_no_value(name: str, stored: str, tmp_path: Path) -> None:
    """The deployer is at fault, and the log has the reason."""
    here = relay_for(tmp_path, name)
    here.secrets.stored_settings = {"setup": stored}
    assert here.receive(api_gateway_v2(asked(name, setup=VALUE)))["statusCode"] == 503
    assert took_nothing(here)
    assert "SHA-256" in str(here.witness.receipts[0].detail)


@ASKS
def test_an_event_is_accepted_only_with_the_stored_secret(name: str, tmp_path: Path) -> None:
    """A secret that was sent is not a key before a person stores it."""
    here = relay_for(tmp_path, name, VALUE)
    here.receive(api_gateway_v2(asked(name, setup=VALUE)))
    body = b'{"events": [1]}'
    forged = hashlib.sha256(body).hexdigest()
    for proof in (forged, hmac_hex(CHOSEN.encode(), body)):
        sent = request(body, {"x-hook-signature": proof}, {"setup": VALUE})
        assert here.receive(api_gateway_v2(sent))["statusCode"] == 401
    here.secrets.secrets = (CHOSEN.encode(),)
    sent = request(body, {"x-hook-signature": hmac_hex(CHOSEN.encode(), body)}, {"setup": VALUE})
    assert here.receive(api_gateway_v2(sent))["statusCode"] == 202


def hmac_hex(key: bytes, body: bytes) -> str:
    """Return an HMAC."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


@ASKS
def test_a_secret_that_cannot_be_kept_is_not_confirmed(name: str, tmp_path: Path) -> None:
    """The sender would begin to sign with it, and nobody would know it."""
    here = relay_for(tmp_path, name, VALUE)

    def fail(*_arguments: object) -> None:
        raise QueueUnavailable("the queue did not answer (Fake)")

    here.messages.dead_letter = fail  # type: ignore[method-assign]
    answer = here.receive(api_gateway_v2(asked(name, setup=VALUE)))
    assert answer["statusCode"] == 503
    assert CHOSEN not in json.dumps(answer)
    here.intake = replace(here.intake, dead_letters=None)
    assert here.receive(api_gateway_v2(asked(name, setup=VALUE)))["statusCode"] == 503


@ASKS
def test_neither_the_secret_nor_the_value_is_logged(name: str, tmp_path: Path) -> None:
    """Neither if it is taken nor if it is refused."""
    with captured() as output:
        here = relay_for(tmp_path, name, VALUE, telemetry=output.telemetry)
        here.receive(api_gateway_v2(asked(name, setup=VALUE)))
        here.receive(api_gateway_v2(asked(name, setup="guessed")))
    assert output.logs
    for text in (CHOSEN, VALUE, "guessed", setup_hash(VALUE)):
        assert text not in output.text


# --- relayctl ----------------------------------------------------------------------------------------------


def put_secret(sqs: FakeSqs, secret: str = CHOSEN, source: str = "planted", code: str = WAITING_CODE) -> None:
    """Put the message with a secret into the dead-letter queue."""
    body = json.dumps({"source": source, "secret": secret})
    sqs.put(DLQ, body, source=source, error_code=code, event_id="-", failed_at="2027-01-15T08:00:00+00:00")


def read(sqs: FakeSqs, *, keep: bool = False) -> tuple[list[str], str]:
    """Read the secrets of the source; return what was shown, and the report."""
    shown: list[str] = []
    queue = DeadLetterQueue(sqs, DLQ, now=sqs.time)
    found = read_secrets(queue, "planted", Flag(), shown.append, keep=keep)
    return shown, "\n".join(report("planted", found, kept=keep))


def test_the_secret_is_shown_and_its_message_is_deleted() -> None:
    """Messages of other sources and with other codes stay."""
    sqs = FakeSqs()
    put_secret(sqs)
    put_secret(sqs, source="other")
    put_secret(sqs, code="unknown_source")
    shown, text = read(sqs)
    assert shown == [f"2027-01-15T08:00:00+00:00  {CHOSEN}"]
    assert json.dumps({"planted": {"secret": CHOSEN}}) in text
    assert "WARNING" not in text
    assert len(sqs.queues[DLQ]) == 2
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])


def test_two_secrets_are_both_shown_with_a_warning() -> None:
    """The same one twice is a second attempt of the sender."""
    sqs = FakeSqs()
    put_secret(sqs)
    put_secret(sqs)
    assert "WARNING" not in read(sqs, keep=True)[1]
    put_secret(sqs, "e0f1a2")
    shown, text = read(sqs)
    assert [line.split()[1] for line in shown] == [CHOSEN, CHOSEN, "e0f1a2"]
    assert "WARNING: 2 different secrets" in text
    assert not sqs.queues[DLQ]


def test_a_message_is_kept_if_it_was_not_shown() -> None:
    """The secret would be lost."""
    sqs = FakeSqs()
    put_secret(sqs)

    def fail(_line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        read_secrets(DeadLetterQueue(sqs, DLQ, now=sqs.time), "planted", Flag(), fail, keep=False)
    assert len(sqs.queues[DLQ]) == 1


@pytest.mark.parametrize("secret", ["\x1b[2J", "a\nb", "", "x" * 600])
def test_a_secret_that_is_unsafe_to_print_is_not_shown(secret: str) -> None:
    """Everybody who may send to the queue could have written it."""
    sqs = FakeSqs()
    put_secret(sqs, secret)
    assert read(sqs)[0] == []
    assert len(sqs.queues[DLQ]) == 1


def test_a_secret_is_never_replayed() -> None:
    """In the queue it would become an event of its source, and reach a phone."""
    body = json.dumps({"source": "planted", "secret": CHOSEN})
    dead = dead_letter(
        body, source="planted", error_code=WAITING_CODE, event_id="-", failed_at="2027-01-15T08:00:00+00:00"
    )
    assert outgoing_messages(dead, NOW, force=True) == []


def source_with(handshake: str, scheme: str = "github") -> Any:
    """Return a source."""
    document = {
        "title": "Planted",
        "docs": "tests",
        "handshake": handshake,
        "verify": {"scheme": scheme},
        "message": [{"title": "Came", "body": "in"}],
    }
    return read_source("planted", document, {"type": "object"})


def test_the_steps_have_a_new_value_each_time_and_its_hash() -> None:
    """The value is in the URL only, and the hash is what the relay stores."""
    texts = [
        "\n".join(describe(source_with("asana"), "https://api.example/webhooks/{source}")) for _ in range(2)
    ]
    values = [text.partition("?setup=")[2].split()[0] for text in texts]
    assert values[0] != values[1]
    assert all(len(value) >= 32 for value in values)
    for text, value in zip(texts, values, strict=True):
        assert f"https://api.example/webhooks/planted?setup={value}" in text
        assert json.dumps({"planted": {"setup": setup_hash(value)}}) in text


@pytest.mark.parametrize(
    ("handshake", "expected"),
    [("meta", "verify-token"), ("x", "signs the answer"), ("slack", "signed as events"), ("trello", "HEAD")],
)
def test_the_steps_of_other_handshakes_list_what_to_store(handshake: str, expected: str) -> None:
    """A person does not have to know the rows."""
    assert expected in "\n".join(describe(source_with(handshake), None))


def test_the_command_describes_a_source_and_refuses_an_unknown_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --stack it reads no queue."""
    relay_for(tmp_path, "notion")
    sources = ["--sources", str(tmp_path / "sources")]
    assert main(["handshake", "planted", *sources]) == 0
    assert "?setup=" in capsys.readouterr().out
    assert main(["handshake", "other", *sources]) == 1
    assert "no source `other`" in capsys.readouterr().err
