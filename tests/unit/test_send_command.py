"""`relayctl send` signs an example, sends it, follows it, and explains why if nothing arrives."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED, SHIPPED_ROUTES, World
from following import lines
from push_relay.core import errors
from push_relay.core.push import BATCHED
from push_relay.core.queue_format import QUEUE_ATTRIBUTE
from relayctl.__main__ import main
from relayctl.examples import examples_of
from stack_in_memory import StackInMemory, use

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> StackInMemory:
    """Return the local stack."""
    return use(StackInMemory(), monkeypatch)


@pytest.fixture
def send(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["send", *arguments])
        except SystemExit as exc:
            code = int(str(exc.code))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def first_examples() -> list[tuple[str, str]]:
    """Return the first example of each shipped source."""
    folders = sorted(folder.name for folder in SHIPPED.iterdir())
    return [(each.source, each.name) for name in folders for each in examples_of(SHIPPED, name)[:1]]


def test_an_example_is_signed_sent_and_followed(stack: StackInMemory, send: Run) -> None:
    """The progress and the receipt are shown."""
    code, out, err = send("github", "issues-opened")
    assert (code, err) == (0, "")
    assert "the endpoint answered 202" in out
    assert "[route[1].to[1]" in out
    assert "=> delivered: the vendor accepted the push" in out
    (call,) = stack.world.vendor.calls
    assert "octo-org/bakery" in call.push.wording.title
    assert stack.secrets is not None
    assert stack.secrets["github"] not in out


@pytest.mark.parametrize(("source", "example"), first_examples())
def test_each_sending_of_an_example_is_a_new_event(
    source: str, example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, send: Run
) -> None:
    """Whatever proves its requests."""
    routes = tmp_path / "relay.toml"
    routes.write_text(f'[[route]]\nsource = "{source}"\nto = ["user:1"]\n')
    stack = use(StackInMemory(routes=routes), monkeypatch)
    for _ in range(2):
        code, out, err = send(source, example, "--json", "--config", str(routes))
        if "only the sender has the private key" in err:
            assert (code, stack.sent) == (2, [])
            return
        sent, *_, verdict = lines(out)
        assert sent["is_new"] or "it is a duplicate: the relay knows an event of this source by its" in err
    assert verdict["verdict"] in (("delivered", "filtered") if sent["is_new"] else ("duplicate", "filtered"))


def test_the_same_event_can_be_sent_again(stack: StackInMemory, send: Run) -> None:
    """The ledger's answer is shown, with what to change."""
    assert send("github", "issues-opened", "--as-is")[0] == 0
    code, out, _ = send("github", "issues-opened", "--as-is")
    assert code == 1
    assert "=> duplicate: the push was settled before" in out
    assert "without --as-is, the example is sent as a new event" in out
    assert len(stack.world.vendor.calls) == 1
    assert stack.sent[0].body == stack.sent[1].body


def test_fields_can_be_changed(stack: StackInMemory, send: Run) -> None:
    """A field that the example does not have is probably misspelt."""
    code, _, err = send(
        "github", "issues-opened", "--set", "data.issue.title=Too hot", "--set", "data.issue.titel=7"
    )
    assert code == 0
    (call,) = stack.world.vendor.calls
    assert "Too hot" in call.push.wording.body
    assert "`data.issue.titel` is not in the example; did you mean `title`?" in err


def test_a_person_who_was_left_out_is_explained(stack: StackInMemory, send: Run) -> None:
    """The numbers are those of the log, and the texts are read on this machine. The log has no person."""
    code, out, _ = send("github", "issues-assigned", "--set", "data.assignee.login=planted-person")
    assert code == 1
    assert "=> filtered: no route leads to anybody" in out
    assert "names a person who is not in [people]: person:{{ data.assignee.login }}" in out
    assert SHIPPED_ROUTES.name in out
    assert "planted-person" not in json.dumps(stack.logs.groups) + out


def test_a_refused_request_is_explained(stack: StackInMemory, send: Run) -> None:
    """By the answer of the endpoint."""
    stack.world.secrets.by_source["github"] = (b"another secret",)
    code, out, _ = send("github", "issues-opened")
    assert code == 1
    assert "=> rejected: the endpoint answered 401: signature_invalid" in out
    code, out, _ = send("push", "full", "--set", "data.Title=7", "--json")
    sent, verdict = lines(out)
    assert (code, sent["status"], sent["error_code"], verdict["verdict"]) == (
        1,
        422,
        "schema_violation",
        "rejected",
    )
    assert sent["violations"] == ["/Title type"]


