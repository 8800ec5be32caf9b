"""Check every source folder and config/relay.toml. The build runs this check too.

Every mistake is printed with its file, line and cause. The exit code is 1 if there is a mistake, else 0.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config/relay.toml", help="the relay.toml to use"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the files, and return the exit code."""
    problems = list(_problems(arguments.sources, arguments.config))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    print(f"check: {arguments.config.name} and all sources are valid")
    return 0


def _problems(sources: Path, config: Path) -> Iterator[str]:
    from push_relay.adapters.catalog import read_routing_file, read_source_folder
    from push_relay.core.errors import ConfigurationInvalid

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
