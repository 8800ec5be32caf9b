"""Run the sandbox of the Push API. The integration key is read from SANDBOX_INTEGRATION_KEY."""

import argparse
import errno
import os
import sys
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

from sandbox.account import CONNECTIONS, DAILY_CALLS, Account, Limits
from sandbox.faults import Faults
from sandbox.record import Record
from sandbox.server import SandboxServer

KEY_VARIABLE: Final = "SANDBOX_INTEGRATION_KEY"
_USAGE_ERROR: Final = 2
_MAX_PORT: Final = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C, and return the exit code: 0, or 2 if the sandbox could not start."""
    options = _parser().parse_args(arguments)
    integration_key = os.environ.get(KEY_VARIABLE, "")
    if not integration_key:
        return _fail(f"set {KEY_VARIABLE} to the integration key that callers must send")
    limits = Limits(daily_calls=options.daily_calls, connections=options.connections)
    account = Account(options.company_id, integration_key, limits=limits, time_zone=options.time_zone)
    try:
        record = Record(file=options.record)
    except OSError as exc:
        return _fail(f"cannot write the record: {exc.strerror}: {options.record}")
    try:
        faults = Faults(seed=options.seed)
        server = SandboxServer(account, port=options.port, root=options.root, record=record, faults=faults)
    except OSError as exc:
        record.close()
        if exc.errno == errno.EADDRINUSE:
            return _fail(f"port {options.port} is in use; choose another with --port, or 0 for a free one")
        return _fail(f"cannot listen on port {options.port}: {exc.strerror}")
    print(f"Push API sandbox: {server.address}  (open this page to see the phone; Ctrl-C ends)", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        print()
    return 0


def _fail(message: str) -> int:
    print(f"sandbox: {message}", file=sys.stderr)
    return _USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument(
        "--port", type=_port, default=8025, help="the port on 127.0.0.1; 0 means a free one (default: 8025)"
    )
    parser.add_argument("--company-id", type=int, default=4711, help="the organisation's id (default: 4711)")
    parser.add_argument("--root", default="Push", help="the XML root element's name (default: Push)")
    parser.add_argument(
        "--daily-calls",
        type=int,
        default=DAILY_CALLS,
        help=f"the limit of calls for a day (default: {DAILY_CALLS})",
    )
    parser.add_argument(
        "--connections",
        type=int,
        default=CONNECTIONS,
        help=f"the limit of connections at a time (default: {CONNECTIONS})",
    )
    parser.add_argument(
        "--time-zone",
        type=_time_zone,
        default=UTC,
        help="the organisation's time zone, in which its day begins (default: UTC)",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="append each call to FILE as a JSON line")
    parser.add_argument(
        "--seed", type=int, default=0, help="the seed for faults that have a probability (default: 0)"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"`{text}` is not a port from 0 to {_MAX_PORT}")
    return int(text)


def _time_zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # this works even if the system has no time zone database
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise argparse.ArgumentTypeError(f"`{name}` is not a time zone") from None


if __name__ == "__main__":
    sys.exit(main())
