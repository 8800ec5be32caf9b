"""A receipt shows by numbers of relay.toml who was left out, and when a parked push is tried again.

The log has no text of relay.toml and no value of an event, because either may name a person.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World, captured
from invocations import signature, sqs_batch, sqs_parked, sqs_queued, sqs_record, webhook
from push_relay.core import errors
from push_relay.core.event import Event
from push_relay.core.rules.routing import MOST_LEFT_OUT, NO_ROUTE, Routed
from push_relay.core.rules.routing_file import read_routing
from push_relay.settings import DeliveryMode

NOW = 1_800_000_000.0
PEOPLE = {"ada": {"email": "ada@example.com"}}


def routed(routes: list[dict[str, Any]], **data: Any) -> Routed:
    """Route an event of the source `shop`."""
    routing = read_routing({"people": PEOPLE, "route": [{"source": "shop", **each} for each in routes]})
    return routing.route(Event("shop", "1", "", data, 1.0, "i"))


def written(tmp_path: Path, text: str) -> Path:
    """Write a relay.toml."""
    file = tmp_path / "relay.toml"
    file.write_text(text)
    return file


def event(kind: str = "baked", **data: Any) -> Event:
    """Return an event of the bakery."""
    content = {"kind": kind, "words": "warm", **data}
    return Event("bakery", "e-1", kind, content, NOW, "i", "c-1")


def receipts(world: World, invocation: Any) -> list[dict[str, Any]]:
    """Return the receipts that an invocation of `deliver` logs."""
    with captured() as output:
        world.telemetry = output.telemetry
        world.deliver(invocation)
    return [line for line in output.logs if line["message"] == "receipt"]


@pytest.mark.parametrize(
    ("to", "data", "reason"),
    [
        ("person:{{ data.who }}", {"who": "planted"}, "unlisted"),
        ("person:{{ data.who }}", {}, "blank"),
        ("person:{{ data.who }}", {"who": " "}, "blank"),
        ("user:{{ data.who }}", {}, "blank"),
    ],
)
def test_a_recipient_that_leads_to_nobody_is_noted_by_its_number(
    to: str, data: dict[str, Any], reason: str
) -> None:
    """The others are not affected."""
    found = routed([{"to": ["person:ada", to]}, {"to": [to], "when": "data.never"}], **data)
    assert found.left_out == (f"route[1].to[2] {reason}",)
    assert [*found.numbers.values()] == ["route[1].to[1]"]


def test_conditions_are_noted_only_if_nobody_is_left() -> None:
    """An event that reaches somebody usually has many routes that are not for it."""
    routes = [{"to": ["person:{{ data.who }}"]}, {"to": ["user:1"], "when": "data.urgent"}]
    assert routed(routes).left_out == ("route[1].to[1] blank", "route[2].when false")
    assert routed(routes, who="ada").left_out == ()
    failing = [*routes, {"to": ["user:1"], "when": "to_number(data)"}, {"to": ["user:{{ data }}"]}]
    assert routed(failing).left_out == ("route[1].to[1] blank",)


def test_a_source_without_a_route_is_noted_as_such() -> None:
    """There is no route that could be named."""
    assert routed([]).left_out == NO_ROUTE


def test_a_long_list_is_cut() -> None:
    """A deployer may have a route for each of 10,000 shops, and each filtered event has a log line."""
    routes = [{"to": ["user:1"], "when": f"data.shop == '{number}'"} for number in range(MOST_LEFT_OUT + 7)]
    *named, rest = routed(routes).left_out
    assert len(named) == MOST_LEFT_OUT
    assert (named[0], rest) == ("route[1].when false", "7 more")


def test_the_number_is_that_of_the_route_that_applies() -> None:
    """The second route is the more urgent one."""
    found = routed([{"to": ["user:1"], "batch": "5m"}, {"to": ["user:2", "user:1"]}])
    assert sorted(found.numbers.values()) == ["route[2].to[1]", "route[2].to[2]"]


def test_a_filtered_event_has_the_parts_of_its_routes_in_the_log() -> None:
    """Neither the person of the event nor the text of the route is there."""
    (line,) = receipts(World(), sqs_batch(sqs_queued(event("silent", baker="planted"))))
    assert line["outcome"] == "filtered"
    assert line["left_out"] == [f"route[{number}].when false" for number in range(1, 6)]
    assert "planted" not in json.dumps(line)


def test_one_receipt_of_an_event_has_who_was_left_out(tmp_path: Path) -> None:
    """Each receipt has the number of its recipient."""
    routes = written(
        tmp_path,
        '[[route]]\nsource = "bakery"\nto = ["user:1", "person:{{ data.baker }}", "user:2"]\n',
    )
    first, second = receipts(World(routes=routes), sqs_batch(sqs_queued(event(baker="planted"))))
    assert (first["route"], first["left_out"]) == ("route[1].to[1]", ["route[1].to[2] unlisted"])
    assert (second["route"], "left_out" in second) == ("route[1].to[3]", False)


@pytest.mark.parametrize("kind", ["baked", "everybody"])
def test_a_parked_push_has_the_time_of_its_next_attempt(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the time at which the message in the queue is due."""
    world = World()
    world.clock.time = NOW
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    world.vendor.judge = lambda _push, _credentials: errors.VendorUnavailable("down")
    lines = receipts(world, sqs_batch(sqs_parked(event(kind), 2, NOW)))
    assert {line["next_attempt_at"] for line in lines} == {"2027-01-15T08:00:20.000+00:00"}
    assert [due for _, _, due in world.parked] == [NOW + 20]


