"""Reload: the deployed functions use changed source folders and a changed relay.toml, without a deployment.

A reload writes a zip file of the built code with the new configuration, and gives it to both functions
(UpdateFunctionCode). That takes about a second; nothing is built and no template is deployed. The local AWS
ends the running functions then, so a reload waits until nothing is under way and keeps new requests waiting.
"""

import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.core.rules.findings import ERROR, Finding, Mistakes
from relayctl.artifact import CONFIGURATION, write_configuration
from relayctl.checks.workers import check_folders
from relayctl.deploy import ARTIFACTS
from relayctl.page.explainer import Explainer, Files
from relayctl.page.recorder import Gate
from relayctl.preview.watching import Snapshot, snapshot

_INTERVAL_SECS: Final = 0.5
#: How long messages under way are waited for. After that they are tried again by SQS.
_QUIET_SECS: Final = 10.0
_NAMES: Final = ("source.toml", "schema.json")
#: The zip file's key in the bucket of the artifacts.
_KEY: Final = "reload/code.zip"

IDLE, LOADING, MISTAKES, FAILED = "idle", "loading", "mistakes", "failed"


@dataclass(frozen=True, slots=True)
class State:
    """The files that the functions use, and since when.

    phase     `idle`, `loading`, or why the files of `since` are still used: `mistakes`, `failed`
    since     when the functions began to use their present files, in seconds since the epoch
    secs      how long that took; 0 for the files of the deployment
    findings  the mistakes in the changed files
    """

    phase: str
    since: float
    secs: float = 0.0
    findings: tuple[Finding, ...] = ()


class Functions:
    """The deployed functions, whose configuration can be replaced.

    aws    boto3's clients `lambda`, `s3` and `sqs`
    built  the directory that `sam build` has written
    names  the names of `receive` and `deliver`
    queue  the URL of the relay's queue
    """

    def __init__(self, aws: Mapping[str, Any], built: Path, names: tuple[str, str], queue: str) -> None:
        self._lambda, self._s3, self._sqs = aws["lambda"], aws["s3"], aws["sqs"]
        self._built = built
        self._names = names
        self._queue = queue

    def upload(self, files: Files, directory: Path) -> None:
        """Upload the code with a configuration. Raises botocore's errors.

        directory  where the zip file is written; it is deleted afterwards
        """
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            configuration = Path(scratch) / "configuration"
            configuration.mkdir()
            write_configuration(files.sources, files.config, configuration)
            code = Path(scratch) / "code.zip"
            # Both functions have the same artifact (docs/decisions/010-reproducible-artifact.md).
            artifact = next(path for path in sorted(self._built.iterdir()) if path.is_dir())
            _write_zip(code, artifact, configuration)
            self._s3.upload_file(str(code), ARTIFACTS, _KEY)

    def use_uploaded(self) -> None:
        """Let both functions use what was uploaded, when no message is under way.

        Raises botocore's errors.
        """
        self._wait_until_quiet()
        for name in self._names:
            self._lambda.update_function_code(FunctionName=name, S3Bucket=ARTIFACTS, S3Key=_KEY)

    def start(self) -> None:
        """Start `deliver`, so that the next event need not wait for it. Raises botocore's errors."""
        self._lambda.invoke(FunctionName=self._names[1], Payload=b'{"Records": []}')

    def _wait_until_quiet(self) -> None:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + _QUIET_SECS
        while time.monotonic() < deadline:
            found = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=names)
            if not any(int(found["Attributes"].get(name, 0)) for name in names):
                return
            time.sleep(0.1)