def test_the_reason_of_a_503_is_read_from_the_log(stack: StackInMemory, send: Run) -> None:
    """The answer does not have it, because anybody may ask."""
    stack.world.messages.error = errors.QueueUnavailable("planted reason")
    code, out, _ = send("github", "issues-opened")
    assert code == 1
    assert "=> parked: the endpoint answered 503: queue_unavailable" in out
    assert "answered 503, so that the sender sends it again: queue_unavailable: planted reason" in out


def test_a_push_that_waits_is_explained(stack: StackInMemory, send: Run) -> None:
    """It has no final outcome, so neither 0 nor 1 is right."""
    stack.world.vendor.judge = lambda _push, _credentials: errors.VendorThrottled("slow", retry_after=900)
    code, out, _ = send("github", "issues-opened", "--wait", "2s")
    assert code == 3
    assert "=> parked: waits for the vendor, which asks for fewer calls, until 20" in out
    assert "to look again: relayctl why" in out


def test_a_push_in_a_batch_window_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, send: Run
) -> None:
    """There is no cause that could be removed."""
    routes = tmp_path / "relay.toml"
    routes.write_text('[[route]]\nsource = "github"\nto = ["user:1"]\nbatch = "1h"\n')
    use(StackInMemory(routes=routes), monkeypatch)
    code, out, _ = send("github", "issues-opened", "--json", "--wait", "2s")
    assert (code, lines(out)[-1]["error_code"]) == (3, BATCHED)
    _, out, _ = send("github", "issues-opened", "--wait", "2s")
    assert "nothing to do: it is sent when the window ends" in out


def test_a_push_that_fails_is_a_dead_letter(stack: StackInMemory, send: Run) -> None:
    """The vendor's code is shown."""
    stack.world.vendor.judge = lambda _push, _credentials: errors.VendorRejected("no", vendor_code="17")
    code, out, _ = send("github", "issues-opened")
    assert code == 1
    assert "=> failed: vendor_rejected: no (the vendor's code: 17)" in out
    assert "relayctl replay" in out


def test_an_event_without_a_receipt_is_not_known(stack: StackInMemory, send: Run) -> None:
    """`deliver` may be throttled, or disabled."""
    stack.delivers = False
    code, out, _ = send("github", "issues-opened", "--wait", "1s")
    assert code == 3
    assert "=> queued: it is in the queue, and `deliver` has written no receipt yet" in out
    code, out, _ = send("text", examples_of(SHIPPED, "text")[0].name, "--wait", "1s")
    assert code == 3
    assert "=> unknown: the log has no line about it after 1 s; later: relayctl why" in out


def test_an_example_of_aws_goes_through_the_queue(stack: StackInMemory, send: Run) -> None:
    """It needs no secret."""
    stack.secrets = None
    code, out, _ = send("cloudwatch-alarm", "alarm", "--set", "data.AlarmName=Oven 7", "--json")
    sent, *_, verdict = lines(out)
    assert (code, sent["through"], sent["status"], verdict["verdict"]) == (0, "queue", None, "delivered")
    assert stack.world.vendor.calls[0].push.wording.title == "ALARM: Oven 7"
    assert not stack.sent


def test_a_message_comes_from_the_queue_that_the_example_names(stack: StackInMemory, send: Run) -> None:
    """A match rule may be for it."""
    assert send("push", "from-a-queue")[0] == 0
    (message,) = stack.messages
    (attribute,) = message["MessageAttributes"].items()
    (example,) = [each for each in examples_of(SHIPPED, "push") if each.name == "from-a-queue"]
    assert attribute == (
        QUEUE_ATTRIBUTE,
        {"DataType": "String", "StringValue": example.request.headers["sqs-queue"]},
    )


def test_the_configured_url_is_signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, send: Run) -> None:
    """The sender calls it, and a proxy the endpoint."""
    routes = tmp_path / "relay.toml"
    routes.write_text(
        '[[route]]\nsource = "trello"\nto = ["user:1"]\n'
        '[source.trello]\nurl = "https://hooks.example/trello"\n'
    )
    use(StackInMemory(routes=routes), monkeypatch)
    example = examples_of(SHIPPED, "trello")[0].name
    assert "answered 202" in send("trello", example, "--config", str(routes))[1]
    code, out, _ = send("trello", example)
    assert code == 1
    assert "signature_invalid" in out


