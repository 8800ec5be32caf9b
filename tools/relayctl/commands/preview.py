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

from relayctl.project import ROOT

_WRONG_ARGUMENTS = 2
#: The folder of the shipped sources.
SHIPPED = ROOT / "src/sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="an example, an invocation, or - for stdin; a source folder or a source's name for all of its "
        "examples",
    )
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
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="write one line of JSON for each FILE")
    output.add_argument(
        "--update",
        action="store_true",
        help="write the golden of each example, NAME.pushes.json: wording and recipients",
    )
    output.add_argument(
        "--compare",
        action="store_true",
        help="compare each example with its golden; exit with 1 if they differ",
    )
    output.add_argument(
        "--phone",
        action="store_true",
        help="draw the pushes on a phone in the terminal, or into a FILE that ends in .svg or .png",
    )
    output.add_argument(
        "--xml",
        dest="bytes",
        action="store_const",
        const="xml",
        help="write the request body of each push as XML, with the integration key masked",
    )
    output.add_argument("--bytes", choices=["xml", "json"], help="write the request body of each push")
    parser.add_argument(
        "--watch", action="store_true", help="preview again when a file changes, until Ctrl-C"
    )


def run(arguments: argparse.Namespace) -> int:
    """Preview every file, and return the exit code."""
    from relayctl.phone.picture import SUFFIXES
    from relayctl.preview.watching import watch, watched_files

    # A picture is recognised by its suffix, so that it may be anywhere among the arguments.
    arguments.pictures = [
        Path(word) for word in arguments.files if arguments.phone and word.endswith(SUFFIXES)
    ]
    arguments.files = [word for word in arguments.files if Path(word) not in arguments.pictures]
    if not arguments.files:
        return _wrong("give a FILE beside the picture")
    if not arguments.watch:
        return _preview(arguments)
    if arguments.json or "-" in arguments.files:
        return _wrong("--watch is for people and for files: use it without --json and without `-`")
    files = [Path(word) for word in arguments.files]
    single = [file for file in (arguments.config, arguments.secrets, arguments.fetched) if file]
    folders = [SHIPPED, *arguments.sources, *files]
    return watch(lambda: _preview(arguments), lambda: watched_files([*files, *single], folders))


def _preview(arguments: argparse.Namespace) -> int:
    """Preview every file once, and return the exit code."""
    from push_relay.core.push_format import PushFormat
    from relayctl.preview import golden_run, showing
    from relayctl.preview.inputs import InputError
    from relayctl.preview.session import open_session

    try:
        session = open_session(arguments, SHIPPED)
    except InputError as exc:
        return _wrong(str(exc))
    if arguments.phone:
        return showing.show_phone(session, arguments.pictures)
    if arguments.bytes:
        return showing.show_bytes(session, PushFormat(arguments.bytes))
    runs = {
        "update": golden_run.update,
        "compare": golden_run.compare,
        "json": showing.show_json,
    }
    chosen = next((run for name, run in runs.items() if getattr(arguments, name)), showing.show_reports)
    return chosen(session)


def _wrong(message: str) -> int:
    print(f"preview: {message}", file=sys.stderr)
    return _WRONG_ARGUMENTS


def moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 time with `Z` or an offset."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is not a time such as 2026-11-20T08:31:12Z") from None
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"`{text}` has neither `Z` nor an offset such as +01:00")
    return parsed.timestamp()
