"""The most specific match rule counts, and fallback sources take what no other source matches."""

import re
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import ROOT, SHIPPED, SHIPPED_ROUTES, World, captured
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_record
from push_relay.adapters.catalog import Catalog
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.envelope import unwrap_sns
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import fit
from push_relay.core.rules.source import read_source
from push_relay.core.rules.transport import transport_names

QUEUE = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:ovens"}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ovens"
HEAT = {"degrees": 451}
#: The most general rule for events on a bus.
ANY = 'eventbridge_source = "*"'
S3_TEST = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "menus"}


def world(directory: Path, *rules: str, routed: str = "0123456789") -> World:
    """Return a relay with one source for each rule, and routes for those whose number is in `routed`."""
    routes = []
    for number, rule in enumerate(rules):
        folder = directory / "sources" / f"source-{number}"
        folder.mkdir(parents=True)
        message = f'[[message]]\ntitle = "{number}"\nbody = "x"'
        (folder / "source.toml").write_text(f'title = "x"\ndocs = "x"\n[[match]]\n{rule}\n{message}')
        (folder / "schema.json").write_text("{}")
        if str(number) in routed:
            routes.append(f'[[route]]\nsource = "source-{number}"\nto = ["external:4711"]')
    (directory / "relay.toml").write_text("\n".join(routes))
    return World(sources=directory / "sources", routes=directory / "relay.toml")


def titles(here: World, invocation: Any) -> list[str]:
    """Deliver an invocation and return the titles of its pushes."""
    here.deliver(invocation)
    return [call.push.wording.title for call in here.vendor.calls]


BUS = bus_event(HEAT, source="aws.oven", detail_type="Oven Heat", account="123456789012")


@pytest.mark.parametrize(
    ("rules", "winner"),
    [
        # An exact pattern, then more keys, then more characters that are not wildcards.
        (['eventbridge_source = "aws.*"', 'eventbridge_source = "aws.oven"'], "1"),
        (['eventbridge_source = "aws.*"\nwhen = "data.degrees"', 'eventbridge_source = "aws.oven"'], "1"),
        (['eventbridge_source = "aws.*"', 'eventbridge_source = "*"\nwhen = "data.degrees"'], "1"),
        (['eventbridge_source = "*"', 'eventbridge_source = "aws.*"'], "1"),
        (['eventbridge_detail_type = "Oven *"', 'eventbridge_detail_type = "*Heat"'], "0"),
        (['eventbridge_account = "123456789012"', 'eventbridge_region = "eu-*"'], "0"),
        (['eventbridge_account = "1*"', 'eventbridge_account = "1*"\neventbridge_region = "eu-west-1"'], "1"),
        # Equal rules, and equal ones of other keys.
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.oven"'], None),
        (['eventbridge_source = "aws.*"', 'eventbridge_source = "*oven"'], None),
        ([f'{ANY}\nwhen = "data"', f'{ANY}\nwhen = "data.degrees"'], None),
        (['eventbridge_source = "aws.oven"', 'eventbridge_detail_type = "Oven Heat"'], None),
        # Rules that do not fit do not count.
        (['eventbridge_source = "aws.*"', 'eventbridge_region = "us-east-1"'], "0"),
        (['eventbridge_source = "aws.*"', 'eventbridge_account = "999999999999"'], "0"),
        # A fallback counts last, however specific it is.
        (['eventbridge_source = "aws.oven"\nwhen = "data"\nfallback = true', ANY], "1"),
        ([f"{ANY}\nfallback = true", 'eventbridge_source = "aws.*"\nfallback = true'], "1"),
        ([f"{ANY}\nfallback = true", f"{ANY}\nfallback = true"], None),
    ],
)
def test_the_most_specific_rule_counts(rules: list[str], winner: str | None, tmp_path: Path) -> None:
    """The order can be predicted without running anything. Equally specific rules stay ambiguous."""
    here = world(tmp_path, *rules)
    assert titles(here, BUS) == ([winner] if winner else [])
    if winner is None:
        assert [receipt.error_code for receipt in here.witness.receipts] == ["ambiguous_source"]


def test_the_best_rule_of_a_source_counts(tmp_path: Path) -> None:
    """A source may have several rules that fit."""
    own = f'{ANY}\n[[match]]\neventbridge_source = "aws.oven"'
    here = world(tmp_path, own, 'eventbridge_source = "aws.*"')
    assert titles(here, BUS) == ["0"]


