"""Wire the relay's part of the page to a running local stack."""

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relayctl.deploy import STACK, client
from relayctl.examples import Example
from relayctl.page.api import PageApi
from relayctl.page.explainer import Explainer, Files
from relayctl.page.history import History
from relayctl.page.recorder import Recorder
from relayctl.page.reloader import Functions, Reloader, copy_files
from relayctl.page.requests import Answer, Request
from relayctl.page.sending import Choice, Sending
from relayctl.page.wording import Wording
from relayctl.progress import StepFailedError
from relayctl.receipts.following import follow
from relayctl.receipts.log_reader import ReceiptLog
from relayctl.stack import COMPANY_ID, SIGNING_SECRETS, LocalStack, make_signing_secrets

#: The services that the page uses.
SERVICES: Final = ("lambda", "s3", "sqs", "logs", "secretsmanager")
#: How often the functions' logs are read.
_LOG_INTERVAL_SECS: Final = 0.4


@dataclass(frozen=True, slots=True)
class RunningPage:
    """The page of a run.

    address   its URL, with the key
    recorder  the address for webhooks
    """

    address: str
    history: History
    recorder: Recorder
    sending: Sending
    reloader: Reloader

    def send_message(self, example: Example) -> None:
        """Put an example into the queue as AWS would, so that the page shows it."""
        self.sending.send(Choice(example.source, example.name))


@contextmanager
def running_page(  # noqa: PLR0913 (the stack, and what a run has chosen)
    stack: LocalStack,
    files: Files,
    key: str,
    *,
    port: int = 0,
    clients: Mapping[str, Any] | None = None,
    keep_secrets: Callable[[Mapping[str, str]], object] = lambda _secrets: None,
) -> Iterator[RunningPage]:
    """Add the relay's part to the sandbox's page, and keep it up to date until the end of the block.

    files    the deployer's source folders and relay.toml, as the stack was built with
    key      the page's key
    port     the recorder's port; 0 means any free one
    clients  boto3's clients of the services in `SERVICES`; by default those of the stack's AWS
    keep_secrets  is called with the secrets of sources that are added during the run

    Raises StepFailedError.
    """
    directory = Path(tempfile.mkdtemp(dir=stack.directory, prefix="page-"))
    (directory / "edited").mkdir()
    history = History()
    explainer = Explainer(copy_files(files, directory / "files-0"), stack.signing_secrets)

    def on_request(request: Request, answer: Answer) -> None:
        history.add_request(request, answer, explainer.request(request, answer.correlation_id))

    recorder = _recorder(stack, on_request, port)
    clients = clients or {name: client(stack.aws, name) for name in SERVICES}
    names = (_function(stack, "ReceiveFunctionArn"), _function(stack, "DeliverFunctionArn"))
    functions = Functions(clients, stack.directory / "build", names, stack.outputs["QueueUrl"])
    reloader = Reloader(
        files,
        directory,
        functions,
        explainer,
        recorder.gate,
        history.announce,
        lambda sources: _add_secrets(stack, clients["secretsmanager"], sources, keep_secrets),
        recorder.warm_up,
    )
    sending = Sending(
        files,
        stack.signing_secrets,
        recorder,
        explainer,
        history,
        lambda body: _put(clients["sqs"], stack.outputs["QueueUrl"], body),
    )
    api = PageApi(
        key,
        COMPANY_ID,
        lambda: (*stack.signing_secrets.values(), stack.integration_key),
        history,
        stack.sandbox.record,
        explainer,
        sending,
        Wording(files, directory / "edited"),
        reloader,
    )
    stack.sandbox.extend(api.extension())
    with ExitStack() as ended:
        ended.enter_context(recorder.server)
        ended.enter_context(_following(ReceiptLog(clients["logs"], STACK), history))
        ended.enter_context(reloader)
        yield RunningPage(f"{stack.sandbox.address}/#{key}", history, recorder, sending, reloader)


@contextmanager
def _following(log: ReceiptLog, history: History) -> Iterator[None]:
    """Add the functions' log lines to the history, until the end of the block."""
    ends, start = threading.Event(), time.time()

    def run() -> None:
        from relayctl.deadletters.options import aws_errors

        # The local AWS may be busy. If it has ended, the run itself reports that.
        while not ends.is_set():
            with suppress(*aws_errors()):
                follow(log, start, ends, _LOG_INTERVAL_SECS, history.add_lines)

    thread = threading.Thread(target=run, name="receipts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def _add_secrets(
    stack: LocalStack, client: Any, sources: Path, keep: Callable[[Mapping[str, str]], object]
) -> None:
    """Make and store a signing secret for each source that has been added, or whose scheme has changed."""
    made = make_signing_secrets(sources, stack.signing_secrets)
    if made.items() <= stack.signing_secrets.items():
        return
    stack.signing_secrets.update(made)
    client.put_secret_value(SecretId=SIGNING_SECRETS, SecretString=json.dumps(stack.signing_secrets))
    keep(stack.signing_secrets)


def _recorder(stack: LocalStack, on_request: Any, port: int) -> Recorder:
    try:
        return Recorder(stack.aws.port, stack.outputs["ApiId"], on_request, port=port)
    except OSError as exc:
        raise StepFailedError(
            f"the address for webhooks cannot listen on port {port} ({os.strerror(exc.errno or 0)}); "
            "choose another port, or omit the option to use a free one"
        ) from exc


def _function(stack: LocalStack, output: str) -> str:
    return stack.outputs[output].rpartition(":")[2]


def _put(sqs: Any, queue: str, body: str) -> str:
    """Put a message into the relay's queue, and return its id."""
    return str(sqs.send_message(QueueUrl=queue, MessageBody=body)["MessageId"])
