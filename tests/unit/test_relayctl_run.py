"""`relayctl run`: the example that is sent, its signature, and the state that is kept for the next run."""

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
from urllib.parse import parse_qsl

import pytest

from catalogue import CATALOG, EXAMPLES
from fakes import SAMPLES, SHIPPED, SHIPPED_ROUTES, World
from push_relay import __version__
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.core.trust.schemes.registry import read_scheme
from relayctl import demonstration, local_state, senders, shell_commands
from relayctl.__main__ import main
from relayctl.deadletters.preview import translator_of
from relayctl.examples import Example, NoExampleError, choose, examples_of, translate
from relayctl.private_file import write_private
from relayctl.progress import StepFailedError
from relayctl.webhook import Webhook
from signers import CASES, NOW, URL, Case, Request

#: Schemes that `senders` cannot sign.
UNSIGNABLE = {"sns-http", "public-key"}
SIGNED = [
    case
    for case in CASES
    if case.verify["scheme"] not in UNSIGNABLE
    and "detached" not in case.verify
    and not case.secret.startswith(b"whpk_")
    and "quoted" not in case.verify
    and not case.event
    # Twilio puts the hash of a body that is not a form into the address.
    and case.name != "twilio body hash"
]
#: A shell cannot compute lists with a time, other places than headers, and keys that are not texts.
SIGNED_BY_SHELL = [
    case
    for case in SIGNED
    if case.covers != "fields"
    and shell_commands.proof_headers(case.verify, {}, Path("secret"), Path("body")) is not None
]
PUSH = Push(Recipient(RecipientKind.EXTERNAL, "1"), Wording("x", "y"), "k")
TRANSLATOR = translator_of(SHIPPED, SHIPPED_ROUTES)


def routes(tmp_path: Path, text: str) -> Path:
    """Write a relay.toml."""
    file = tmp_path / "relay.toml"
    file.write_text(text)
    return file


BARE_URL, _, QUERY = URL.partition("?")


def unsigned(case: Case) -> Webhook:
    """Return the request of a case, before its sender signs it."""
    genuine = case.genuine()
    kept = {name: value for name, value in genuine.headers.items() if name == "content-type"}
    body = genuine.body if case.covers == "nothing" else case.body
    return Webhook(kept, body, dict(parse_qsl(QUERY)))


def received(sent: Webhook) -> Request:
    """Return a signed request in the form in which a scheme verifies it."""
    return Request(sent.body, dict(sent.headers), dict(sent.query), URL)


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
def test_a_signed_request_is_accepted_by_its_scheme(case: Case) -> None:
    """The cases include schemes whose signature covers a timestamp or an id."""
    sent = senders.sign(unsigned(case), case.verify, case.secret.decode(), NOW, url=BARE_URL)
    read_scheme(dict(case.verify))(received(sent), case.evidence())


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.name)
def test_a_new_secret_is_valid_for_its_scheme(case: Case) -> None:
    """Standard Webhooks demands a prefix, for example, and Basic a user and a password."""
    secret = senders.new_secret(case.verify)
    assert senders.is_valid_secret(secret, case.verify)
    sent = senders.sign(unsigned(case), case.verify, secret, NOW, url=BARE_URL)
    evidence = case.evidence(NOW, secret.encode())
    read_scheme(dict(case.verify))(received(sent), evidence)


def test_the_error_for_an_unsignable_scheme_contains_its_name() -> None:
    """SNS signs with a private key that only AWS has."""
    with pytest.raises(senders.CannotSignError, match="sns-http"):
        senders.sign(Webhook({}, b"{}"), {"scheme": "sns-http"}, "", NOW)


def test_the_first_example_that_a_route_matches_is_chosen(tmp_path: Path) -> None:
    """The order of the routes decides, because the deployer sees that one in the configuration."""
    assert choose(TRANSLATOR, SHIPPED).label == "github/issues-opened"
    others = '[[route]]\nsource = "grafana"\nwhen = "type == \'resolved\'"\nto = ["external:1"]\n'
    translator = translator_of(SHIPPED, routes(tmp_path, others))
    assert choose(translator, SHIPPED).label == "grafana/resolved"
    assert choose(translator, SHIPPED, "push").source == "push"


@pytest.mark.parametrize(
    ("source", "name", "detail"),
    [
        ("nosuch", "", "there is no source `nosuch`; there are: "),
        ("nosuch", "x", "there is no source `nosuch`"),
        ("push", "nosuch", "there are: .*full"),
        ("", "full", "needs SOURCE="),
    ],
)
def test_the_error_for_an_unknown_example_lists_the_existing_ones(
    source: str, name: str, detail: str
) -> None:
    """The person can correct the command without looking into the folders."""
    with pytest.raises(NoExampleError, match=detail):
        choose(TRANSLATOR, SHIPPED, source, name)


def test_a_configuration_without_routes_is_explained(tmp_path: Path) -> None:
    """A deployer may run the example before writing the first route."""
    with pytest.raises(NoExampleError, match=r"no route of config/relay\.toml"):
        choose(translator_of(SHIPPED, routes(tmp_path, "")), SHIPPED)


def test_an_example_that_becomes_no_push_is_explained(tmp_path: Path) -> None:
    """The error contains the outcome and its reason, so that the deployer knows what to change."""
    translator = translator_of(SHIPPED, routes(tmp_path, ""))
    example = choose(TRANSLATOR, SHIPPED)
    with pytest.raises(StepFailedError, match="becomes no push: filtered: no route leads to anybody"):
        demonstration.expected_push(example, translate(translator, example))


