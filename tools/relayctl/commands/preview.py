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
    from relayctl.preview.session import Session

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


def run(arguments: argparse.Namespace) -> int:
    """Preview every file, and return the exit code."""
    from relayctl.preview.golden_run import compare, update
    from relayctl.preview.inputs import InputError
    from relayctl.preview.session import open_session

    try:
        session = open_session(arguments, SHIPPED)
    except InputError as exc:
        print(f"preview: {exc}", file=sys.stderr)
        return _WRONG_ARGUMENTS
    if arguments.update:
        return update(session)
    return compare(session) if arguments.compare else _show(session, as_json=arguments.json)


def _show(session: "Session", *, as_json: bool) -> int:
    """Print the preview of every file, and return the exit code."""
    from relayctl.preview.inputs import InputError, read_input
    from relayctl.preview.json_line import json_line
    from relayctl.preview.report import report
    from relayctl.preview.result import PreviewedFile
    from relayctl.preview.session import Messages

    messages = Messages()
    code = 0
    for file in session.files:
        try:
            preview = session.previewer.preview(read_input(file))
        except InputError as exc:
            preview = PreviewedFile(file, is_unusable=True)
            code = _WRONG_ARGUMENTS
            messages.show(str(exc))
        messages.warn_of(session.previewer.sources)
        if as_json:
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
