"""Sending from the page: examples, pasted requests, and repetitions that are new events."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from page_events import HOT, VERIFY, accepted, explainer
from page_files import HEADERS, RELAY, SECRETS, SOURCE, write_files
from relayctl.page.explainer import Files
from relayctl.page.history import History
from relayctl.page.recorder import Recorder
from relayctl.page.requests import Answer, Request
from relayctl.page.sending import Choice, Sending, read_pasted
from relayctl.sending import CannotSendError
from relayctl.webhook import Webhook


class Relay(Recorder):
    """A recorder that accepts every request, and sends none."""

    def __init__(self, on_request: Callable[[Request, Answer], object]) -> None:
        self.sent: list[Request] = []
        self._notify = on_request

    def url(self, source: str) -> str:
        """Return the address of a source."""
        return f"http://127.0.0.1:7000/webhooks/{source}"

    def forward(self, request: Request) -> Answer:
        """Accept a request."""
        self.sent.append(request)
        answer = accepted(f"c-{len(self.sent)}")
        self._notify(request, answer)
        return answer


class Sender:
    """A page that sends, and the requests that were sent."""

    def __init__(self, files: Files) -> None:
        self.history = History()
        self.explainer = explainer(files)
        self.relay = Relay(self._add)
        self.messages: list[str] = []
        self.sending = Sending(files, SECRETS, self.relay, self.explainer, self.history, self._put)

    def _add(self, request: Request, answer: Answer) -> None:
        self.history.add_request(request, answer, self.explainer.request(request, answer.correlation_id))

    def _put(self, body: str) -> str:
        self.messages.append(body)
        return f"m-{len(self.messages)}"

    def identity(self, request: Request) -> str:
        """Return the identity of a request's event."""
        explained = self.explainer.request(request, "c")
        assert explained is not None
        assert explained.verified is not False
        (previewed,) = explained.events
        assert previewed.event is not None
        return previewed.event.identity


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    """Return a page that sends the examples of the source `oven`."""
    return Sender(write_files(tmp_path))


def test_the_examples_of_every_source_are_listed(sender: Sender) -> None:
    """Those that AWS delivers are marked, because they do not go to the endpoint."""
    (oven,) = sender.sending.examples()
    assert oven["source"] == "oven"
    assert {each["name"]: each["through_aws"] for each in oven["examples"]}["from-eventbridge"] is True
    assert {each["name"]: each["through_aws"] for each in oven["examples"]}["hot"] is False


def test_an_example_is_sent_as_its_sender_sends_it(sender: Sender) -> None:
    """It has the signature by the stack's secret, and its entry has the example's name."""
    (entry,), note = sender.sending.send(Choice("oven", "hot"))
    (request,) = sender.relay.sent
    assert (request.method, request.target) == ("POST", "/webhooks/oven")
    assert request.joined_headers["host"] == "127.0.0.1:7000"
    assert request.joined_headers["x-oven-signature"].startswith("sha256=")
    assert (entry.label, entry.verdict, note) == ("oven/hot", "queued", "")
    assert entry.explained is not None
    assert entry.explained.verified is True


def test_an_unsigned_example_is_refused(sender: Sender) -> None:
    """A person tries on purpose what a forged request gets."""
    sender.sending.send(Choice("oven", "hot", sign=False))
    explained = sender.explainer.request(sender.relay.sent[0], "c")
    assert explained is not None
    assert explained.events[0].receipt.error_code == "signature_missing"


def test_an_example_that_is_sent_again_is_another_event(sender: Sender) -> None:
    """Otherwise it would be a duplicate, and no push would appear. Its words are the same."""
    for _ in range(3):
        sender.sending.send(Choice("oven", "hot"))
    assert len({sender.identity(request) for request in sender.relay.sent}) == 3
    assert {json.loads(request.body)["note"] for request in sender.relay.sent} == {"oven 4"}
    for _ in range(2):
        sender.sending.send(Choice("oven", "hot", as_new=False))
    assert sender.relay.sent[3].body == sender.relay.sent[4].body


@pytest.mark.parametrize("event_id", ["data.id", "data.note"])
def test_a_source_that_identifies_events_by_their_id_gets_a_new_one(tmp_path: Path, event_id: str) -> None:
    """A token proves the sender and covers no content, so white space would not make another event."""
    files = write_files(tmp_path)
    proof = 'scheme = "hmac"\nheader = "x-oven-signature"\nprefix = "sha256="'
    text = SOURCE.replace(proof, 'scheme = "token"\nheader = "x-oven-token"').replace(
        "'headers.\"x-oven-delivery\"'", f'"{event_id}"'
    )
    (files.sources / "oven/source.toml").write_text(text, "utf-8")
    sender = Sender(files)
    pasted = Webhook(HEADERS, json.dumps({**HOT, "id": "o-1"}).encode())
    for _ in range(2):
        sender.sending.send(Choice("oven", pasted=pasted))
    assert len({sender.identity(request) for request in sender.relay.sent}) == 2


