"""The environment of the peers, which `make bench-peers` creates. The relay itself never needs it."""

from pathlib import Path
from typing import Final

from relayctl.project import ROOT

PYTHON: Final = ROOT / ".tools/bench-peers/bin/python"
MISSING: Final = "the peers are not installed: `make bench-peers` installs them"
_PINNED: Final = ROOT / "requirements/bench-peers.txt"
_SCRIPTS: Final = ROOT / "bench/peers"
#: The packages that are compared.
_COMPARED: Final = ("aws-lambda-powertools", "apprise", "boto3", "requests", "urllib3")


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


def versions() -> dict[str, str]:
    """Return the versions of the compared packages, as they are pinned."""
    pinned = (
        line.split(" ")[0].partition("==")
        for line in _PINNED.read_text("utf-8").splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    )
    found = {name.partition("[")[0]: version for name, _, version in pinned}
    return {name: found[name] for name in _COMPARED}
