"""The source folders that the build writes are read quickly, and give the same results as a checkout's."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import SHIPPED
from invocations import arrival_of_sqs, bus_event, notification, sqs_record
from push_relay.adapters.catalog import Catalog
from push_relay.core.errors import RelayError, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.inbound.envelope import unwrap_eventbridge, unwrap_sns
from push_relay.core.push import Push
from push_relay.core.rules.event_rules import Match
from push_relay.core.rules.findings import Finding
from push_relay.core.rules.index import Node, candidates
from push_relay.core.rules.recognition import recognised
from push_relay.core.rules.requirements import required_by_rule
from push_relay.core.rules.routing_file import read_routing
from push_relay.core.rules.source_file import MatchTable
from push_relay.core.translator import Translator
from relayctl.examples import aws_message, examples_of, translate
from relayctl.prepared_sources import write_prepared

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ovens"
QUEUE = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:ovens"}
S7: dict[str, Any] = {"x": {"s7": 1}, "kind": "s7", "state": "on"}
MESSAGE = '[[message]]\ntitle = "t"\nbody = "b"'
#: The keys that a match rule may have. Several values of a key fit the arrivals below, and several do not.
KEYS = {
    "sns_topic": ["*", "arn:*:ovens", TOPIC, "arn:*:kilns", "arn:*:o*s", "arn:*:[o]vens", "arn:*[:]ovens"],
    "sqs_queue": ["*", "arn:*:ovens", "arn:*:kilns", "*ovens"],
    "eventbridge_source": ["*", "aws.*", "aws.oven", "kiln"],
    "eventbridge_detail_type": ["*", "Heat", "Cold"],
    "eventbridge_account": ["123456789012", "1*"],
    "eventbridge_region": ["eu-*", "us-east-1"],
    "when": [
        *(
            "data.detail.words",
            "data.words",
            "data.words == 'warm'",
            "data.degrees > `100`",
            "contains(data.none, 'x')",
        ),
        *("data.words || data.degrees == `451`", r"headers.\"sns-topic\"", "data.list[::0]"),
    ],
}
RULES = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(values) for key, values in KEYS.items()}
).filter(bool)
#: Rules that fit none of them. A few rules alone would need no index.
OTHER_RULES = [
    {key: f"{begin}other-{number}"}
    for number in range(5)
    for key, begin in (("sns_topic", "arn:*:"), ("sqs_queue", "arn:*:"), ("eventbridge_source", "aws."))
]
FOLDERS = st.lists(st.lists(st.tuples(RULES, st.booleans()), max_size=3), min_size=1, max_size=5)
OBJECTS: list[dict[str, Any]] = [
    *({"words": "warm"}, {"degrees": 451}, {"words": "warm", "degrees": 451}),
    {"list": [1], "words": "cold"},
]
DOCUMENTS: list[Any] = [*OBJECTS, "cold", ["cold"]]
BUS = {"account": "123456789012"}
EVENTS = [bus_event(document, source=bus, **BUS) for document in OBJECTS for bus in ("aws.oven", "kiln")]
PUBLISHERS = ["", "source-1", "nosuch"]
ARRIVALS = [
    *(unwrap_eventbridge(event) for event in EVENTS),
    *(unwrap_sns({"Sns": notification(each, topic=TOPIC)}) for each in (*DOCUMENTS, *EVENTS)),
    *(arrival_of_sqs(sqs_record(each, source=name) | QUEUE) for each in DOCUMENTS for name in PUBLISHERS),
]


def write_folder(directory: Path, name: str, *rules: tuple[dict[str, str], bool], top: str = "") -> Path:
    """Write a source folder with match rules: the keys of each, and whether it is a fallback."""
    folder = directory / name
    folder.mkdir(parents=True)
    lines = ['title = "x"', 'docs = "x"', top]
    for keys, is_fallback in rules:
        lines += ["[[match]]", *(f'{key} = "{value}"' for key, value in keys.items())]
        lines += ["fallback = true"] if is_fallback else []
    (folder / "source.toml").write_text("\n".join([*lines, MESSAGE]), "utf-8")
    (folder / "schema.json").write_text("{}", "utf-8")
    return folder


def prepared(directory: Path, warn: Callable[[Finding], None] = lambda _warning: None) -> Catalog:
    """Return the catalog of what the build writes of a directory."""
    into = directory.with_name(f"{directory.name}-prepared")
    write_prepared(directory, into)
    return Catalog(into, warn)


def outcome(arrival: Arrival, catalog: Catalog, topics: list[str], routed: set[str]) -> tuple[Any, ...]:
    """Return what an arrival is recognised as, or the type and text of the error."""
    try:
        source, reading, *others = recognised(arrival, catalog, topics, routed)
    except RelayError as exc:
        return type(exc), exc.detail
    return source.name, reading, *others


@given(
    folders=FOLDERS,
    topics=st.sampled_from([[], [TOPIC]]),
    routed=st.sets(st.sampled_from([f"source-{number}" for number in range(5)])),
)
def test_the_index_recognises_what_the_folders_recognise(
    folders: list[list[tuple[dict[str, str], bool]]], topics: list[str], routed: set[str]
) -> None:
    """The source, the reading, the fallback and each error are the same for every arrival."""
    with tempfile.TemporaryDirectory() as directory:
        checkout = Path(directory) / "sources"
        for number, rules in enumerate(folders):
            write_folder(checkout, f"source-{number}", *rules)
        write_folder(checkout, "other", *((rule, False) for rule in OTHER_RULES))
        of_folders, of_index = Catalog(checkout), prepared(checkout)
        for arrival in ARRIVALS:
            expected = outcome(arrival, of_folders, topics, routed)
            assert outcome(arrival, of_index, topics, routed) == expected


def test_the_arrivals_of_that_test_reach_every_outcome(tmp_path: Path) -> None:
    """A comparison of errors alone would prove little."""
    rules: list[dict[str, str]] = [
        {"eventbridge_source": "aws.oven"},
        {"eventbridge_source": "*", "when": "data.words"},
        {"sns_topic": "*"},
        {"sns_topic": "*", "when": "data.degrees > `100`"},
        {"sns_topic": "arn:*", "eventbridge_source": "aws.*"},
        {"sqs_queue": "*"},
    ]
    for number, keys in enumerate(rules):
        write_folder(tmp_path / "sources", f"source-{number}", (keys, number == 5))
    catalog = prepared(tmp_path / "sources")
    outcomes = [outcome(arrival, catalog, [], {"source-5"}) for arrival in ARRIVALS]
    kinds = {each[0] if isinstance(each[0], str) else each[0].__name__ for each in outcomes}
    assert kinds >= {
        "source-0",
        "source-1",
        "source-2",
        "source-3",
        "source-5",
        "AmbiguousSource",
        "UnknownSource",
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Catalog]:
    """Return the shipped sources of the checkout, and as the build writes them."""
    into = tmp_path_factory.mktemp("built") / "sources"
    write_prepared(SHIPPED, into)
    return Catalog(SHIPPED), Catalog(into)


@pytest.mark.parametrize("name", Catalog(SHIPPED).names())
def test_a_prepared_source_writes_the_wording_of_its_folder(name: str, both: tuple[Catalog, Catalog]) -> None:
    """The build changes the form of a file, never its meaning."""
    routing = read_routing({"route": [{"source": name, "to": ["external:4711"]}]})
    for example in examples_of(SHIPPED, name):
        one, two = (translate(Translator(catalog, routing), example) for catalog in both)
        assert [made.wording if isinstance(made, Push) else made.detail for made in one] == [
            made.wording if isinstance(made, Push) else made.detail for made in two
        ]
        if example.through_aws:
            message = aws_message(example.request, "m-1", datetime(2027, 1, 15, tzinfo=UTC))
            arrival = arrival_of_sqs(sqs_record(message) | QUEUE)
            results = [outcome(arrival, catalog, [], {name}) for catalog in both]
            assert results[0] == results[1] == (name, *results[0][1:])


def test_the_names_and_the_errors_of_unknown_names_are_the_same(both: tuple[Catalog, Catalog]) -> None:
    """A webhook of an unknown source is answered as before."""
    of_folders, of_index = both
    assert of_index.names() == of_folders.names()
    for name in ("nosuch", "index.json", "..", ""):
        with pytest.raises(UnknownSource):
            of_index.named(name)


def test_an_event_from_aws_reads_only_the_source_that_fits(tmp_path: Path) -> None:
    """The others may be many, and each would have to be read and compiled at a cold start."""
    for name, pattern in (("kiln", "kiln"), ("oven", "aws.oven")):
        write_folder(tmp_path / "sources", name, ({"eventbridge_source": pattern, "when": "data"}, False))
    write_folder(tmp_path / "sources", "webhook")
    catalog = prepared(tmp_path / "sources")
    for other in ("kiln", "webhook"):
        (tmp_path / "sources-prepared" / other / "source.json").write_text("unreadable")
    event = unwrap_eventbridge(bus_event({"words": "warm"}, source="aws.oven"))
    assert outcome(event, catalog, [], set()) == ("oven", event, False, ())
    assert [name for name, _ in catalog.match_rules(event)] == ["oven"]


@given(keys=RULES)
def test_a_rule_that_misses_a_requirement_does_not_fit(keys: dict[str, str]) -> None:
    """And trying it raises no error. The index relies on nothing else."""
    rule = Match(MatchTable({**keys, **({"when": keys["when"].replace("\\", "")} if "when" in keys else {})}))
    for (kind, path), required in required_by_rule(rule):
        node: Node = {"kind": kind, "path": path, "nodes": {key: [0] for key in required}, "rest": []}
        for arrival in ARRIVALS:
            assert candidates(node, arrival.scope()) or not rule.fits(arrival)


@pytest.mark.parametrize(
    ("rule", "fitting"),
    [
        ({"eventbridge_source": "aws.{}"}, unwrap_eventbridge(bus_event({}, source="aws.s7"))),
        (
            {"sns_topic": "arn:*:{}"},
            unwrap_sns({"Sns": notification({}, topic=TOPIC.replace("ovens", "s7"))}),
        ),
        ({"sns_topic": "*", "when": "data.x.{} && data.state"}, unwrap_sns({"Sns": notification(S7)})),
        ({"sqs_queue": "arn:*", "when": "data.x.{} == `1`"}, arrival_of_sqs(sqs_record(S7) | QUEUE)),
        # The text of the message looks like an event of EventBridge, which is the other reading.
        (
            {"sns_topic": "*", "when": "data.source == '{}'"},
            unwrap_sns({"Sns": notification(bus_event({}, source="s7"))}),
        ),
        ({"when": "data.kind == '{}' || data.kind == 'not-{}'"}, arrival_of_sqs(sqs_record(S7) | QUEUE)),
    ],
)
def test_of_many_rules_few_are_tried(rule: dict[str, str], fitting: Arrival, tmp_path: Path) -> None:
    """An event that names no source costs the same with five sources and with five hundred."""
    for number in range(30):
        name = f"s{number}"
        keys = {key: value.replace("{}", name) for key, value in rule.items()}
        write_folder(tmp_path / "sources", name, (keys, False))
    catalog = prepared(tmp_path / "sources")
    assert [name for name, _ in catalog.match_rules(fitting)] == ["s7"]
    assert outcome(fitting, catalog, [], set()) == ("s7", fitting, False, ())


def test_nothing_but_source_and_schema_is_written(tmp_path: Path) -> None:
    """Pages, examples and routes to start with are for people. No invocation reads them."""
    folder = write_folder(tmp_path / "sources", "oven", ({"eventbridge_source": "aws.oven"}, False))
    write_folder(tmp_path / "sources", "webhook")
    (folder / "examples").mkdir()
    for name in (
        "page.toml",
        "routes.toml",
        "README.md",
        "examples/one.request.json",
        "examples/one.pushes.json",
    ):
        (folder / name).write_text("x")
    (tmp_path / "sources/README.md").write_text("x")
    (tmp_path / "sources/drafts").mkdir()
    into = tmp_path / "built"
    write_prepared(tmp_path / "sources", into)
    written = {str(path.relative_to(into)) for path in into.rglob("*") if path.is_file()}
    names = (
        "oven/source.json",
        "oven/schema.json",
        "webhook/source.json",
        "webhook/schema.json",
        "index.json",
    )
    assert written == set(names)
    index = json.loads((into / "index.json").read_text())
    assert index == {"rules": [["oven", {"eventbridge_source": "aws.oven"}]], "index": 0}


def test_the_same_folders_are_written_as_the_same_bytes(tmp_path: Path) -> None:
    """The order in which a disk lists folders does not matter, and the order of a file's keys is kept."""
    names = ["oven", "bakery", "kiln"]
    for copy, order in (("a", names), ("b", names[::-1])):
        for name in order:
            write_folder(tmp_path / copy, name, ({"sns_topic": "*", "when": "data.ä"}, True))
        write_prepared(tmp_path / copy, tmp_path / "built" / copy)
    one, two = (
        {path.relative_to(built): path.read_bytes() for path in built.rglob("*.json")}
        for built in (tmp_path / "built/a", tmp_path / "built/b")
    )
    assert one == two
    assert [name for name, _ in json.loads(one[Path("index.json")])["rules"]] == sorted(names)
    assert list(json.loads(one[Path("oven/source.json")])) == ["title", "docs", "match", "message"]


def test_a_warning_about_a_prepared_source_names_the_file_to_change(tmp_path: Path) -> None:
    """The file that the function reads is written again by each build."""
    top = '[verify]\nscheme = "github"\n[event]\nform = "payload"'
    write_folder(tmp_path / "sources", "shop", top=top)
    warnings: list[Finding] = []
    prepared(tmp_path / "sources", warnings.append).named("shop")
    (warning,) = warnings
    assert (Path(warning.file).name, warning.line, warning.key) == ("source.toml", 0, "event.form")
