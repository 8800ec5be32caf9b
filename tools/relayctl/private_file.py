"""Files that hold secrets, readable and writable by their owner only."""

import os
from pathlib import Path


def write_private(file: Path, content: bytes) -> None:
    """Write a file with mode 0600, and replace an existing one.

    A reader sees the old content or the new one, never a part of it. Raises OSError.
    """
    # A new file, because an existing one would keep its mode.
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    new.replace(file)
