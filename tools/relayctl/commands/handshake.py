"""Describe a source's handshake, or read the secret that its sender has sent.

Without --stack, the command prints what has to be stored for the handshake. If the sender chooses the signing
secret and sends it (Asana, Notion), it makes a random value and prints the URL to enter at the sender. With
--stack or --dead-letter-url, it reads the secret from the dead-letter queue, prints what to store, and
deletes the message. Exit codes: 0 if it is done, 1 if there is no such source, handshake or secret, 2 for
wrong arguments.
"""

import argparse
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", help="the source's name")
    parser.add_argument(
        "--url", metavar="URL", help="the output `WebhookUrl` of the stack, to print the whole URL"
    )
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    reading = parser.add_argument_group(
        "read the secret", "AWS is configured as for boto3: profile, region, AWS_ENDPOINT_URL"
    )
    reading.add_argument("--stack", help="the stack's name")
    reading.add_argument("--dead-letter-url", metavar="URL", help="the URL of its dead-letter queue")
    reading.add_argument("--keep", action="store_true", help="do not delete the message")


def run(arguments: argparse.Namespace) -> int:
    """Describe the handshake or read the secret, and return the exit code."""
    from relayctl.deadletters.options import reported

    run_chosen = _read if arguments.stack or arguments.dead_letter_url else _describe
    return reported("handshake", lambda: run_chosen(arguments))


def _describe(arguments: argparse.Namespace) -> int:
    from push_relay.adapters.catalog import Catalog
    from push_relay.core.errors import UnknownSource
    from relayctl.handshakes import describe

    try:
        source = Catalog(arguments.sources).named(arguments.source)
    except UnknownSource:
        raise UnknownSource(
            f"there is no source `{arguments.source}` in {arguments.sources}: make its folder first, or give "
            "the folder of your sources with --sources"
        ) from None
    lines = describe(source, arguments.url)
    print("\n".join(lines) or f"The source `{arguments.source}` has no handshake.")
    return 0 if lines else 1


def _read(arguments: argparse.Namespace) -> int:
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.scan import stopped_by_ctrl_c
    from relayctl.deadletters.stack_resources import client, read_stack
    from relayctl.handshakes import read_secrets, report

    url = arguments.dead_letter_url or read_stack(client("cloudformation"), arguments.stack).dead_letter_url
    queue = DeadLetterQueue(client("sqs"), url)
    with stopped_by_ctrl_c() as stop:
        found = read_secrets(
            queue,
            arguments.source,
            stop,
            lambda line: print(line, flush=True),
            keep=arguments.keep,
        )
    print("\n".join(report(arguments.source, found, kept=arguments.keep)))
    return 0 if found else 1
