"""Write docs/openapi.json, which describes the relay's HTTP interface.

The document is generated from the code and the source folders. With --check, nothing is written, and the exit
code is 1 if the file is not current. The check ignores source folders that the file does not contain, so that
a deployer's own folder does not fail it; `make openapi` adds them.
"""

import argparse
import json
import sys
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument(
        "--file", type=Path, default=ROOT / "docs/openapi.json", help="the file to write or check"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if the file is not current"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or check the document, and return the exit code."""
    from push_relay.core.errors import ConfigurationInvalid
    from relayctl.openapi.document import build, to_json

    file: Path = arguments.file
    try:
        if arguments.check:
            return _check(file, arguments.sources)
        file.write_text(to_json(build(arguments.sources)), "utf-8")
    except ConfigurationInvalid as exc:
        print(exc.detail, file=sys.stderr)
        return 1
    print(f"openapi: wrote {file.name}")
    return 0


def _check(file: Path, sources: Path) -> int:
    """Compare the file with a new document of the same sources. Raises ConfigurationInvalid."""
    from relayctl.openapi.document import build, source_names, to_json

    text = file.read_text("utf-8") if file.is_file() else ""
    try:
        known = source_names(json.loads(text))
    except (ValueError, AttributeError):
        known = []
    if text != to_json(build(sources, known)):
        print(f"{file.name} is not current; run `make openapi`", file=sys.stderr)
        return 1
    missing = sorted(set(source_names(build(sources))) - set(known))
    if missing:
        print(f"openapi: {file.name} has no endpoint yet for: {', '.join(missing)}; `make openapi` adds it")
    else:
        print(f"openapi: {file.name} is current")
    return 0
