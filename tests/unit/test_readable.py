"""Names instead of ARNs, and no JSON: the functions for words that a person reads on a locked phone."""

import time
from typing import Any

import pytest

from push_relay.core.rules.expression import Expression

UUID = "8745a7a9-c340-456a-9166-edf953571bee"
A = "arn:aws:{}:eu-west-1:123456789012:{}".format


def evaluate(text: str, data: Any) -> Any:
    """Return an expression's value on a document."""
    return Expression.compile(text)({"data": data})


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        (A("sns", "ops"), "ops"),
        (A("sqs", "orders.fifo"), "orders.fifo"),
        ("arn:aws:s3:::menus", "menus"),
        ("arn:aws:s3:::menus/2026/november.pdf", "menus/2026/november.pdf"),
        (A("lambda", "function:bake"), "bake"),
        (A("lambda", "function:bake:$LATEST"), "bake"),
        (A("lambda", "function:bake:prod"), "bake"),
        (A("states", "stateMachine:bread"), "bread"),
        (A("states", "execution:bread:3f1c2d4e-aaaa-4bbb-8ccc-0d1e2f3a4b5c"), "bread"),
        (A("cloudformation", "stack/bakery/5c8ad1b0-2f4e-11ef-9f6d-0a1b2c3d4e5f"), "bakery"),
        (A("codebuild", "build/site:8745a7a9-c340-456a-9166-edf953571bee"), "site"),
        (A("ecs", "task/kitchen/0f3b9c7d5e1a4482b6c0d9e8f7a65432"), "kitchen"),
        (A("ecs", "task-definition/orders:12"), "orders"),
        (A("elasticloadbalancing", "loadbalancer/app/shop/50dc6c495c0c9188"), "shop"),
        (A("logs", "log-group:/aws/lambda/bake:*"), "bake"),
        (
            A(
                "autoscaling",
                "autoScalingGroup:8745a7a9-c340-456a-9166-edf953571bee:autoScalingGroupName/ovens",
            ),
            "ovens",
        ),
        (
            A("acm", "certificate/5c8ad1b0-2f4e-11ef-9f6d-0a1b2c3d4e5f"),
            "5c8ad1b0-2f4e-11ef-9f6d-0a1b2c3d4e5f",
        ),
        (A("ec2", "instance/i-0b2f7d6a1c9e43aa0"), "i-0b2f7d6a1c9e43aa0"),
        (A("rds", "db:recipes"), "recipes"),
        ("arn:aws:ec2::eu-west-1:snapshot/snap-01", "snap-01"),
        ("arn:aws-us-gov:iam::123456789012:role/service-role/baker", "baker"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "ReadOnlyAccess"),
    ],
)
def test_an_arn_becomes_the_name_of_its_resource(arn: str, name: str) -> None:
    """Alone, in a sentence, at its end, and in brackets."""
    assert evaluate("name_of_arn(data)", arn) == name
    assert (
        evaluate("name_of_arn(data)", f"not {arn}, {arn} and ({arn}).") == f"not {name}, {name} and ({name})."
    )
    assert evaluate("name_of_arn(data)", f"It is {arn}.") == f"It is {name}."


@pytest.mark.parametrize(
    "text", ["", "arn:", "arn:aws:", "arn:aws:s3", "warn:aws:s3:x:y:z", "a text", "arn:aws:s3:::"]
)
def test_a_text_without_an_arn_is_unchanged(text: str) -> None:
    """Few texts have one."""
    assert evaluate("name_of_arn(data)", text) == text


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("2026/fresh+bread%21.pdf", "2026/fresh bread!.pdf"),
        ("M%C3%BCsli", "Müsli"),
        ("100% rye", "100% rye"),
        ("%ff%00", "\ufffd\0"),
        (None, None),
        (7, None),
        (["a"], None),
    ],
)
def test_a_part_of_a_url_is_decoded(text: Any, decoded: str | None) -> None:
    """S3 encodes the keys of objects as a form does. Other characters stay as they are."""
    assert evaluate("url_decode(data)", text) == decoded


@pytest.mark.parametrize("value", [None, 7, True, [], {}])
def test_other_values_have_no_name(value: Any) -> None:
    """A field can have any type, and a template must not fail because of it."""
    assert evaluate("name_of_arn(data)", value) is None
    assert evaluate("list_fields(data)", value) is None


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (["", "  ", None, {"a": 1}, '{"a": 1}', ' ["a"]', "[[1]]", " cold "], "cold"),
        (["[ALARM] cold"], "[ALARM] cold"),
        ([[None, '{"a"', "cold"]], "cold"),
        ([7], "7"),
        ([A("sns", "ops")], "ops"),
        (['{"a": 1}'], None),
        ([], None),
    ],
)
def test_the_first_readable_text_is_not_json(candidates: list[Any], expected: str | None) -> None:
    """Some services put a document into a text field."""
    assert evaluate("first_readable(data)", candidates) == expected


def test_fields_are_listed() -> None:
    """Texts, numbers and booleans: at most six of them, each cut to what a person reads."""
    fields = {
        "a": " x ",
        "b": 1,
        "c": None,
        "d": {"e": 1},
        "f": True,
        "g": "",
        "h": A("sns", "ops"),
        "i": "{}",
    }
    assert evaluate("list_fields(data)", fields) == "a: x, b: 1, f: true, h: ops"
    assert evaluate("list_fields(data)", {"long": "x" * 100}) == f"long: {'x' * 79}…"
    assert (
        evaluate("list_fields(data)", {str(n): n for n in range(9)}) == "0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5"
    )
    assert evaluate("list_fields(data)", {"a": None}) is None


@pytest.mark.parametrize(
    "part", ["arn:aws:", "arn:aws:s3:::a", "arn:aws:x:y:1:a/", "arn:aws:x:y:1:a.", "[", " "]
)
def test_a_long_text_takes_milliseconds(part: str) -> None:
    """Strangers write the text."""
    began = time.process_time()
    evaluate("first_readable(data)", part * (500_000 // len(part)))
    assert time.process_time() - began < 1
