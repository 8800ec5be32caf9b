"""`relayctl run`: which example is sent, how it is signed, what a run keeps for the next one."""

import json
import re
import socket
import stat
import subprocess
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import SAMPLES, SHIPPED, SHIPPED_ROUTES
from front_door import world_of
from push_relay import __version__
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.core.trust.schemes.registry import read_scheme
from relayctl import demonstration, kept, pasting, senders
from relayctl.__main__ import main
from relayctl.deadletters.preview import translator_of
from relayctl.examples import Example, NoExampleError, becomes, choose, examples_of
from relayctl.progress import StepFailedError
from relayctl.webhook import Webhook
from signers import CASES, NOW, URL, Case, Request

CANNOT = {"sns-http", "twilio"}
SIGNED = [
    case for case in CASES if case.verify["scheme"] not in CANNOT and not case.secret.startswith(b"whpk_")
]
BY_SHELL = [
    case
    for case in SIGNED
    if case.verify["scheme"] not in {"stripe", "pagerduty"} and "query" not in case.verify
]
PUSH = Push(Recipient(RecipientKind.EXTERNAL, "1"), Wording("x", "y"), "k")
RELAY = translator_of(SHIPPED, SHIPPED_ROUTES)


def routes(tmp_path: Path, text: str) -> Path:
    """Write a relay.toml."""
    file = tmp_path / "relay.toml"
    file.write_text(text)
    return file


def received(sent: Webhook) -> Request:
    """Return a signed request as the relay sees it."""
    return Request(sent.body, dict(sent.headers), dict(sent.query), URL)


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
def test_a_request_is_signed_as_its_scheme_verifies_it(case: Case) -> None:
    """For every scheme that this machine can sign, also with a timestamp or an id."""
    sent = senders.sign(Webhook({}, case.body), case.verify, case.secret.decode(), NOW)
    read_scheme(dict(case.verify))(received(sent), case.evidence())


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
def test_a_made_up_secret_fits_its_scheme(case: Case) -> None:
    """A Standard Webhooks secret has its prefix, a Basic one a user and a password."""
    secret = senders.new_secret(case.verify)
    assert senders.has_form(secret, case.verify)
    sent = senders.sign(Webhook({}, case.body), case.verify, secret, NOW)
    evidence = case.evidence(NOW, secret.encode())
    read_scheme(dict(case.verify))(received(sent), evidence)


def test_a_scheme_whose_key_only_the_sender_has_is_refused_with_its_name() -> None:
    """SNS signs with AWS's own key."""
    with pytest.raises(senders.CannotSignError, match="sns-http"):
        senders.sign(Webhook({}, b"{}"), {"scheme": "sns-http"}, "", NOW)


def test_the_first_example_that_a_route_leads_to_is_chosen(tmp_path: Path) -> None:
    """The routes' order decides, not the folders'; a source without a route is passed over."""
    assert choose(RELAY, SHIPPED).label == "github/issues-opened"
    others = '[[route]]\nsource = "grafana"\nwhen = "type == \'resolved\'"\nto = ["external:1"]\n'
    relay = translator_of(SHIPPED, routes(tmp_path, others))
    assert choose(relay, SHIPPED).label == "grafana/resolved"
    assert choose(relay, SHIPPED, "push").source == "push"


@pytest.mark.parametrize(
    ("source", "name", "detail"),
    [
        ("nosuch", "", "there is no source `nosuch`; there are: "),
        ("nosuch", "x", "there is no source `nosuch`"),
        ("push", "nosuch", "it has: .*full"),
        ("", "full", "needs SOURCE="),
    ],
)
def test_a_wrong_choice_is_refused_with_what_there_is(source: str, name: str, detail: str) -> None:
    """Before anything is started."""
    with pytest.raises(NoExampleError, match=detail):
        choose(RELAY, SHIPPED, source, name)


def test_no_route_at_all_is_explained(tmp_path: Path) -> None:
    """A configuration may have no routes yet."""
    with pytest.raises(NoExampleError, match=r"no route of config/relay\.toml"):
        choose(translator_of(SHIPPED, routes(tmp_path, "")), SHIPPED)


def test_an_example_that_becomes_no_push_is_explained(tmp_path: Path) -> None:
    """The outcome and its reason, and what to change."""
    relay = translator_of(SHIPPED, routes(tmp_path, ""))
    example = choose(RELAY, SHIPPED)
    with pytest.raises(StepFailedError, match="becomes no push: filtered: no route leads to anybody"):
        demonstration.foretell(example, becomes(relay, example))


