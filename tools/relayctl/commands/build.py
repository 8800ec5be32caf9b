"""Build the functions' artifact; `sam build` calls this."""

import argparse
import subprocess
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--platform", required=True, help="uv's name of the platform that it will run on")
    parser.add_argument("--into", required=True, type=Path, help="the artifact's directory")


def run(arguments: argparse.Namespace) -> int:
    """Build, and return the exit code; why it failed is on standard error, which sam shows."""
    from relayctl.artifact import (  # noqa: PLC0415 - only what runs is imported
        BuildFailedError,
        build,
        config_file,
        sources_directory,
    )

    # A mistake in a source or a route is found here, not by the first event.
    command = [sys.executable, "-m", "relayctl", "check"]
    command += ["--sources", str(sources_directory()), "--config", str(config_file())]
    check = subprocess.run(command, stdout=sys.stderr, check=False)
    if check.returncode:
        return check.returncode
    try:
        build(arguments.platform, arguments.into)
    except BuildFailedError as exc:
        print(f"build: {exc}", file=sys.stderr)
        return 1
    return 0