def test_an_example_of_aws_goes_into_the_queue(sender: Sender) -> None:
    """It has the envelope that EventBridge writes, and the id that SQS gave the message."""
    (entry,), _ = sender.sending.send(Choice("oven", "from-eventbridge"))
    message = json.loads(sender.messages[0])
    assert (message["source"], message["detail"]["note"]) == ("oven", "oven 5")
    assert (entry.source, entry.event_id, entry.type) == ("oven", message["id"], "hot")
    assert sender.relay.sent == []


def test_a_pasted_request_is_sent(sender: Sender) -> None:
    """A person has copied it from a log of the sender."""
    pasted = read_pasted(
        '{"kind": "hot", "note": "mine"}', "Content-Type: application/json\n\nX-A: b: c", "?a=1&b="
    )
    assert dict(pasted.headers) == {"content-type": "application/json", "x-a": "b: c"}
    sender.sending.send(Choice("oven", pasted=pasted))
    (request,) = sender.relay.sent
    assert request.target == "/webhooks/oven?a=1&b="
    assert json.loads(request.body)["note"] == "mine"


def test_a_whole_example_can_be_pasted(sender: Sender) -> None:
    """Headers and body are then in one text."""
    pasted = read_pasted(json.dumps({"headers": HEADERS, "body": dict(HOT)}), "", "")
    assert pasted.headers["x-oven-delivery"] == "d-1"
    assert json.loads(pasted.body) == HOT
    document = read_pasted(json.dumps({"headers": 1, "body": 2}), "A: b", "")
    assert json.loads(document.body) == {"headers": 1, "body": 2}
    assert sender.sending.example("oven", "hot")["body"] == json.dumps(dict(HOT), separators=(",", ":"))


def test_a_preview_sends_nothing(sender: Sender) -> None:
    """It has the same result as the request would have."""
    preview = sender.sending.preview(Choice("oven", "hot"))
    assert preview.status == "delivered"
    assert sender.sending.preview(Choice("oven", "from-eventbridge")).status == "delivered"
    assert sender.sending.preview(Choice("oven", "hot", sign=False)).status == "rejected"
    assert (sender.relay.sent, sender.messages) == ([], [])


def test_the_url_of_relay_toml_is_the_one_that_is_signed(tmp_path: Path) -> None:
    """The deployed function verifies with it."""
    files = write_files(tmp_path)
    text = SOURCE.replace(
        'scheme = "hmac"\nheader = "x-oven-signature"\nprefix = "sha256="',
        'scheme = "signed"\nsignature = "header:x-oven-signature"\ntext = "{url} {body}"',
    )
    (files.sources / "oven/source.toml").write_text(text, "utf-8")
    files.config.write_text(RELAY + '[source.oven]\nurl = "https://relay.example/hook"\n', "utf-8")
    sender = Sender(files)
    sender.sending.send(Choice("oven", "hot"))
    assert sender.identity(sender.relay.sent[0])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice("nosuch", "hot"), "there is no source `nosuch`"),
        (Choice("../oven", "hot"), "there is no source"),
        (Choice("oven", "nosuch"), "has no example `nosuch`"),
        (Choice("oven", "../hot"), "has no example"),
    ],
)
def test_a_choice_that_cannot_be_sent_is_explained(sender: Sender, choice: Choice, message: str) -> None:
    """The page shows the reason."""
    with pytest.raises(CannotSendError, match=message):
        sender.sending.send(choice)
    assert sender.relay.sent == []


@pytest.mark.parametrize("headers", ["no colon", "a b: c", ": x", "é: x"])
def test_a_line_that_is_not_a_header_is_explained(headers: str) -> None:
    """Most often a part of the body was pasted there."""
    with pytest.raises(CannotSendError, match="is not a header"):
        read_pasted("{}", headers, "")


def test_a_request_that_cannot_be_signed_is_explained(tmp_path: Path) -> None:
    """Only the sender has the private key."""
    files = write_files(tmp_path)
    table: dict[str, Any] = {"scheme": "sns-http"}
    text = SOURCE.replace(
        "\n".join(f'{name} = "{value}"' for name, value in VERIFY.items()), f'scheme = "{table["scheme"]}"'
    )
    assert text != SOURCE
    (files.sources / "oven/source.toml").write_text(text, "utf-8")
    with pytest.raises(CannotSendError, match="cannot be signed"):
        Sender(files).sending.send(Choice("oven", "hot"))