def test_an_example_that_its_source_refuses_is_explained(tmp_path: Path) -> None:
    """The schema's error is the reason."""
    examples = tmp_path / "bakery" / "examples"
    examples.mkdir(parents=True)
    for file in (SAMPLES / "sources" / "bakery").iterdir():
        if file.is_file():
            (tmp_path / "bakery" / file.name).write_bytes(file.read_bytes())
    (examples / "odd.request.json").write_text(json.dumps({"headers": {}, "body": ["no object"]}))
    relay = translator_of(tmp_path, routes(tmp_path, ""))
    (receipt,) = becomes(relay, choose(relay, tmp_path, "bakery"))
    assert isinstance(receipt, Receipt)
    assert receipt.outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    "example",
    [e for name in ("cloudwatch-alarm", "push") for e in examples_of(SHIPPED, name) if e.through_aws],
    ids=lambda example: example.label,
)
def test_an_example_that_aws_delivers_is_written_as_aws_writes_it(example: Example, tmp_path: Path) -> None:
    """The relay recognises the message as this source's."""
    from invocations import sqs_batch, sqs_record  # noqa: PLC0415 (its names are common)

    here = world_of(tmp_path, CASES[0])
    here.change_sources(RELAY.sources)
    here.deliver(sqs_batch(sqs_record(example.queue_message())))
    assert [receipt.source for receipt in here.witness.receipts] == [example.source]


def test_what_a_run_keeps_is_private_and_read_again(tmp_path: Path) -> None:
    """The next run has the same ports and secrets."""
    file = tmp_path / "kept.json"
    first = kept.read(file).after(4711, 4712, {"push": "whsec_x"})
    kept.write(first, file)
    assert kept.read(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.after(1, 2, {"new": "s"}).signing_secrets == {"push": "whsec_x", "new": "s"}
    assert (first.after(1, 2, {}).aws_port, first.after(1, 2, {}).sandbox_port) == (4711, 4712)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"aws_port": "x"}',
        '{"aws_port": 70000}',
        '{"nosuch": 1}',
        '{"signing_secrets": {"a": 1}}',
    ],
)
def test_a_kept_file_that_cannot_be_read_is_replaced(text: str, tmp_path: Path) -> None:
    """A damaged file never stops a run."""
    file = tmp_path / "kept.json"
    file.write_text(text)
    assert kept.read(file).signing_secrets == {}


def test_a_kept_port_that_is_taken_gives_way_to_a_free_one() -> None:
    """0 means any free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert kept.free(taken.getsockname()[1]) == 0
    assert kept.free(0) == 0


@pytest.mark.parametrize("case", BY_SHELL, ids=lambda case: case.name)
def test_a_pasted_command_signs_as_the_scheme_verifies(case: Case, tmp_path: Path) -> None:
    """The shell fills in the headers; curl is replaced by a function that prints them."""
    example = planted(tmp_path, case)
    stack: Any = SimpleNamespace(
        directory=tmp_path,
        signing_secrets={"planted": case.secret.decode()},
        webhook_url=lambda source: f"http://x.execute-api.localhost:4566/webhooks/{source}",
    )
    command = pasting.curl(stack, example, PUSH)
    assert command
    assert case.secret.decode() not in command
    script = 'curl() { printf "%s\\0" "$@"; }\n' + command
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True, timeout=60)  # noqa: S603
    given = done.stdout.decode().split("\0")
    headers = dict(line.split(": ", 1) for flag, line in pairwise(given) if flag == "-H")
    body = (tmp_path / "webhook.json").read_bytes()
    assert re.search(rb"It is \d\d:\d\d:\d\d", body)
    request = Request(body, {name.lower(): value for name, value in headers.items()}, {}, URL)
    stamp = next((v for k, v in request.headers.items() if re.search("time", k)), None)
    now = moment(stamp) if stamp else NOW
    read_scheme(dict(case.verify))(request, case.evidence(now))


def moment(stamp: str) -> float:
    """Return when the shell signed."""
    if not stamp.isdecimal():
        return datetime.fromisoformat(stamp).timestamp()
    return int(stamp) / (1000 if len(stamp) > 11 else 1)


def planted(tmp_path: Path, case: Case) -> Example:
    """Write a source folder with an example."""
    folder = tmp_path / "planted"
    (folder / "examples").mkdir(parents=True)
    lines = ['title = "planted"', 'docs = "-"', "[verify]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in case.verify.items()]
    (folder / "source.toml").write_text("\n".join(lines))
    (folder / "examples" / "one.request.json").write_text(json.dumps({"headers": {}, "body": {"note": "x"}}))
    (example,) = examples_of(tmp_path, "planted")
    return example


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`relayctl --version`."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == f"relayctl {__version__}"
