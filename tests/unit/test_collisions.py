"""`relayctl check` warns of match rules that make a message ambiguous, and only of those."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED
from relayctl.checking import check

LISTED = '[aws]\neventbridge_topics = ["arn:aws:sns:eu-west-1:123456789012:events"]\n'
ROUTES = "".join(f'[[route]]\nsource = "{name}"\nto = ["user:1"]\n' for name in "ab")
ANY = 'eventbridge_source = "*"'


def warnings(directory: Path, *rules: str, relay: str = "", routes: str = ROUTES) -> list[str]:
    """Return the messages of a check of two sources."""
    for name, rule in zip("ab", rules, strict=True):
        folder = directory / "sources" / name
        folder.mkdir(parents=True, exist_ok=True)
        message = '[[message]]\ntitle = "x"\nbody = "x"'
        (folder / "source.toml").write_text(f'title = "x"\ndocs = "x"\n[[match]]\n{rule}\n{message}')
        (folder / "schema.json").write_text("{}")
    (directory / "relay.toml").write_text(relay + routes)
    result = check(directory / "sources", directory / "relay.toml")
    # A source without `[verify]` takes no webhook, so an example of one fails.
    assert {finding.code for finding in result.findings} <= {"colliding_rules", "failed_example", "no_route"}
    found = [finding for finding in result.findings if finding.code == "colliding_rules"]
    return [f"{Path(f.file).parent.name}:{f.line} {f.key} {f.message}" for f in found]


@pytest.mark.parametrize(
    ("first", "second", "relay"),
    [
        (ANY, ANY, ""),
        ('eventbridge_source = "aws.*"', 'eventbridge_source = "*.ec2"', ""),
        ('eventbridge_source = "aws.ec2"', 'eventbridge_detail_type = "EC2 Instance Launch"', ""),
        ('eventbridge_source = "a?c*"', 'eventbridge_source = "*[bx]cd"', ""),
        ('sns_topic = "arn:*:ops"', 'sns_topic = "arn:*:ops"', ""),
        ('when = "data.a"', 'sqs_queue = "*"\nwhen = "data.b"', ""),
        ('sns_topic = "arn:*:ops"\nfallback = true', 'sns_topic = "arn:*:ops"\nfallback = true', ""),
        ('sns_topic = "arn:*:event*"', 'eventbridge_source = "aws.bakery*"', LISTED),
        ('sns_topic = "*"', 'sns_topic = "*"\neventbridge_source = "aws.*"', ""),
        (
            'sns_topic = "*"\neventbridge_source = "aws.a*"',
            'sns_topic = "*"\neventbridge_source = "aws.*b"',
            "",
        ),
    ],
)
def test_rules_that_can_collide_are_reported(first: str, second: str, relay: str, tmp_path: Path) -> None:
    """With file and line of the second one, and the way to correct it."""
    (found,) = warnings(tmp_path, first, second, relay=relay)
    assert found.startswith("b:3 match[1] can fit the same message as match[1] of a")
    assert "Make one of them more exact" in found


@pytest.mark.parametrize(
    ("first", "second", "relay"),
    [
        (ANY, 'eventbridge_source = "aws.*"', ""),  # one goes before the other
        (ANY, f'{ANY}\nwhen = "data.a"', ""),
        (ANY, f"{ANY}\nfallback = true", ""),
        ('sns_topic = "*"', 'sns_topic = "*"\neventbridge_source = "aws.*"\nfallback = true', ""),
        ('eventbridge_source = "aws.ec2"', 'eventbridge_source = "aws.rds"', ""),  # no event has both
        ('eventbridge_source = "a*b"', 'eventbridge_source = "a*c"', ""),
        ('eventbridge_source = "ab?"', 'eventbridge_source = "ab*dd"', ""),
        ('sns_topic = "a*"', 'sqs_queue = "a*"', ""),
        ('sns_topic = "a*"', 'eventbridge_source = "a*"', ""),
        ('sns_topic = "*:b"', 'eventbridge_source = "a*b"', LISTED),
        (
            'sns_topic = "*:ops"',
            'sns_topic = "*:others"\neventbridge_source = "aws.*"',
            "",
        ),
    ],
)
def test_rules_that_cannot_collide_are_not_reported(
    first: str, second: str, relay: str, tmp_path: Path
) -> None:
    """A warning that is always there is not read."""
    assert warnings(tmp_path, first, second, relay=relay) == []


HOT, COLD = {"sns-topic": ""}, {"eventbridge-source": "aws.kiln", "eventbridge-detail-type": "Cold"}
BY_HEAT, BY_COLD = 'sns_topic = "*"\nwhen = "data.hot"', 'sns_topic = "*"\nwhen = "data.cold"'
IN_TOPIC = 'sns_topic = "*"\neventbridge_source = "aws.*"'


@pytest.mark.parametrize(
    ("rules", "examples", "count"),
    [
        ((BY_HEAT, BY_COLD), [(HOT, {"hot": 1}), (HOT, {"cold": 1})], 0),
        ((BY_HEAT, BY_COLD), [(HOT, {"hot": 1}), (HOT, {"cold": 1, "hot": 1})], 1),
        ((BY_HEAT, BY_COLD), [(HOT, {"hot": 1}), None], 1),  # one of the conditions was not tried
        ((BY_HEAT, BY_COLD), [(HOT, {"hot": 1}), ({"x-hot": "1"}, {"cold": 1})], 1),  # a webhook
        # An event that a rule publishes to the topic, and the condition of a notification.
        ((BY_HEAT, IN_TOPIC), [(HOT, {"hot": 1}), (COLD, {"cold": 1})], 0),
        ((IN_TOPIC, BY_HEAT), [(COLD, {"hot": 1}), (HOT, {"hot": 1})], 0),
        ((BY_HEAT.replace("data.hot", "data.detail"), IN_TOPIC), [None, (COLD, {"cold": 1})], 1),
        ((BY_HEAT, IN_TOPIC), [(HOT, {"hot": 1}), None], 1),
        (('sns_topic = "*"', IN_TOPIC), [None, (COLD, {"cold": 1})], 1),
    ],
)
def test_conditions_are_tried_on_the_examples(
    rules: tuple[str, str], examples: list[Any], count: int, tmp_path: Path
) -> None:
    """Of two senders who publish to the same topics, each has a shape of its own."""
    for name, example in zip("ab", examples, strict=True):
        folder = tmp_path / "sources" / name / "examples"
        folder.mkdir(parents=True)
        if example:
            document = dict(zip(("headers", "body"), example, strict=True))
            (folder / "one.request.json").write_text(json.dumps(document))
    assert len(warnings(tmp_path, *rules)) == count


@pytest.mark.parametrize(("routed", "count"), [("", 1), ("a", 0), ("b", 0), ("ab", 1)])
def test_a_source_without_a_route_does_not_collide_with_one_that_has_some(
    routed: str, count: int, tmp_path: Path
) -> None:
    """It steps aside, so that no message is ambiguous."""
    routes = "".join(f'[[route]]\nsource = "{name}"\nto = ["external:4711"]\n' for name in routed)
    assert len(warnings(tmp_path, ANY, ANY, routes=routes)) == count


def test_the_shipped_sources_do_not_collide(tmp_path: Path) -> None:
    """Neither among themselves, nor with their fallbacks."""
    (tmp_path / "relay.toml").write_text(LISTED)
    findings = check(SHIPPED, tmp_path / "relay.toml").findings
    assert [finding for finding in findings if finding.code == "colliding_rules"] == []
