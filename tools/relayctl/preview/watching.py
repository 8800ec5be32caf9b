"""Preview again whenever a file has changed: `relayctl preview --watch`."""

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

#: Seconds between two looks at the files.
_INTERVAL_SECS: Final = 0.4
_CLEAR: Final = "\x1b[2J\x1b[3J\x1b[H"
_KINDS: Final = ("*.toml", "*.json")

type Snapshot = Mapping[Path, tuple[int, int]]


def watched_files(files: Iterable[Path], folders: Iterable[Path]) -> Iterable[Path]:
    """Return the files, and those of the folders that a preview reads."""
    found = {*files}
    for folder in folders:
        found |= {file for kind in _KINDS for file in folder.rglob(kind)}
    return found


def watch(
    preview: Callable[[], object],
    files: Callable[[], Iterable[Path]],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Preview now and after each change, until Ctrl-C. Return the exit code.

    files  the files to watch. They are listed at each look, because a file may be added
    wait   waits for some seconds
    """
    try:
        while True:
            before = snapshot(files())
            _preview(preview)
            while snapshot(files()) == before:
                wait(_INTERVAL_SECS)
    except KeyboardInterrupt:
        return 0


def _preview(preview: Callable[[], object]) -> None:
    """Show the time and the preview. Nothing but Ctrl-C and the end of the reader may end the watch."""
    if sys.stdout.isatty():
        print(_CLEAR, end="")
    print(f"-- {datetime.now().astimezone():%H:%M:%S} -- watching; Ctrl-C ends", flush=True)
    try:
        preview()
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - a file that is being edited may be anything
        traceback.print_exc(limit=-2)
    sys.stdout.flush()


def snapshot(files: Iterable[Path]) -> Snapshot:
    """Return the time and the size of each file that exists."""
    found = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        found[file] = status.st_mtime_ns, status.st_size
    return found