def test_a_condition_alone_is_for_messages_without_an_envelope(tmp_path: Path) -> None:
    """The author of an envelope's content could write any shape."""
    here = world(tmp_path, 'when = "data.degrees"')
    assert titles(here, sqs_batch(sqs_record(HEAT) | QUEUE)) == ["0"]
    for given_message in (
        sns_invocation(notification(HEAT)),
        sqs_batch(sqs_record(notification(HEAT), message_id="2") | QUEUE),
        BUS,
        sqs_batch(sqs_record(BUS, message_id="3") | QUEUE),
        sqs_batch(sqs_record(HEAT, source="nosuch", message_id="4") | QUEUE),
    ):
        here.deliver(given_message)
    assert [receipt.error_code for receipt in here.witness.receipts[1:]] == ["unknown_source"] * 5


def test_a_rule_without_a_key_is_refused() -> None:
    """It would fit every event. `fallback` alone is not a condition."""
    for rule in ({}, {"fallback": True}):
        document = {"title": "x", "docs": "x", "match": [rule]}
        with pytest.raises(ConfigurationInvalid, match=r"names none of: .*eventbridge_region, when"):
            read_source("x", document, {})


@pytest.mark.parametrize(
    ("invocation", "code", "names"),
    [
        (BUS, "unknown_source", {"eventbridge_source": "aws.oven", "eventbridge_detail_type": "Oven Heat"}),
        (sns_invocation(notification(HEAT, topic=TOPIC)), "unknown_source", {"topic": "ovens"}),
        (sns_invocation(notification("cold", topic=TOPIC)), "malformed_request", {"topic": "ovens"}),
        (sqs_batch(sqs_record(HEAT) | QUEUE), "unknown_source", {"queue": "ovens"}),
        (sqs_batch(sqs_record("cold") | QUEUE), "malformed_request", {"queue": "ovens"}),
        (sqs_batch(sqs_record([HEAT]) | QUEUE), "malformed_request", {"queue": "ovens"}),
    ],
)
def test_a_fallback_source_needs_a_route(
    invocation: Any, code: str, names: dict[str, str], tmp_path: Path
) -> None:
    """Without one the event is dead-lettered, with the code that it had before there were such sources."""
    rules = [f'{key} = "*"\nfallback = true' for key in ("eventbridge_source", "sns_topic", "sqs_queue")]
    unrouted = world(tmp_path / "unrouted", *rules, routed="")
    assert titles(unrouted, invocation) == []
    assert [receipt.error_code for receipt in unrouted.witness.receipts] == [code]
    assert unrouted.witness.fallbacks == []
    routed = world(tmp_path / "routed", *rules)
    ((source, seen),) = [(title, routed.witness.fallbacks) for title in titles(routed, invocation)]
    assert seen == [(f"source-{source}", names)]


AWS_EVENT = f"{ANY}\nfallback = true"


@pytest.mark.parametrize(
    ("rules", "routed", "winner"),
    [
        # A source without a route steps aside for a fallback, and for a more general rule of another source.
        (['eventbridge_source = "aws.oven"', AWS_EVENT], "1", "1"),
        (['eventbridge_source = "aws.oven"', AWS_EVENT], "01", "0"),
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.*"'], "1", "1"),
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.*"', AWS_EVENT], "2", "2"),
        # Equally specific rules are ambiguous only if both are used.
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.oven"'], "1", "1"),
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.oven"'], "01", "ambiguous_source"),
        # Without a source that is used, the event is filtered and no dead letter.
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.*"', AWS_EVENT], "", None),
        (['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.oven"'], "", "ambiguous_source"),
    ],
)
def test_a_source_without_a_route_steps_aside(
    rules: list[str], routed: str, winner: str | None, tmp_path: Path
) -> None:
    """A new folder of the catalogue takes no event from a source that a deployer uses already."""
    here = world(tmp_path, *rules, routed=routed)
    here.deliver(BUS)
    (receipt,) = here.witness.receipts
    if winner is None:
        assert (receipt.source, receipt.outcome) == ("source-0", Outcome.FILTERED)
    else:
        assert winner in (receipt.error_code, *(call.push.wording.title for call in here.vendor.calls))


