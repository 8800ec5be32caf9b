"""The entry point of `relayctl`."""

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from push_relay import __version__
from relayctl import commands


class Command(Protocol):
    """A module in `relayctl.commands`."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command, and return the exit code."""


def load_commands() -> dict[str, Command]:
    """Import every command, by its name."""
    return {
        module.name: cast("Command", importlib.import_module(f"{commands.__name__}.{module.name}"))
        for module in pkgutil.iter_modules(commands.__path__)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code. By default, the arguments are those of the process."""
    available = load_commands()
    parser = argparse.ArgumentParser(prog="relayctl", description="The relay's command line.")
    parser.add_argument("--version", action="version", version=f"relayctl {__version__}")
    chosen = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, command in available.items():
        text = (command.__doc__ or "").strip()
        command.add_arguments(
            chosen.add_parser(
                name,
                help=text.partition("\n")[0],
                description=text,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    options = parser.parse_args(arguments)
    try:
        code = available[options.command].run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output, such as `head`, has ended. Python flushes again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