def test_a_push_in_a_batch_window_has_the_windows_end(tmp_path: Path) -> None:
    """It is not tried before."""
    routes = written(tmp_path, '[[route]]\nsource = "bakery"\nto = ["user:1"]\nbatch = "10m"\n')
    world = World(routes=routes)
    world.clock.time = NOW + 61
    (line,) = receipts(world, sqs_batch(sqs_queued(event())))
    assert (line["error_code"], line["next_attempt_at"]) == ("gathered", "2027-01-15T08:10:00.000+00:00")


def test_a_record_of_a_fifo_queue_waits_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue hides it until then."""
    world = World()
    world.clock.time = NOW
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    world.vendor.judge = lambda _push, _credentials: errors.VendorUnavailable("down")
    record = sqs_record({"kind": "baked", "words": "warm"}, source="bakery")
    fifo = {"eventSourceARN": "arn:aws:sqs:eu-west-1:1:q.fifo"}
    group = {"attributes": {**record["attributes"], "MessageGroupId": "g"}}
    (line,) = receipts(world, sqs_batch({**record, **fifo, **group}))
    assert line["next_attempt_at"] == "2027-01-15T08:00:10.000+00:00"
    assert [seconds for _, seconds in world.messages.delayed] == [10]


def test_all_pushes_of_a_fifo_record_wait_for_the_same_time(tmp_path: Path) -> None:
    """Urgent ones do not get a message of their own there."""
    routes = written(
        tmp_path,
        '[[route]]\nsource = "bakery"\nto = ["user:1"]\npriority = "high"\n'
        '[[route]]\nsource = "bakery"\nto = ["user:2"]\n',
    )
    world = World(routes=routes)
    world.vendor.judge = lambda _push, _credentials: errors.QuotaExhausted("used up", retry_after=900)
    record = sqs_record({"kind": "baked", "words": "warm"}, source="bakery")
    attributes = {**record["attributes"], "MessageGroupId": "g"}
    arn = "arn:aws:sqs:eu-west-1:1:q.fifo"
    lines = receipts(world, sqs_batch({**record, "eventSourceARN": arn, "attributes": attributes}))
    assert len(lines) == 2
    assert len({line["next_attempt_at"] for line in lines}) == 1


def test_a_push_that_is_parked_in_direct_mode_has_the_time_too() -> None:
    """The receipt is logged by `receive` then."""
    world = World(mode=DeliveryMode.DIRECT)
    world.clock.time = NOW
    world.vendor.judge = lambda _push, _credentials: errors.VendorUnavailable("down")
    body = json.dumps({"kind": "baked", "words": "warm"}).encode()
    with captured() as output:
        world.telemetry = output.telemetry
        world.receive(webhook(body, headers={"x-hub-signature-256": signature(body)}))
    (line,) = [line for line in output.logs if line["message"] == "receipt"]
    assert line["outcome"] == "parked"
    assert line["next_attempt_at"] > "2027-01-15T08:00:00"


def test_an_unreadable_record_has_no_time() -> None:
    """It waits until SQS hands it out again, which the relay does not decide."""
    world = World()

    class Broken:
        def named(self, _name: str) -> Any:
            raise OSError

        all = named

    world.change_sources(Broken())
    (line,) = receipts(world, sqs_batch(sqs_record({"kind": "baked"})))
    assert (line["outcome"], "next_attempt_at" in line) == ("parked", False)
