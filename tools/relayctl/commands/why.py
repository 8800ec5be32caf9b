"""Tell the story of one event: received, refused, filtered, parked, delivered or dead-lettered, and why.

ID is the event's id (as in the answer to its sender, or as the sender writes it) or a correlation id. The
story is read from the log groups of both functions, and from the dead-letter queue if the event may be there.
The stack is that of --stack, RELAY_STACK or samconfig.toml, else the local one of `make run`.
Exit codes: 0 if there is a story, 1 if there is none or the log was not read completely, 2 for wrong
arguments.
"""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Final

from relayctl.deadletters import options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event as Flag

    from relayctl.deadletters.dead_letter import DeadLetterSummary
    from relayctl.receipts.line import LogLine
    from relayctl.receipts.log_reader import ReceiptLog
    from relayctl.receipts.story import Story
    from relayctl.targets import Target

_LATEST: Final = "1d"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("id", metavar="ID", help="the event's id, or the correlation id of its request")
    options.add_since(parser, _LATEST)
    parser.add_argument("--json", action="store_true", help="print one JSON object for each line and verdict")
    options.add_stack_options(parser, "RELAY_STACK, else local")


def run(arguments: argparse.Namespace) -> int:
    """Show the story, and return the exit code."""
    return options.reported("why", lambda: _why(arguments))


def _why(arguments: argparse.Namespace) -> int:
    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.scan import stopped_by_ctrl_c
    from relayctl.receipts.log_reader import ReceiptLog
    from relayctl.receipts.story import stories
    from relayctl.targets import chosen_to_read

    target, clock = chosen_to_read(arguments), AwsClock()
    log = ReceiptLog(clock.observe(target.client("logs")), target.stack)
    with stopped_by_ctrl_c() as stop:
        lines = _read(log, arguments.id, clock.now() - arguments.since, stop)
        found = stories(lines)
        ended = _with_dead_letters(found, _dead_letters(target, arguments.id, found, stop))
    if arguments.json:
        _print_json(lines, ended, target)
    else:
        _print_text(ended, target)
    if not ended:
        print(
            f"why: the log of {target.name} has no line about {arguments.id}. To look further back: "
            "--since 7d. A request that was refused before its sender had proven itself may have no line "
            "of its own (docs/reference.md, `count`)",
            file=sys.stderr,
        )
    if not log.is_complete:
        print("why: the log was not read completely: choose a shorter --since", file=sys.stderr)
    return 0 if ended and log.is_complete else 1


def _read(log: "ReceiptLog", wanted: str, since: float, stop: "Flag") -> "list[LogLine]":
    from rich.console import Console

    with Console(stderr=True).status("reading the log") as status:
        return log.about(
            wanted,
            since,
            stop.is_set,
            lambda pages, found: status.update(f"reading the log: {pages} pages, {found} lines"),
        )


def _dead_letters(
    target: "Target", wanted: str, found: "Sequence[Story]", stop: "Flag"
) -> "list[DeadLetterSummary] | None":
    """Return the event's dead letters; None if they were not looked for, or could not be."""
    from push_relay.core.event import safe_id
    from relayctl.deadletters.stack_resources import StackError
    from relayctl.receipts.dead import dead_letters_of
    from relayctl.receipts.story import Waiting

    if found and not any(story.is_dead or isinstance(story.verdict, Waiting) for story in found):
        return None
    ids = {wanted, safe_id(wanted, "-")} | {story.event_id for story in found if story.event_id}
    unreadable: tuple[type[Exception], ...] = (StackError, *options.aws_errors())
    try:
        return dead_letters_of(target.client("sqs"), target.fact("DeadLetterQueueUrl"), ids, stop)
    except unreadable as exc:
        # The log is the answer. Somebody who may read the log may lack the right to read the queue.
        print(f"why: the dead-letter queue cannot be read: {exc}", file=sys.stderr)
        return None


def _with_dead_letters(
    found: "Sequence[Story]", dead: "Sequence[DeadLetterSummary] | None"
) -> "list[tuple[Story, list[DeadLetterSummary] | None]]":
    """Return each story with its dead letters. A dead letter without a line in the log is one too."""
    from relayctl.receipts.story import Story

    if dead is None:
        return [(story, None) for story in found]
    if not found:
        return [(Story(each.source, each.event_id, (), ()), [each]) for each in dead]
    if len(found) == 1:
        return [(found[0], list(dead))]
    return [(story, [each for each in dead if each.event_id == story.event_id]) for story in found]


def _print_text(ended: "Sequence[tuple[Story, list[DeadLetterSummary] | None]]", target: "Target") -> None:
    from rich.console import Console

    from relayctl.receipts.report import show_story
    from relayctl.receipts.route_texts import RouteTexts

    console, texts = Console(highlight=False), RouteTexts(target.config, target.sources)
    for story, dead in ended:
        show_story(console, story, texts, dead or ())


def _print_json(
    lines: "Sequence[LogLine]",
    ended: "Sequence[tuple[Story, list[DeadLetterSummary] | None]]",
    target: "Target",
) -> None:
    from relayctl.receipts.json_line import line_json, verdict_json

    for line in lines:
        print(json.dumps(line_json(line, target.name)))
    for story, dead in ended:
        ids = None if dead is None else [each.id for each in dead]
        print(json.dumps(verdict_json(story, target.name, ids)))
