"""Check every source folder and config/relay.toml. The build runs this check too.

All mistakes are printed, each with its file, line and cause, and how to correct it. The exit code is 1 if
there is a mistake, else 0. A warning is about what works, and is probably not what you meant. With --json the
output is one JSON document, which docs/configuration.md describes.
"""

import argparse
import sys
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config/relay.toml", help="the relay.toml to use"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON document with every finding")


def run(arguments: argparse.Namespace) -> int:
    """Check, and return the exit code."""
    from relayctl.checking import check

    result = check(arguments.sources, arguments.config)
    if arguments.json:
        print(result.json())
        return 0 if result.ok else 1
    for finding in result.findings:
        print(finding, file=sys.stderr)
    if result.ok:
        print(f"check: {arguments.config.name} and all sources are valid")
        if count := len(result.unrouted):
            print(f"check: {count} of the catalogue's sources have no route, so they lead to no push")
    return 0 if result.ok else 1