def test_an_example_that_its_source_refuses_gives_the_receipt_of_the_error(tmp_path: Path) -> None:
    """The author of a new source sees the schema's error, and not a traceback."""
    examples = tmp_path / "bakery" / "examples"
    examples.mkdir(parents=True)
    for file in (SAMPLES / "sources" / "bakery").iterdir():
        if file.is_file():
            (tmp_path / "bakery" / file.name).write_bytes(file.read_bytes())
    (examples / "odd.request.json").write_text(json.dumps({"headers": {}, "body": ["no object"]}))
    translator = translator_of(tmp_path, routes(tmp_path, ""))
    (receipt,) = translate(translator, choose(translator, tmp_path, "bakery"))
    assert isinstance(receipt, Receipt)
    assert receipt.outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if example.through_aws],
    ids=lambda example: example.label,
)
def test_the_queue_message_of_an_example_is_recognised_as_its_source(example: Example) -> None:
    """It has the form in which SNS or EventBridge writes to a queue."""
    from invocations import sqs_batch, sqs_record  # noqa: PLC0415 (its names are common)

    # A source without a route steps aside, so the folder's own routes are used.
    here = World(routes=SHIPPED / example.source / "routes.toml")
    here.change_sources(CATALOG)  # it keeps the folders that it has opened
    queue = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:push-relay"}
    here.deliver(sqs_batch(sqs_record(example.queue_message()) | queue))
    assert [receipt.source for receipt in here.witness.receipts] == [example.source]


def test_the_next_run_has_the_same_ports_and_secrets(tmp_path: Path) -> None:
    """A sender that was configured for the local stack keeps working.

    The file holds secrets, so it is private.
    """
    file = tmp_path / "local-state.json"
    first = local_state.read(file).after_run(4711, 4712, 4713, {"push": "whsec_x"})
    local_state.write(first, file)
    assert local_state.read(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    later = first.after_run(1, 2, 3, {"new": "s"})
    assert later.signing_secrets == {"push": "whsec_x", "new": "s"}
    assert (later.aws_port, later.sandbox_port, later.webhook_port) == (4711, 4712, 4713)
    assert later.page_key == first.page_key


def test_a_file_with_secrets_is_private_from_the_start(tmp_path: Path) -> None:
    """An existing file keeps its mode when it is opened for writing, so it must be replaced by a new one."""
    file = tmp_path / "secret"
    file.write_bytes(b"old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


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
def test_an_invalid_state_file_is_ignored(text: str, tmp_path: Path) -> None:
    """A damaged file must not prevent a run."""
    file = tmp_path / "local-state.json"
    file.write_text(text)
    assert local_state.read(file).signing_secrets == {}


def test_a_stored_port_that_is_in_use_is_replaced_by_any_free_one() -> None:
    """Two checkouts may have stored the same port. A port of 0 means any free one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert local_state.port_if_free(taken.getsockname()[1]) == 0
    assert local_state.port_if_free(0) == 0


@pytest.mark.parametrize("case", SIGNED_BY_SHELL, ids=lambda case: case.name)
def test_the_request_of_a_pasted_command_is_accepted_by_its_scheme(case: Case, tmp_path: Path) -> None:
    """The shell computes the headers. A shell function takes the place of curl and prints its arguments."""
    example = planted_example(tmp_path, case)
    stack: Any = SimpleNamespace(
        directory=tmp_path,
        signing_secrets={"planted": case.secret.decode()},
        webhook_url=lambda source: f"http://x.execute-api.localhost:4566/webhooks/{source}",
    )
    command = shell_commands.curl_command(stack, example, PUSH)
    assert command
    assert case.secret.decode() not in command
    script = 'curl() { printf "%s\\0" "$@"; }\n' + command
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True, timeout=60)  # noqa: S603
    arguments = done.stdout.decode().split("\0")
    headers = dict(line.split(": ", 1) for flag, line in pairwise(arguments) if flag == "-H")
    body = (tmp_path / "webhook.json").read_bytes()
    assert re.search(rb"It is \d\d:\d\d:\d\d", body)
    request = Request(body, {name.lower(): value for name, value in headers.items()}, {}, URL)
    timestamp = next((v for k, v in request.headers.items() if re.search("time", k)), None)
    now = read_timestamp(timestamp) if timestamp else NOW
    read_scheme(dict(case.verify))(request, case.evidence(now))


def read_timestamp(text: str) -> float:
    """Return the time of a signature, in seconds since the epoch."""
    if not text.isdecimal():
        return datetime.fromisoformat(text).timestamp()
    return int(text) / (1000 if len(text) > 11 else 1)


def planted_example(tmp_path: Path, case: Case) -> Example:
    """Write a source folder with one example, and return the example."""
    folder = tmp_path / "planted"
    (folder / "examples").mkdir(parents=True)
    lines = ['title = "planted"', 'docs = "-"', "[verify]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in case.verify.items()]
    (folder / "source.toml").write_text("\n".join(lines))
    (folder / "examples" / "one.request.json").write_text(json.dumps({"headers": {}, "body": {"note": "x"}}))
    (example,) = examples_of(tmp_path, "planted")
    return example


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`relayctl --version` is for bug reports."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == f"relayctl {__version__}"
