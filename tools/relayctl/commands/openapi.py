"""Write docs/openapi.json: the relay's HTTP interface, of the code and the source folders.

With --check nothing is written; the exit code is 1 where the file is not what would be written.
"""

import argparse
import sys
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument("--file", type=Path, default=ROOT / "docs/openapi.json", help="the document")
    parser.add_argument("--check", action="store_true", help="only tell whether the file is current")


def run(arguments: argparse.Namespace) -> int:
    """Write or check, and return the exit code."""
    from push_relay.core.errors import ConfigurationInvalid  # noqa: PLC0415 (slow, and only needed here)
    from relayctl.openapi.document import written  # noqa: PLC0415

    file: Path = arguments.file
    try:
        document = written(arguments.sources)
    except ConfigurationInvalid as exc:
        print(exc.detail, file=sys.stderr)
        return 1
    if not arguments.check:
        file.write_text(document, "utf-8")
        print(f"openapi: wrote {file.name}")
        return 0
    if not file.is_file() or file.read_text("utf-8") != document:
        print(f"{file.name}: is not current: `make openapi` writes it anew", file=sys.stderr)
        return 1
    print(f"openapi: {file.name} is current")
    return 0