def test_a_route_whose_condition_is_false_counts_as_a_route(tmp_path: Path) -> None:
    """The deployer has decided who gets these events: nobody."""
    world(tmp_path, 'eventbridge_source = "aws.oven"', AWS_EVENT)
    text = (tmp_path / "relay.toml").read_text("utf-8")
    never = text.replace('source = "source-0"', 'source = "source-0"\nwhen = "data.nothing"')
    (tmp_path / "relay.toml").write_text(never)
    here = World(sources=tmp_path / "sources", routes=tmp_path / "relay.toml")
    assert titles(here, BUS) == []
    assert here.witness.outcomes == [Outcome.FILTERED]


def test_the_log_line_of_a_fallback_names_the_sources_without_a_route(tmp_path: Path) -> None:
    """So that the next step is a route, and not another folder for the same events."""
    rules = ['eventbridge_source = "aws.oven"', 'eventbridge_source = "aws.*"', AWS_EVENT]
    here = world(tmp_path, *rules, routed="2")
    assert titles(here, BUS) == ["2"]
    ((source, names),) = here.witness.fallbacks
    assert (source, names["unrouted"]) == ("source-2", "source-0, source-1")


def test_the_author_of_a_text_does_not_choose_between_sources_by_their_routes(tmp_path: Path) -> None:
    """Two readings stay ambiguous if both sources are used. A source without a route does not count."""
    enclosed, outer = 'sns_topic = "*"\neventbridge_source = "aws.*"', 'sns_topic = "*"'
    message = sns_invocation(notification(bus_event(HEAT, source="aws.oven"), topic=TOPIC))
    for routed, expected in (("01", []), ("0", ["0"]), ("1", ["1"])):
        here = world(tmp_path / f"routed-{routed}", enclosed, outer, routed=routed)
        assert titles(here, message) == expected


def test_an_event_of_an_own_source_does_not_fall_back(tmp_path: Path) -> None:
    """Neither if a rule matches, nor if the sender names the source."""
    here = world(tmp_path, 'sns_topic = "*:ovens"', 'sns_topic = "*"\nfallback = true')
    here.deliver(sns_invocation(notification(HEAT, topic=TOPIC)))
    named = {"source": {"Type": "String", "Value": "source-1"}}
    here.deliver(sns_invocation(notification(HEAT, MessageId="2", MessageAttributes=named)))
    assert [call.push.wording.title for call in here.vendor.calls] == ["0", "1"]
    assert here.witness.fallbacks == []


def test_the_reading_of_an_own_source_goes_before_that_of_a_fallback(tmp_path: Path) -> None:
    """An event inside a notification counts for a fallback only if no source takes the notification."""
    enclosed = 'sns_topic = "*"\neventbridge_source = "aws.*"\nfallback = true'
    message = sns_invocation(notification(bus_event(HEAT, source="aws.oven"), topic=TOPIC))
    assert titles(world(tmp_path / "a", enclosed, 'sns_topic = "*"'), message) == ["1"]
    alone = world(tmp_path / "b", enclosed)
    assert titles(alone, message) == ["0"]
    assert alone.witness.fallbacks[0][1]["eventbridge_source"] == "aws.oven"


def test_the_log_line_of_a_fallback_has_names_only() -> None:
    """A name that looks like none is replaced, because the sender of an event writes it."""
    planted = "planted@example.com"
    headers = {"eventbridge-source": "aws.oven", "eventbridge-detail-type": planted, "sns-topic": TOPIC}
    arrival = Arrival(None, {"text": planted}, headers, {}, 1.0, "e", "i")
    event = Event("text", "e-1", "", {"text": planted}, 1.0, "i", "c-1")
    with captured() as output:
        output.telemetry.fell_back(event, transport_names(arrival))
        output.telemetry.flush()
    (line,), (metric,) = output.logs, output.metrics
    assert (line["message"], line["source"], line["topic"]) == ("fallback", "text", "ovens")
    assert line["eventbridge_detail_type"].startswith("sha256:")
    assert metric["Fallback"] == [1.0]
    assert planted not in output.text


# --- the shipped fallback sources ---------------------------------------------------------------------


def shipped(routes: Path = SHIPPED_ROUTES) -> World:
    """Return a relay with the shipped sources."""
    return World(sources=SHIPPED, routes=routes)