class Reloader:
    """Watches the files in a thread, and lets the functions and the explainer use what has changed.

    Use it in a `with`. A change with a mistake is not used: the functions keep the files that they have.

    files      the deployer's directory and file
    directory  where copies of the files in use are kept
    on_change  is called when the state has changed
    prepare    is called before the functions get new files: it stores the secrets of new sources
    warm_up    starts `receive`
    """

    def __init__(  # noqa: PLR0913, PLR0917 (what it watches, and everything that uses it)
        self,
        files: Files,
        directory: Path,
        functions: Functions,
        explainer: Explainer,
        gate: Gate,
        on_change: Callable[[], None],
        prepare: Callable[[Path], object] = lambda _sources: None,
        warm_up: Callable[[], object] = lambda: None,
    ) -> None:
        self._files = files
        self._directory = directory
        self._functions = functions
        self._explainer = explainer
        self._gate = gate
        self._on_change = on_change
        self._prepare = prepare
        self._warm_up = warm_up
        self._copies = 0
        self._unused: set[Path] = set()
        self._seen = snapshot(_watched(files))
        self._state = State(IDLE, time.time())
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reload", daemon=True)

    @property
    def state(self) -> State:
        """The files that the functions use now, and since when."""
        return self._state

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        settled = self._seen
        while not self._ends.wait(_INTERVAL_SECS):
            found = snapshot(_watched(self._files))
            # An editor may write a file in several steps: a change counts when it is the same twice.
            if found != self._seen and found == settled:
                self._reload(found)
            settled = found

    def _reload(self, found: Snapshot) -> None:
        changed = {
            path for path in found.keys() | self._seen.keys() if found.get(path) != self._seen.get(path)
        }
        self._seen = found
        # A folder with a mistake is looked at again until it has none.
        self._unused |= {path.parent for path in changed if path.name in _NAMES}
        began = time.monotonic()
        self._set(replace(self._state, phase=LOADING, findings=()))
        if findings := mistakes(self._files, self._unused):
            self._set(replace(self._state, phase=MISTAKES, findings=findings))
            return
        try:
            used = self._copy()
            self._prepare(used.sources)
            self._functions.upload(used, self._directory)
            with self._gate.closed():
                self._functions.use_uploaded()
                self._explainer.use(used)
        except Exception as exc:  # noqa: BLE001 (the page shows it, and the next change is tried again)
            finding = Finding("", 0, "", "", f"the functions cannot be updated: {type(exc).__name__}")
            self._set(replace(self._state, phase=FAILED, findings=(finding,)))
            return
        self._unused.clear()
        self._set(State(IDLE, time.time(), time.monotonic() - began))
        self._start()

    def _start(self) -> None:
        """Start the functions now, so that the next request is answered as quickly as the ones before."""
        self._warm_up()
        with suppress(Exception):  # the next event starts it
            self._functions.start()

    def _copy(self) -> Files:
        """Copy the files, so that a change during the reload is another reload."""
        self._copies += 1
        shutil.rmtree(self._directory / f"files-{self._copies - 2}", ignore_errors=True)
        return copy_files(self._files, self._directory / f"files-{self._copies}")

    def _set(self, state: State) -> None:
        self._state = state
        self._on_change()


def copy_files(files: Files, into: Path) -> Files:
    """Copy what the functions use of the source folders, and relay.toml."""
    copy = Files(into / "sources", into / "relay.toml")
    copy.sources.mkdir(parents=True)
    for name in _NAMES:
        for file in files.sources.glob(f"*/{name}"):
            (copy.sources / file.parent.name).mkdir(exist_ok=True)
            shutil.copyfile(file, copy.sources / file.parent.name / name)
    shutil.copyfile(files.config, copy.config)
    return copy


def _watched(files: Files) -> Iterator[Path]:
    """Yield the files that the functions use."""
    yield files.config
    for name in _NAMES:
        yield from files.sources.glob(f"*/{name}")


def mistakes(files: Files, folders: set[Path]) -> tuple[Finding, ...]:
    """Return the mistakes in some source folders and in relay.toml, if the relay cannot use them.

    `relayctl check` finds others too, such as one in an example, and they keep nothing from being used.
    """
    existing = sorted(folder for folder in folders if folder.is_dir())
    checked = check_folders(existing).results
    refused = [each for each in checked if not each.is_valid]
    found = [finding for each in refused for finding in each.findings if finding.severity == ERROR]
    try:
        read_routing_file(files.config, Catalog(files.sources).names())
    except Mistakes as exc:
        found += exc.findings
    return tuple(found)


def _write_zip(file: Path, artifact: Path, configuration: Path) -> None:
    """Write a zip file of an artifact with another configuration. It is not compressed, to save time."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(artifact.rglob("*")):
            name = path.relative_to(artifact)
            if path.is_file() and name.parts[0] not in CONFIGURATION:
                archive.write(path, name)
        for path in sorted(configuration.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(configuration))
