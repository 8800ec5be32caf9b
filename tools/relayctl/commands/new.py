"""Make a source folder from captured requests of a sender.

A FILE is a body (JSON, lines of JSON, XML, a form), an example ({"headers", "query", "body"}), an invocation
by API Gateway, or a dump: header lines, a blank line and the body. Give one FILE for each kind of event, and
for a firing and a resolved one. The folder has the proof, the words, a schema, a route and examples, in which
secrets and personal data are replaced. docs/new-source.md describes what is guessed and what is replaced.
Exit codes: 0 if the folder was written, 2 for a FILE or an argument that cannot be used.
"""

import argparse
import sys
from pathlib import Path

from relayctl.project import ROOT

_WRONG_ARGUMENTS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "name", metavar="NAME", help="the source's name, and its folder's: a-z, 0-9 and hyphens"
    )
    parser.add_argument(
        "--from",
        dest="files",
        metavar="FILE",
        nargs="+",
        required=True,
        help="a captured request; - for stdin",
    )
    parser.add_argument(
        "--preset",
        default="",
        help="the preset that verifies the sender (docs/providers.md; default: guessed)",
    )
    parser.add_argument(
        "--title", default="", help="the sender's name in the pushes (default: NAME as words)"
    )
    parser.add_argument(
        "--docs",
        default="",
        metavar="URL",
        help="where the sender documents its webhooks, also for the examples",
    )
    parser.add_argument("--force", action="store_true", help="write the files of an existing folder again")
    parser.add_argument(
        "--sources", type=Path, default=ROOT / "src/sources", help="the source folders, to which it is added"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the folder, print what to do next, and return the exit code."""
    from relayctl.drafting.capture import read_capture
    from relayctl.drafting.folder import NAME, Order, draft_folder, write
    from relayctl.drafting.next_steps import report
    from relayctl.preview.inputs import InputError

    name = arguments.name
    if not NAME.fullmatch(name):
        return _wrong(f"`{name}` cannot be a source's name: use a-z, 0-9 and hyphens, such as `oven-monitor`")
    title = arguments.title.strip() or name.replace("-", " ").capitalize()
    order = Order(name, title, arguments.docs.strip(), arguments.preset)
    try:
        drafted = draft_folder(order, [read_capture(file) for file in arguments.files])
        goldens = write(drafted, arguments.sources, force=arguments.force)
    except InputError as exc:
        return _wrong(str(exc))
    for line in report(drafted, arguments.sources / name, goldens, ROOT / "config/relay.toml"):
        print(line)
    return 0


def _wrong(message: str) -> int:
    print(f"new: {message}", file=sys.stderr)
    return _WRONG_ARGUMENTS
