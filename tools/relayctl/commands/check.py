"""Check every source folder and config/relay.toml, as the build does.

All mistakes are reported at once, each with file, line and key. The exit code is 1 if there is one. A warning
is about what still works and has to be changed. With --json standard output has one JSON document, which
docs/configuration.md describes.
"""

import argparse
import sys
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument("--config", type=Path, default=ROOT / "config/relay.toml", help="the deployer's file")
    parser.add_argument("--json", action="store_true", help="write one JSON document with every finding")


def run(arguments: argparse.Namespace) -> int:
    """Check, and return the exit code."""
    from relayctl.checking import check  # noqa: PLC0415 (slow, and only needed here)

    result = check(arguments.sources, arguments.config)
    if arguments.json:
        print(result.json())
        return 0 if result.ok else 1
    for finding in result.findings:
        print(finding, file=sys.stderr)
    if result.ok:
        print(f"check: {arguments.config.name} and all sources are well-formed")
    return 0 if result.ok else 1
