"""The page of `relayctl run` with the deployed functions: their log, their answers, and a reload."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import SHIPPED, SHIPPED_ROUTES
from relayctl import senders, webhook
from relayctl.deploy import queue_client
from relayctl.examples import examples_of
from relayctl.page.explainer import Files
from relayctl.page.history import Entry
from relayctl.page.requests import Request
from relayctl.page.running import RunningPage, running_page
from relayctl.page.sending import Choice
from relayctl.receipts.line import LineKind
from relayctl.stack import LocalStack
from waiting import wait_for_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
#: A rule before the others, which writes other words.
_WORDS = "Changed words"
_RULE = f'[[message]]\nwhen = "type == \'issues\'"\ntitle = "{_WORDS}"\nbody = "x"\n\n[[message]]'


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Copy the files that the stack was built with."""
    shutil.copytree(SHIPPED, tmp_path / "sources")
    shutil.copyfile(SHIPPED_ROUTES, tmp_path / "relay.toml")
    return Files(tmp_path / "sources", tmp_path / "relay.toml")


@pytest.fixture
def page(fresh_stack: LocalStack, files: Files) -> Iterator[RunningPage]:
    """Add the page to the deployed stack."""
    with running_page(fresh_stack, files, "key") as running:
        yield running


def new_issue() -> webhook.Webhook:
    """Return GitHub's request about an issue that no other test has sent: the stack is shared."""
    (example,) = [each for each in examples_of(SHIPPED, "github") if each.name == "issues-opened"]
    content = json.loads(example.request.body)
    content["issue"]["title"] = f"issue {time.time()}"
    return replace(example.request, body=json.dumps(content).encode())


def wait_for_verdict(stack: LocalStack, entry: Entry, verdict: str) -> None:
    """Wait until an event has a verdict."""
    wait_for_stack(lambda: entry.verdict == verdict, stack)


def test_every_event_of_the_deployed_functions_is_explained(
    fresh_stack: LocalStack, page: RunningPage
) -> None:
    """A delivered one, a refused one, one through the queue, and one that did not come through the page."""
    (sent,), _ = page.sending.send(Choice("github", pasted=new_issue()))
    wait_for_verdict(fresh_stack, sent, "delivered")
    assert [line.kind for line in sent.logged.lines] == [LineKind.ACCEPTED, LineKind.RECEIPT]
    assert sent.explained is not None
    assert sent.explained.verified is True

    (example,) = [each for each in examples_of(SHIPPED, "github") if each.name == "issues-opened"]
    forged = senders.sign(example.request, example.verify, "not the secret", time.time())
    assert webhook.send(forged, page.recorder.url("github")).status == 401
    refused = page.history.changes(0)[1][-1]
    assert (refused.verdict, refused.error_code) == ("rejected", "signature_invalid")
    assert refused.explained is not None
    assert refused.explained.verified is False, "the explanation is the answer's"

    (queued,), _ = page.sending.send(Choice("cloudwatch-alarm", "alarm"))
    wait_for_verdict(fresh_stack, queued, "delivered")  # each message has an id of its own
    assert queued.explained is not None

    secret = fresh_stack.signing_secrets["github"]
    signed = senders.sign(new_issue(), example.verify, secret, time.time())
    assert webhook.send(signed, fresh_stack.webhook_url("github")).status == 202
    wait_for_stack(lambda: len(page.history.changes(0)[1]) == 4, fresh_stack)
    direct = page.history.changes(0)[1][-1]
    assert direct.request is None
    wait_for_stack(lambda: direct.verdict in {"delivered", "duplicate"}, fresh_stack)


@contextmanager
def reloaded(stack: LocalStack, page: RunningPage, file: Path, text: str) -> Iterator[None]:
    """Let the functions use a changed file until the end of the block."""
    original = file.read_text("utf-8")
    assert text != original
    try:
        _write_and_wait(stack, page, file, text)
        yield
    finally:
        _write_and_wait(stack, page, file, original)


def _write_and_wait(stack: LocalStack, page: RunningPage, file: Path, text: str) -> None:
    since = page.reloader.state.since
    file.write_text(text, "utf-8")
    wait_for_stack(lambda: page.reloader.state.since > since, stack)
    assert page.reloader.state.phase == "idle"


def test_changed_words_are_used_without_a_deployment(
    fresh_stack: LocalStack, files: Files, page: RunningPage
) -> None:
    """The code of both functions is replaced in seconds, and no event is lost."""
    dead_letters = _dead_letters(fresh_stack)
    file = files.sources / "github/source.toml"
    text = file.read_text("utf-8").replace("[[message]]", _RULE, 1)
    with reloaded(fresh_stack, page, file, text):
        assert sent_title(fresh_stack, page) == _WORDS
    assert sent_title(fresh_stack, page) != _WORDS
    assert _dead_letters(fresh_stack) == dead_letters


def _dead_letters(stack: LocalStack) -> str:
    """Return the number of dead letters. Other tests with the same stack may have left some."""
    name = "ApproximateNumberOfMessages"
    found = queue_client(stack.aws).get_queue_attributes(
        QueueUrl=stack.outputs["DeadLetterQueueUrl"], AttributeNames=[name]
    )
    return found["Attributes"][name]  # type: ignore[index] # by its name


def sent_title(stack: LocalStack, page: RunningPage) -> str:
    """Send an example, and return the title that the phone shows, which is the explained one."""
    (sent,), _ = page.sending.send(Choice("github", pasted=new_issue()))
    wait_for_verdict(stack, sent, "delivered")
    title = str(stack.sandbox.record.pushes()[-1]["Title"])
    assert sent.previewed is not None
    assert sent.previewed.pushes[0].push.wording.title == title
    return title


def test_a_provider_that_signs_its_url_can_call_through_a_tunnel(
    fresh_stack: LocalStack, files: Files, page: RunningPage
) -> None:
    """The function sees the host that the sender has called, because the recorder forwards it."""
    file = files.sources / "github/source.toml"
    verify = {"scheme": "signed", "signature": "header:x-signature", "text": "{url} {body}"}
    table = "".join(f'{name} = "{value}"\n' for name, value in verify.items())
    text = re.sub(r'scheme = "github".*\n', table, file.read_text("utf-8"))
    secret, url = fresh_stack.signing_secrets["github"], "https://tunnel.example/webhooks/github"
    signed = senders.sign(new_issue(), verify, secret, time.time(), url=url)
    request = Request(
        at=time.time(),
        method="POST",
        target="/webhooks/github",
        headers=(*((name, value) for name, value in signed.headers.items()), ("host", "tunnel.example")),
        body=signed.body,
    )
    with reloaded(fresh_stack, page, file, text):
        assert page.recorder.forward(request).status == 202
        wait_for_verdict(fresh_stack, page.history.changes(0)[1][-1], "delivered")
