"""The source folders that ship with the relay, without those that a deployer has added.

A shipped folder belongs to the catalogue: it has a `page.toml`. A deployer may add folders to src/sources/
and change config/relay.toml, so the tests ignore other folders and never read that file.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ROOT / "src" / "sources"


def names() -> list[str]:
    """Return the names of the shipped sources, in order."""
    return sorted(file.parent.name for file in FOLDERS.glob("*/page.toml"))


def directory() -> Path:
    """Return a directory with only the shipped folders. It is removed when the process ends."""
    made = Path(tempfile.mkdtemp(prefix="push-relay-sources-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    for name in names():
        (made / name).symlink_to(FOLDERS / name)
    return made