def test_the_query_of_an_examples_url_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, send: Run
) -> None:
    """A sender may sign it."""
    stack = use(StackInMemory(), monkeypatch)
    shutil.copytree(SHIPPED / "github", tmp_path / "github")
    file = tmp_path / "github/examples/issues-opened.request.json"
    example = json.loads(file.read_text())
    file.write_text(json.dumps({**example, "url": "https://relay.example/webhooks/github?tenant=a%20b"}))
    send("github", "issues-opened", "--sources", str(tmp_path))
    assert stack.sent[0].query == {"tenant": "a b"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("gitub", "x"), "there is no source `gitub`; did you mean `github`?"),
        (("github", "issue-opened"), "no example `issue-opened`; did you mean `issues-opened`?"),
        (("github",), "name an example of github: .*issues-opened"),
        (("github", "issues-opened", "--set", "data.issue.title.x=7"), "a text has no member `x`"),
        (("github", "issues-opened", "--set", "body.x=7"), "is not a change: write data.PATH=VALUE"),
        (("github", "issues-opened", "--wait", "soon"), "soon"),
        (("github", "issues-opened", "--stack", "local:9"), "no local stack runs on port 9.*`local:1` runs"),
    ],
)
def test_nothing_is_sent_by_a_mistake(
    arguments: tuple[str, ...], why: str, stack: StackInMemory, send: Run
) -> None:
    """The exit code differs from that of an event that was not delivered."""
    code, out, err = send(*arguments)
    assert code == 2
    assert re.search(why, err + out)
    assert not stack.sent


def test_nothing_is_signed_without_the_secret(stack: StackInMemory, send: Run) -> None:
    """The error names the right that is missing, or the source that has none."""
    stack.secrets = {"other": "planted-secret"}
    code, _, err = send("github", "issues-opened")
    assert code == 2
    assert 'add "github" to them' in err
    assert "planted-secret" not in err
    stack.secrets = None
    code, _, err = send("github", "issues-opened")
    assert code == 2
    assert "need secretsmanager:GetSecretValue on arn:aws:secretsmanager" in err
    assert not stack.sent


def test_a_missing_local_stack_is_explained(monkeypatch: pytest.MonkeyPatch, send: Run) -> None:
    """RELAY_STACK does not count, because its pushes would reach people."""
    stack = use(StackInMemory(), monkeypatch, local=False)
    monkeypatch.setenv("RELAY_STACK", "push-relay")
    code, _, err = send("github", "issues-opened")
    assert code == 2
    assert "no local stack runs: start it with `make run`" in err
    assert not stack.sent


def test_a_stack_in_aws_is_used_only_if_somebody_agrees(monkeypatch: pytest.MonkeyPatch, send: Run) -> None:
    """A program has to give --yes."""
    stack = use(StackInMemory("prod", is_local=False), monkeypatch)
    options = ("--stack", "prod", "--sources", str(SHIPPED), "--config", str(SHIPPED_ROUTES))
    code, _, err = send("github", "issues-opened", *options)
    assert code == 2
    assert "nobody can confirm: use --yes" in err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: "n")
    assert send("github", "issues-opened", *options)[0] == 2
    assert not stack.sent
    monkeypatch.setattr("builtins.input", lambda: "y")
    code, _, err = send("github", "issues-opened", *options)
    assert code == 0
    assert "Send github/issues-opened to the stack prod in AWS? Its pushes reach people." in err
    assert send("github", "issues-opened", *options, "--yes")[0] == 0


def test_a_log_that_cannot_be_read_does_not_hide_that_it_was_sent(stack: StackInMemory, send: Run) -> None:
    """An operator may lack the right."""
    stack.logs.refuses = True
    code, out, err = send("github", "issues-opened", "--wait", "1s")
    assert code == 3
    assert "it was sent, and the log cannot be read" in err
    assert "=> unknown" in out
    assert stack.sent


def test_the_world_of_the_tests_is_the_shipped_one() -> None:
    """The stack's relay and the files that the command reads belong together."""
    assert StackInMemory().world.sources.named("github").name == "github"
    assert isinstance(StackInMemory().world, World)
