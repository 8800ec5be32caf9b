"""The options that `dead` and `replay` share, and what they mean."""

import argparse
import re
from typing import Any, Final

from relayctl.deadletters.dead_letter import Filter
from relayctl.deadletters.place import Place, client, default_stack, of_stack

_RATE: Final = re.compile(r"([1-9][0-9]{0,4})/([sm])")
_SECONDS: Final = {"s": 1.0, "m": 60.0}


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where the stack is."""
    place = parser.add_argument_group("where", "AWS as boto3 finds it: profile, region, AWS_ENDPOINT_URL")
    place.add_argument("--stack", help="the stack's name (default: $RELAY_STACK)")
    place.add_argument("--queue-url", help="the relay's queue, where there is no stack to ask")
    place.add_argument("--dead-letter-url", help="its dead-letter queue")
    place.add_argument("--table", help="its ledger")


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Declare which entries are meant."""
    which = parser.add_argument_group("which (all, if left out)")
    which.add_argument(
        "--error-code", metavar="CODE", type=_code, help="a code of docs/errors.md, or invocation_failed"
    )
    which.add_argument("--source", help="the source's name")
    which.add_argument(
        "--older-than", metavar="AGE", type=_duration, default=0.0, help="a number and s, m, h or d: 2h"
    )


def chosen_place(arguments: argparse.Namespace) -> Place:
    """Return where the stack is. Raises DeadLettersError."""
    by_hand = (arguments.queue_url, arguments.dead_letter_url, arguments.table)
    if any(by_hand) and not arguments.stack:
        return Place("by hand", *(given or "" for given in by_hand))
    told = of_stack(client("cloudformation"), arguments.stack or default_stack())
    return Place(
        told.name,
        arguments.queue_url or told.queue_url,
        arguments.dead_letter_url or told.dead_letter_url,
        arguments.table or told.table,
    )


def chosen_filter(arguments: argparse.Namespace) -> Filter:
    """Return which entries are meant."""
    return Filter(arguments.error_code, arguments.source, arguments.older_than)


def rate(text: str) -> float:
    """Read `10/s` or `30/m`: the seconds between two."""
    found = _RATE.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"`{text}` is not a rate: a number, and /s or /m (10/s)")
    return _SECONDS[found[2]] / int(found[1])


def count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)


def _code(text: str) -> str:
    """Read an error code. One that does not exist would select nothing, as if nothing were dead."""
    from difflib import get_close_matches  # noqa: PLC0415 (only what runs is imported)

    from push_relay.core.errors import CODES  # noqa: PLC0415 (the same)
    from relayctl.deadletters.dead_letter import INVOCATION_FAILED  # noqa: PLC0415 (the same)

    code, known = text.strip().lower().replace(" ", "_").replace("-", "_"), {*CODES, INVOCATION_FAILED}
    if code in known:
        return code
    near = get_close_matches(code, sorted(known))
    near += sorted(name for name in known if code and code in name and name not in near)
    meant = f" Did you mean: {', '.join(near)}?" if near else ""
    raise argparse.ArgumentTypeError(f"`{text}` is not an error code.{meant} docs/errors.md lists all")


def _duration(text: str) -> float:
    from push_relay.core.duration import seconds  # noqa: PLC0415 (only what runs is imported)
    from push_relay.core.errors import ConfigurationInvalid  # noqa: PLC0415 (the same)

    try:
        return seconds(text)
    except ConfigurationInvalid as exc:
        raise argparse.ArgumentTypeError(exc.detail) from exc


def aws_errors() -> tuple[type[Exception], ...]:
    """Return what boto3 raises where AWS does not do as it is told."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

    return (BotoCoreError, ClientError)


def said(error: Any) -> str:
    """Return what a person on call is told of AWS's error: it is theirs, and quotes no message."""
    return f"AWS said: {error}"
