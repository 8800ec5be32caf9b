"""The environment of the peers, which `make bench-peers` creates. The relay itself never needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench_world import Bench
from relayctl.project import ROOT
from runtime_api import Function, function

PYTHON: Final = ROOT / ".tools/bench-peers/bin/python"
MISSING: Final = "the peers are not installed: `make bench-peers` installs them"
_PINNED: Final = ROOT / "requirements/bench-peers.txt"
_SCRIPTS: Final = ROOT / "bench/peers"
#: The packages that are compared.
_COMPARED: Final = ("aws-lambda-powertools", "apprise", "boto3", "requests", "urllib3")
#: The peers that are functions of Lambda: their handlers.
_HANDLERS: Final = {
    "powertools": "powertools.handler",
    "powertools_idempotency": "powertools_idempotency.idempotent_handler",
}


def is_installed() -> bool:
    """Return whether the environment exists."""
    return PYTHON.exists()


def commands(invocation: Path) -> dict[str, list[str | Path]]:
    """Return the commands of the peers by their names; none without the environment.

    invocation  the file of the invocation
    """
    if not is_installed():
        return {}
    return {
        "powertools": [PYTHON, "-B", _SCRIPTS / "powertools.py", invocation],
        "powertools_idempotency": [PYTHON, "-B", _SCRIPTS / "powertools_idempotency.py", invocation],
        "apprise": [PYTHON, "-B", _SCRIPTS / "apprise_post.py", invocation],
    }


@contextmanager
def peer_function(bench: Bench, name: str) -> Iterator[Function]:
    """Start a peer under the runtime client, as a function of Lambda; end it at the end of the block."""
    packages = PYTHON.parents[1] / "lib/python3.13/site-packages"
    # As the artifact's, its modules are compiled. It can import nothing else.
    path = (packages, _SCRIPTS, _SCRIPTS.parent, bench.directory / "runtime-client")
    environment = bench.environment_of_peers() | {"PYTHONPATH": ":".join(str(each) for each in path)}
    with function(packages, _HANDLERS[name], environment, bench.directory) as running:
        yield running


def functions() -> list[str]:
    """Return the names of the peers that are functions of Lambda; none without the environment."""
    return list(_HANDLERS) if is_installed() else []


def versions() -> dict[str, str]:
    """Return the versions of the compared packages, as they are pinned."""
    pinned = (
        line.split(" ")[0].partition("==")
        for line in _PINNED.read_text("utf-8").splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    )
    found = {name.partition("[")[0]: version for name, _, version in pinned}
    return {name: found[name] for name in _COMPARED}
