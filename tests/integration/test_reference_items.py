"""docs/reference.md lists the attributes that the relay stores: real pushes, a real DynamoDB and SQS.

Every write to the table is followed by a read, so attributes that exist for a moment are seen too.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import boto_clients
from fakes import ROOT, SHIPPED, Context
from local_aws import LocalAws
from push_relay.adapters.dynamodb.table import Item, LedgerTable
from push_relay.bootstrap.common import Common
from push_relay.bootstrap.deliver import build
from push_relay.core.event import Event, Replay
from push_relay.core.queue_format import pack
from push_relay.settings import DeliveryMode, Settings

ROUTES = """
[source.push]
daily_calls = 100

[[route]]
source = "push"
when = "data.Title != 'batched'"
to = ["user:{{ data.UserId }}"]

[[route]]
source = "push"
when = "data.Title == 'batched'"
to = ["user:{{ data.UserId }}"]
batch = "1h"
"""
#: Attributes that only a second worker, a crash, a large window or the version before makes.
NOT_PLAYED = {
    "connections": {"announced", "woken", "crashed"},
    "digest": {"push_#segments", "closed"},
    "quota": {"calls#<source>"},
}
#: The vendor's answer by the title of the push; without one it closes the connection.
ANSWERS = {"delivered": 200, "batched": 200, "refused": 400, "throttled": 429}


class Vendor(BaseHTTPRequestHandler):
    """A vendor whose answer depends on the push's title."""

    def do_POST(self) -> None:
        """Answer a push."""
        title = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Title"]
        self.close_connection = True
        if title in ANSWERS:
            self.send_response(ANSWERS[title])
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@contextmanager
def vendor() -> Iterator[str]:
    """Run the vendor, and return its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(local_stores: LocalAws, tmp_path: Path) -> Iterator[Settings]:
    """Return the settings of a relay with queues and a table of its own."""
    table = local_stores.table().name
    config = tmp_path / "relay.toml"
    config.write_text(ROUTES)
    secret = boto_clients.secretsmanager().create_secret(
        Name=f"credentials-{table}", SecretString='{"CompanyId": 1, "IntegrationKey": "planted"}'
    )
    with vendor() as url:
        yield Settings(
            mode=DeliveryMode.QUEUE,
            queue_url=local_stores.queue(),
            dead_letter_queue_url=local_stores.queue(),
            signing_secrets_arn="",
            push_base_url=url,
            push_credentials_arn=secret["ARN"],
            ledger_table=table,
            config_file=config,
            sources_directory=SHIPPED,
            backlog_table=local_stores.backlog_table().name,
        )


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Collect the attributes of each kind of item, after each write."""
    found: dict[str, set[str]] = defaultdict(set)
    update, begin_updates = LedgerTable.update, LedgerTable.begin_updates

    def note(table: LedgerTable, key: Any) -> None:
        found[key["pk"]["S"].partition("#")[0]] |= {_general(name) for name in table.get(Key=key)} - {"pk"}

    def recording(table: LedgerTable, **arguments: Any) -> Item:
        answer = update(table, **arguments)
        note(table, arguments["Key"])
        return answer

    def recording_all(table: LedgerTable, updates: Sequence[Mapping[str, Any]]) -> Callable[[], Any]:
        end = begin_updates(table, updates)

        def ended() -> Any:
            answers = end()
            for each in updates:
                note(table, each["Key"])
            return answers

        return ended

    monkeypatch.setattr(LedgerTable, "update", recording)
    monkeypatch.setattr(LedgerTable, "begin_updates", recording_all)
    return found


def _general(name: str) -> str:
    """Return an attribute's name as the reference writes it."""
    name = re.sub(r"^push_[0-9a-f]{64}$", "push_<key>", name)
    name = re.sub(r"^(owner|until)_\d+$", r"\1_<number>", name)
    return re.sub(r"^calls#.+$", "calls#<source>", name)


def documented(heading: str) -> set[str]:
    """Return the names in the first column of a section's table."""
    page = (ROOT / "docs/reference.md").read_text("utf-8")
    section = re.split(r"^#{2,3} ", page.partition(f"\n{heading}")[2], maxsplit=1, flags=re.MULTILINE)[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert first_cells, heading
    return {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}


def event(title: str, replay: Replay = Replay.NO) -> Event:
    """Return an event whose push has a title."""
    data = {"UserId": title, "Title": title, "Body": "b"}
    made = Event("push", title, "", data, time.time(), title, "c-1")
    return replace(made, replay=replay, replay_id="" if replay is Replay.NO else "run-1")


def record(made: Event, **more: str) -> dict[str, Any]:
    """Return an event as SQS hands it to the function."""
    packed = pack(made)
    attributes = {name: {"stringValue": value} for name, value in (packed.attributes | more).items()}
    return _record(packed.body, attributes)


def _record(body: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": f"m-{len(body)}",
        "receiptHandle": "r",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1800000000000"},
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:queue",
    }


def play(settings: Settings) -> None:
    """Deliver pushes that end in different ways; the throttled one is last, because it stops all calls."""
    consumer = build(Common.of(settings))
    for made in (
        event("delivered"),
        event("refused"),
        event("refused", Replay.FAILED),
        event("lost"),
        event("batched"),
        event("throttled"),
    ):
        consumer.handle({"Records": [record(made)]}, Context())
    consumer.handle({"Records": [_record("{", {})]}, Context())


def test_the_tables_of_ledger_items_are_what_the_relay_stores(
    settings: Settings, stored: dict[str, set[str]]
) -> None:
    """People read and delete these items by hand."""
    play(settings)
    for kind, names in stored.items():
        table = documented(f"### `{kind}#")
        assert names <= table, kind
        assert table - names == NOT_PLAYED.get(kind, set()), kind
    assert set(stored) == {"push", "digest", "quota", "connections"}


def test_the_table_of_message_attributes_has_every_one_that_the_relay_sends(
    settings: Settings, local_stores: LocalAws
) -> None:
    """People read the queues with other tools too."""
    play(settings)
    sent = {
        name
        for url in (settings.queue_url, settings.dead_letter_queue_url)
        for message in local_stores.received(url)
        for name in message["messageAttributes"]
    }
    assert {"push-relay-event", "source", "error_code", "push-relay-origin-id"} <= sent
    assert sent <= documented("## Queue messages")
