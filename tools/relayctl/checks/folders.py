"""Check the names of source folders and of the files in them."""

import re
from collections.abc import Iterator
from pathlib import Path

from push_relay.adapters.catalog import is_source_name, shown_file
from push_relay.core.rules.findings import WARNING, Finding
from relayctl.checks.problems import INVALID_NAME, UNUSED_FILE
from relayctl.example_files import EXAMPLE_SUFFIX, GOLDEN_SUFFIX


def folder_findings(folder: Path) -> Iterator[Finding]:
    """Yield what is wrong with a folder's name and with the names of its files."""
    name = folder.name
    if not is_source_name(name):
        served = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-") or "name"
        message = (
            f"cannot be served, because its name is part of the webhook's URL: name it `{served}` (at most "
            "64 of a to z, 0 to 9 and -)"
        )
        yield Finding(shown_file(folder), 0, "", INVALID_NAME, message)
    examples = folder / "examples"
    for file in sorted(examples.iterdir()) if examples.is_dir() else ():
        yield from _example_findings(file)
    for file in sorted(folder.glob(f"*{EXAMPLE_SUFFIX}")):
        yield _unused(file, "is not in the folder `examples`, and so is not an example")


def _example_findings(file: Path) -> Iterator[Finding]:
    if file.suffix != ".json" or file.name.endswith(EXAMPLE_SUFFIX):
        return
    if not file.name.endswith(GOLDEN_SUFFIX):
        yield _unused(file, f"is not an example: name it `{file.stem.partition('.')[0]}{EXAMPLE_SUFFIX}`")
    elif not file.with_name(file.name.removesuffix(GOLDEN_SUFFIX) + EXAMPLE_SUFFIX).is_file():
        yield _unused(
            file,
            f"has no example beside it: `{file.name.removesuffix(GOLDEN_SUFFIX)}{EXAMPLE_SUFFIX}` is missing",
        )


def _unused(file: Path, message: str) -> Finding:
    return Finding(shown_file(file), 0, "", UNUSED_FILE, message, WARNING)
