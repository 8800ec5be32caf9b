"""Write docs/openapi.json: the relay's HTTP interface, of the code and the source folders.

With --check nothing is written. The exit code is 1 if the file is not current. The check leaves out source
folders that the file does not name: a deployer's own folder is in it once `make openapi` has added it.
"""

import argparse
import json
import sys
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument("--file", type=Path, default=ROOT / "docs/openapi.json", help="the document")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if the file is not current"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or check, and return the exit code."""
    from push_relay.core.errors import ConfigurationInvalid  # noqa: PLC0415 (slow, and only needed here)
    from relayctl.openapi.document import build, written  # noqa: PLC0415

    file: Path = arguments.file
    try:
        if arguments.check:
            return _check(file, arguments.sources)
        file.write_text(written(build(arguments.sources)), "utf-8")
    except ConfigurationInvalid as exc:
        print(exc.detail, file=sys.stderr)
        return 1
    print(f"openapi: wrote {file.name}")
    return 0


def _check(file: Path, sources: Path) -> int:
    """Compare the file with the document of the sources that it names. Raises ConfigurationInvalid."""
    from relayctl.openapi.document import build, named, written  # noqa: PLC0415

    text = file.read_text("utf-8") if file.is_file() else ""
    try:
        known = named(json.loads(text))
    except (ValueError, AttributeError):
        known = []
    if text != written(build(sources, known)):
        print(f"{file.name}: is not current; `make openapi` writes it", file=sys.stderr)
        return 1
    added = sorted(set(named(build(sources))) - set(known))
    others = f"; not in it: {', '.join(added)} (`make openapi` adds them)" if added else ""
    print(f"openapi: {file.name} is current{others}")
    return 0
