"""Replay dead letters: send them through the relay again, and delete them from the dead-letter queue.

A push that was delivered before becomes a duplicate, unless --force is given. With --dry-run, nothing is
sent: the command prints the outcome that each message would have with this checkout's sources and routes,
which must be deployed before the replay. Ctrl-C ends the replay between two messages; the other messages stay
dead. Exit codes: 0 if all were replayed, 1 if not, 2 for wrong arguments.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from relayctl.deadletters import options
from relayctl.project import ROOT

if TYPE_CHECKING:
    from rich.console import Console

    from relayctl.deadletters.dead_letter import DeadLetter, DeadLetterSummary
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.replaying import Replayer
    from relayctl.deadletters.stack_resources import StackResources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_filter(parser)
    options.add_resource_options(parser)
    replay = parser.add_argument_group("replay")
    replay.add_argument("--limit", metavar="N", type=options.count, help="at most N messages, oldest first")
    replay.add_argument(
        "--rate", metavar="N/s", type=options.rate, default=0.1, help="N/s or N/m (default: 10/s)"
    )
    replay.add_argument("--force", action="store_true", help="also send again what was delivered")
    replay.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    dry = parser.add_argument_group("dry run")
    dry.add_argument("--dry-run", action="store_true", help="print each message's outcome; send nothing")
    dry.add_argument(
        "--show-titles", action="store_true", help="print the pushes' titles too (personal data)"
    )
    dry.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    dry.add_argument("--config", type=Path, default=ROOT / "config/relay.toml", help="the relay.toml to use")


def run(arguments: argparse.Namespace) -> int:
    """Replay the dead letters or preview the replay, and return the exit code."""
    return options.reported("replay", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    resources = options.chosen_resources(arguments).require("dead_letter_url")
    if arguments.dry_run:
        return _dry_run(arguments, resources)
    return _replay(arguments, resources.require("queue_url"))


def _dry_run(arguments: argparse.Namespace, resources: "StackResources") -> int:
    """Print the outcome that each message would have."""
    from rich.console import Console
    from rich.text import Text

    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.parked import LedgerReader
    from relayctl.deadletters.preview import Preview, Previewer, translator_of
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.scan import scan_queue, stopped_by_ctrl_c
    from relayctl.deadletters.stack_resources import client

    clock = AwsClock()
    status = (
        LedgerReader(clock.observe(client("dynamodb")), resources.table, clock.now).status
        if resources.table
        else lambda _key, _forget_before: None
    )
    previewer = Previewer(
        translator_of(arguments.sources, arguments.config), status, clock.now, arguments.force
    )
    previews: dict[str, Preview] = {}

    def add_preview(dead_letter: "DeadLetter", summary: "DeadLetterSummary") -> None:
        previews[summary.id] = previewer.preview(dead_letter)

    queue = DeadLetterQueue(clock.observe(client("sqs")), resources.dead_letter_url)
    with stopped_by_ctrl_c() as stop:
        summaries = scan_queue(queue, options.chosen_filter(arguments), clock.now, stop, add_preview)[
            : arguments.limit
        ]
    console = Console(highlight=False, soft_wrap=True)
    totals: Counter[str] = Counter()
    for summary in summaries:
        preview = previews[summary.id]
        totals += preview.outcomes
        console.print(
            Text(f"{summary.id[:8]}  {summary.error_code}  {summary.source}  {summary.event_id}: {preview}")
        )
        for title in preview.titles if arguments.show_titles else ():
            console.print(Text(f"          {title}", style="dim"))
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in totals.most_common()) or "nothing"
    console.print(
        Text(f"dry run: {len(summaries)} dead ({resources.name}) would become: {outcomes}", style="bold")
    )
    if stop.is_set():
        print("replay: interrupted: not all messages were read", file=sys.stderr)
    return 1 if stop.is_set() else 0


def _replay(arguments: argparse.Namespace, resources: "StackResources") -> int:
    """Select the dead letters, ask for confirmation, and replay them."""
    from rich.console import Console

    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.replaying import Pace, Replayer
    from relayctl.deadletters.scan import print_warnings, scan_queue, stopped_by_ctrl_c
    from relayctl.deadletters.stack_resources import client

    console, clock = Console(highlight=False), AwsClock()
    sqs = clock.observe(client("sqs"))
    queue = DeadLetterQueue(sqs, resources.dead_letter_url)
    print_warnings(Console(stderr=True), queue.counts())
    with stopped_by_ctrl_c() as stop:
        summaries = scan_queue(queue, options.chosen_filter(arguments), clock.now, stop)[: arguments.limit]
    if stop.is_set():
        console.print("interrupted: nothing was replayed")
        return 1
    if not summaries:
        console.print(f"nothing to replay ({resources.name})")
        return 0
    if not arguments.yes and (code := _confirm(console, summaries, resources.name, force=arguments.force)):
        return code
    # During the question, Ctrl-C means no. From here on, it ends the replay between two messages.
    with stopped_by_ctrl_c() as stop:
        pace = Pace(arguments.rate, stop)
        replayer = Replayer(sqs, resources.queue_url, pace, stop, clock.now, force=arguments.force)
        queue = DeadLetterQueue(sqs, resources.dead_letter_url, interval_secs=arguments.rate)
        return _replay_selected(replayer, queue, summaries)


def _replay_selected(
    replayer: "Replayer", queue: "DeadLetterQueue", summaries: "list[DeadLetterSummary]"
) -> int:
    from rich.console import Console

    from relayctl.deadletters import reporting

    console = Console(highlight=False)
    with reporting.progress(console, "replaying", len(summaries)) as advance:
        result = replayer.replay(
            queue, [summary.id for summary in summaries], lambda result: advance(result.reached)
        )
    return reporting.print_result(console, result, len(summaries), interrupted=replayer.stop.is_set())


def _confirm(console: "Console", summaries: "list[DeadLetterSummary]", stack: str, *, force: bool) -> int:
    """Ask for confirmation. Return 0 if it is given, else the exit code."""
    by_code = Counter(summary.error_code for summary in summaries).most_common()
    counts = ", ".join(f"{number} {code}" for code, number in by_code)
    console.print(f"{len(summaries)} dead ({stack}): {counts}", markup=False)
    if force:
        console.print("--force: recipients who received a push will receive it again", style="yellow")
    if not sys.stdin.isatty():
        print("replay: the input is not a terminal, so nobody can confirm; use --yes", file=sys.stderr)
        return 2
    try:
        agreed = console.input("Replay them? [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        agreed = False
    if not agreed:
        console.print("nothing was replayed")
    return 0 if agreed else 1
