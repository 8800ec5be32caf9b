"""Show what the relay would do with an input: run it through the real core, without network or AWS.

A FILE is an example of a source ({"headers", "query", "body"}) or an invocation as AWS hands it over (API
Gateway 1.0 and 2.0, function URL, SQS, SNS, EventBridge); `-` is standard input. With --secrets the proof is
verified. With --json there is one line for each FILE, which docs/preview.md describes.
Exit codes: 0 if each file is delivered, filtered, a handshake or empty, 1 if not, 2 for wrong arguments or an
unusable file.
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from relayctl.project import ROOT

if TYPE_CHECKING:
    from relayctl.preview.previewer import Previewer

_WRONG_ARGUMENTS = 2
#: The folder of the shipped sources.
SHIPPED = ROOT / "src/sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="an example, an invocation, or - for stdin")
    parser.add_argument(
        "--source",
        metavar="NAME",
        default="",
        help="the source of an example (default: the folder in whose examples/ it is), and of an invocation "
        "that names none",
    )
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config/relay.toml", help="the relay.toml to use"
    )
    parser.add_argument(
        "--sources",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help="a folder of source folders, or one source folder, in addition to the shipped ones, which it "
        "replaces by name; may be repeated",
    )
    parser.add_argument(
        "--secrets",
        type=Path,
        metavar="FILE",
        help="the JSON that Secrets Manager holds (the signing secrets); without it no proof is verified",
    )
    parser.add_argument(
        "--fetched",
        type=Path,
        metavar="FILE",
        help="a JSON object: the answer (a text) of each address of which the relay would fetch a key",
    )
    parser.add_argument(
        "--now",
        metavar="ISO-TIME",
        type=moment,
        help="the present, such as 2026-11-20T08:31:12Z (default: the clock's)",
    )
    parser.add_argument("--json", action="store_true", help="write one line of JSON for each FILE")


def run(arguments: argparse.Namespace) -> int:
    """Preview every file, and return the exit code."""
    from relayctl.preview.inputs import InputError, read_input
    from relayctl.preview.json_line import json_line
    from relayctl.preview.report import report
    from relayctl.preview.result import PreviewedFile

    try:
        previewer = _previewer(arguments)
    except InputError as exc:
        return _wrong(str(exc))
    code = 0
    shown: set[str] = set()
    for file in arguments.files:
        try:
            preview = previewer.preview(read_input(file))
        except InputError as exc:
            preview = PreviewedFile(file, is_unusable=True)
            code = _WRONG_ARGUMENTS
            _show(str(exc), shown)
        for mistake in previewer.sources.skipped:
            _show(f"warning: this source takes no part: {mistake}", shown)
        if arguments.json:
            print(json_line(preview), flush=True)
        elif not preview.is_unusable:
            print(report(preview), flush=True)
        code = max(code, 0 if preview.is_fine else 1)
    return code


def moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 time with `Z` or an offset."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is not a time such as 2026-11-20T08:31:12Z") from None
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"`{text}` has neither `Z` nor an offset such as +01:00")
    return parsed.timestamp()


def _show(message: str, shown: set[str]) -> None:
    """Print a message, once for all files."""
    if message not in shown:
        shown.add(message)
        print(f"preview: {message}", file=sys.stderr)


def _wrong(message: str) -> int:
    print(f"preview: {message}", file=sys.stderr)
    return _WRONG_ARGUMENTS


def _previewer(arguments: argparse.Namespace) -> "Previewer":
    """Return what previews the files. Raises InputError."""
    from push_relay.adapters.catalog import read_routing_file
    from push_relay.core.errors import ConfigurationInvalid
    from relayctl.preview.inputs import InputError
    from relayctl.preview.layered_sources import LayeredSources
    from relayctl.preview.previewer import Previewer
    from relayctl.preview.stand_ins import PreviewClock, door_maker

    clock = PreviewClock(arguments.now)
    sources = LayeredSources(SHIPPED, arguments.sources)
    name = arguments.source
    if name and name not in sources.names():
        from push_relay.core.rules.findings import choices

        raise InputError(
            f"--source: there is no source `{name}`; {choices(name, sources.names())}. --sources adds folders"
        )
    try:
        routing = read_routing_file(arguments.config)
        if name:
            sources.check(name)
    except ConfigurationInvalid as exc:
        raise InputError(exc.detail) from None
    return Previewer(sources, routing, door_maker(*_stored(arguments), clock), clock, name)


def _stored(arguments: argparse.Namespace) -> tuple[str | None, dict[str, str] | None]:
    """Return the text of the secret, or None, and the answers of addresses, or None. Raises InputError."""
    from relayctl.preview.inputs import InputError, parse_json, read_bytes

    secrets: str | None = None
    if arguments.secrets:
        content = read_bytes(str(arguments.secrets))
        if not isinstance(parse_json(str(arguments.secrets), content), dict):
            raise InputError(f'{arguments.secrets}: is not a JSON object such as {{"github": "secret"}}')
        secrets = content.decode()
    fetched: dict[str, str] | None = None
    if arguments.fetched:
        given = parse_json(str(arguments.fetched), read_bytes(str(arguments.fetched)))
        fetched = given if isinstance(given, dict) else {"": given}
        if not all(isinstance(text, str) for text in fetched.values()):
            raise InputError(f"{arguments.fetched}: is not a JSON object whose values are texts")
    return secrets, fetched