@pytest.mark.parametrize(
    "invocation",
    [sqs_batch(sqs_record(S3_TEST) | QUEUE), sns_invocation(notification(S3_TEST, topic=TOPIC))],
    ids=["SQS", "SNS"],
)
def test_s3s_test_event_is_never_a_dead_letter(invocation: Any, tmp_path: Path) -> None:
    """With a route it is a push, also with that of a fallback, and without one it is filtered."""
    routes = tmp_path / "relay.toml"
    for source in ("s3", "aws-event"):
        routes.write_text(f'[[route]]\nsource = "{source}"\nto = ["external:4711"]')
        (title,) = titles(shipped(routes), invocation)
        assert title.endswith(": menus")
    routes.write_text("")
    unrouted = shipped(routes)
    unrouted.deliver(invocation)
    assert unrouted.witness.outcomes == [Outcome.FILTERED]


def test_a_general_source_for_a_topic_leaves_alarms_to_their_own(tmp_path: Path) -> None:
    """A folder for everything on SNS used to make alarms ambiguous."""
    world(tmp_path, 'sns_topic = "arn:aws:sns:*"')
    copytree(SHIPPED / "cloudwatch-alarm", tmp_path / "sources/cloudwatch-alarm")
    with (tmp_path / "relay.toml").open("a") as routes:
        routes.write('\n[[route]]\nsource = "cloudwatch-alarm"\nto = ["external:4711"]')
    here = World(sources=tmp_path / "sources", routes=tmp_path / "relay.toml")
    alarm = {"AlarmName": "hot", "NewStateValue": "ALARM", "OldStateValue": "OK"}
    for number, (document, source) in enumerate([(alarm, "cloudwatch-alarm"), (HEAT, "source-0")]):
        message = notification(document, topic=TOPIC, MessageId=str(number))
        assert here.recogniser.recognise(unwrap_sns({"Sns": message})).source == source


def test_the_shipped_configuration_has_routes_for_the_fallback_sources() -> None:
    """Otherwise a new deployer's events would be dead letters until somebody looks."""
    text = (ROOT / "config/relay.toml").read_text("utf-8")
    assert {"aws-event", "text"} <= set(re.findall(r'^source = "(.*)"$', text, re.MULTILINE))


FALLBACKS = ("aws-event", "text", "webhook")
CATALOG = Catalog(SHIPPED)
_TEMPLATES = "".join((SHIPPED / source / "source.toml").read_text("utf-8") for source in FALLBACKS)
#: The fields that they read, of the document and of objects in it.
TOP = sorted({name.strip('"') for name in re.findall(r'(?:data|inner|event)\.("[\w -]+"|\w+)', _TEMPLATES)})
FIELDS = sorted({name.strip('"') for name in re.findall(r'\.("[\w -]+"|\w+)', _TEMPLATES)})
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES | st.sampled_from(["{}", "arn:aws:s3:::menus"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=10,
)
HEADERS = st.dictionaries(
    st.sampled_from(["eventbridge-source", "eventbridge-detail-type", "eventbridge-account", "sns-subject"]),
    st.text(max_size=5),
)


def check_push(name: str, data: dict[str, Any], headers: dict[str, str]) -> None:
    """Check that a fallback source writes a push for a document."""
    if name == "text":
        data = {"text": "cold", "subject": "", "fields": data}
    source = CATALOG.named(name)
    event = source.event(Arrival(None, data, headers, {}, 1.0, "e", "i"))
    written = source.wording(event)
    assert not written.errors
    assert written.wording
    fitted = fit(written.wording, 100, 1000)
    assert fitted.title
    assert fitted.body


@pytest.mark.parametrize("name", FALLBACKS)
@given(data=st.dictionaries(st.sampled_from(TOP), VALUES, min_size=1, max_size=50), headers=HEADERS)
def test_a_fallback_always_writes_a_push(name: str, data: dict[str, Any], headers: dict[str, str]) -> None:
    """The fields of an event that nobody knows can have any type."""
    check_push(name, data, headers)


ODD: list[Any] = [None, True, 8, "", "8", "{}", ["x"], [{}], {}]


@pytest.mark.parametrize("name", ["aws-event", "webhook"])
def test_a_fallback_writes_a_push_whatever_type_a_field_has(name: str) -> None:
    """Each field that a template reads, with each type, and the objects and lists that hold fields."""
    for field in TOP:
        for value in ODD:
            check_push(name, {field: value, "other": value}, {})
        for value in (8, "8", [None]):
            inner = dict.fromkeys(FIELDS, value)
            check_push(name, {field: inner}, {})
            check_push(name, {field: [inner]}, {})
