"""Build the artifact of both Lambda functions. `sam build` runs this command."""

import argparse
import subprocess
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--platform", required=True, help="the target platform, as uv names it")
    parser.add_argument("--into", required=True, type=Path, help="the directory to fill")


def run(arguments: argparse.Namespace) -> int:
    """Build the artifact, and return the exit code. Errors go to standard error, which sam shows."""
    from relayctl.artifact import (
        BuildFailedError,
        build,
        config_file,
        sources_directory,
    )

    # With this check, a mistake in a source or a route fails the build, and not the first event.
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
