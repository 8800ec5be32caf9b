"""Check every source folder and config/relay.toml, as the build does.

Each mistake is told with file, line and cause; the exit code is 1 where there is one.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument("--config", type=Path, default=ROOT / "config/relay.toml", help="the deployer's file")


def run(arguments: argparse.Namespace) -> int:
    """Check, and return the exit code."""
    problems = list(_problems(arguments.sources, arguments.config))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    print(f"check: {arguments.config.name} and all sources are well-formed")
    return 0


def _problems(sources: Path, config: Path) -> Iterator[str]:
    from push_relay.adapters.catalog import read_routing_file, read_source_folder  # noqa: PLC0415
    from push_relay.core.errors import ConfigurationInvalid  # noqa: PLC0415

    folders = sorted(path for path in sources.iterdir() if path.is_dir())
    proofs = {}
    for folder in folders:
        try:
            proofs[folder.name] = read_source_folder(folder).proof
        except ConfigurationInvalid as exc:
            yield exc.detail
    try:
        read_routing_file(config, {folder.name for folder in folders}, proofs)
    except ConfigurationInvalid as exc:
        yield exc.detail
