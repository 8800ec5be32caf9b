"""Replay what is dead: send it through the relay again, and take it out of the dead-letter queue.

What was delivered is a duplicate, unless --force. With --dry-run nothing is sent: it tells what each message
would become under this checkout's sources and routes, which have to be deployed before the replay. Ctrl-C
ends it between two messages; what is left stays dead. Exit codes: 0 all was replayed, 1 something was not,
2 wrong arguments.
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
    from relayctl.deadletters.place import Place
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.replaying import Replayer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_filter(parser)
    options.add_place(parser)
    how = parser.add_argument_group("how")
    how.add_argument("--limit", metavar="N", type=options.count, help="at the most so many, oldest first")
    how.add_argument("--rate", metavar="N/s", type=options.rate, default=0.1, help="or N/m (10/s)")
    how.add_argument("--force", action="store_true", help="send again what was delivered, too")
    how.add_argument("--yes", action="store_true", help="do not ask")
    dry = parser.add_argument_group("dry run")
    dry.add_argument("--dry-run", action="store_true", help="only tell what each would become")
    dry.add_argument("--show-titles", action="store_true", help="and the pushes' titles (personal data)")
    dry.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    dry.add_argument("--config", type=Path, default=ROOT / "config/relay.toml", help="the deployer's file")


def run(arguments: argparse.Namespace) -> int:
    """Replay, and return the exit code."""
    from push_relay.core.errors import ConfigurationInvalid  # noqa: PLC0415 - only what runs is imported
    from relayctl.deadletters.place import DeadLettersError  # noqa: PLC0415

    try:
        place = options.chosen_place(arguments).needs("dead_letter_url")
        if arguments.dry_run:
            return _foretell(arguments, place)
        return _replay(arguments, place.needs("queue_url"))
    except DeadLettersError as exc:
        print(f"replay: {exc}", file=sys.stderr)
    except ConfigurationInvalid as exc:
        print(f"replay: {exc.detail}", file=sys.stderr)
    except options.aws_errors() as exc:
        print(f"replay: {options.said(exc)}", file=sys.stderr)
    return 1


def _foretell(arguments: argparse.Namespace, place: "Place") -> int:
    """Tell what each message would become."""
    from rich.console import Console  # noqa: PLC0415 - only what runs is imported
    from rich.text import Text  # noqa: PLC0415

    from relayctl.deadletters.aws_time import AwsClock  # noqa: PLC0415
    from relayctl.deadletters.parked import LedgerReader  # noqa: PLC0415
    from relayctl.deadletters.place import client  # noqa: PLC0415
    from relayctl.deadletters.preview import Preview, Previewer, translator_of  # noqa: PLC0415
    from relayctl.deadletters.queue import DeadLetterQueue  # noqa: PLC0415
    from relayctl.deadletters.scan import look, stopped_by_ctrl_c  # noqa: PLC0415

    clock = AwsClock()
    status = (
        LedgerReader(clock.listen(client("dynamodb")), place.table, clock.now).status
        if place.table
        else lambda _key, _before: None
    )
    oracle = Previewer(translator_of(arguments.sources, arguments.config), status, clock.now, arguments.force)
    prospects: dict[str, Preview] = {}

    def seen(letter: "DeadLetter", entry: "DeadLetterSummary") -> None:
        prospects[entry.id] = oracle.ask(letter)

    queue = DeadLetterQueue(clock.listen(client("sqs")), place.dead_letter_url)
    with stopped_by_ctrl_c() as stop:
        entries = look(queue, options.chosen_filter(arguments), clock.now, stop, seen)[: arguments.limit]
    console = Console(highlight=False, soft_wrap=True)
    totals: Counter[str] = Counter()
    for entry in entries:
        prospect = prospects[entry.id]
        totals += prospect.outcomes
        console.print(
            Text(f"{entry.id[:8]}  {entry.error_code}  {entry.source}  {entry.event_id}: {prospect}")
        )
        for title in prospect.titles if arguments.show_titles else ():
            console.print(Text(f"          {title}", style="dim"))
    told = ", ".join(f"{number} {outcome}" for outcome, number in totals.most_common()) or "nothing"
    console.print(Text(f"dry run: {len(entries)} dead ({place.name}) would become: {told}", style="bold"))
    if stop.is_set():
        print("replay: interrupted: not all were read; all messages were given back", file=sys.stderr)
    return 1 if stop.is_set() else 0


def _replay(arguments: argparse.Namespace, place: "Place") -> int:
    """Look which are meant, ask, and replay them."""
    from rich.console import Console  # noqa: PLC0415 - only what runs is imported

    from relayctl.deadletters.aws_time import AwsClock  # noqa: PLC0415
    from relayctl.deadletters.place import client  # noqa: PLC0415
    from relayctl.deadletters.queue import DeadLetterQueue  # noqa: PLC0415
    from relayctl.deadletters.replaying import Pace, Replayer  # noqa: PLC0415
    from relayctl.deadletters.scan import look, stopped_by_ctrl_c, warn  # noqa: PLC0415

    console, clock = Console(highlight=False), AwsClock()
    sqs = clock.listen(client("sqs"))
    queue = DeadLetterQueue(sqs, place.dead_letter_url)
    warn(Console(stderr=True), queue.counts())
    with stopped_by_ctrl_c() as stop:
        entries = look(queue, options.chosen_filter(arguments), clock.now, stop)[: arguments.limit]
    if stop.is_set():
        console.print("interrupted: nothing was replayed")
        return 1
    if not entries:
        console.print(f"nothing to replay ({place.name})")
        return 0
    if not arguments.yes and (refused := _refusal(console, entries, place.name, force=arguments.force)):
        return refused
    # From here on Ctrl-C is heeded between two messages.
    with stopped_by_ctrl_c() as stop:
        pace = Pace(arguments.rate, stop)
        replayer = Replayer(sqs, place.queue_url, pace, stop, clock.now, force=arguments.force)
        queue = DeadLetterQueue(sqs, place.dead_letter_url, interval=arguments.rate)
        return _replay_entries(replayer, queue, entries)


def _replay_entries(
    replayer: "Replayer", queue: "DeadLetterQueue", entries: "list[DeadLetterSummary]"
) -> int:
    from rich.console import Console  # noqa: PLC0415 - only what runs is imported

    from relayctl.deadletters import reporting  # noqa: PLC0415

    console = Console(highlight=False)
    with reporting.progress(console, "replaying", len(entries)) as advance:
        result = replayer.replay(
            queue, [entry.id for entry in entries], lambda result: advance(result.reached)
        )
    return reporting.summary(console, result, len(entries), interrupted=replayer.stop.is_set())


def _refusal(console: "Console", entries: "list[DeadLetterSummary]", stack: str, *, force: bool) -> int:
    """Ask the person; return 0 where they agree, else the exit code."""
    by_code = Counter(entry.error_code for entry in entries).most_common()
    told = ", ".join(f"{number} {code}" for code, number in by_code)
    console.print(f"{len(entries)} dead ({stack}): {told}", markup=False)
    if force:
        console.print("--force: whoever got the push gets it again", style="yellow")
    if not sys.stdin.isatty():
        print("replay: nobody is there to be asked: say --yes", file=sys.stderr)
        return 2
    try:
        agreed = console.input("Replay them? [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        agreed = False
    if not agreed:
        console.print("nothing was replayed")
    return 0 if agreed else 1
