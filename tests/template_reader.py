"""template.yaml as it is written: its resources, and the rights and variables that it gives."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from push_relay.settings import DeliveryMode
from relayctl.project import TEMPLATE

FUNCTIONS = ("ReceiveFunction", "DeliverFunction")
ROLES = ("ReceiveRole", "DeliverRole")


class _Loader(yaml.SafeLoader):
    """A loader for CloudFormation's short forms: it reads `!Ref X` as `{"Ref": "X"}`."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)
DOCUMENT: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader
RESOURCES = DOCUMENT["Resources"]


def properties(name: str) -> dict[str, Any]:
    """Return the properties of a resource."""
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def _statements(role: str, mode: DeliveryMode) -> Iterator[dict[str, Any]]:
    for policy in properties(role)["Policies"]:
        chosen = policy
        if "Fn::If" in policy:
            condition, direct, other = policy["Fn::If"]
            assert condition == "Direct"
            chosen = direct if mode is DeliveryMode.DIRECT else other
        if chosen != {"Ref": "AWS::NoValue"}:
            # The rights that depend on a KMS key have a test of their own.
            yield from (each for each in chosen["PolicyDocument"]["Statement"] if "Fn::If" not in each)


def listed(value: Any) -> list[Any]:
    """Return a list: policies may have a single value in its place."""
    return value if isinstance(value, list) else [value]


def rights(role: str, mode: DeliveryMode) -> set[tuple[str, str]]:
    """Return the actions of a role, each with its resource: one of the stack's, or a parameter."""
    found = set()
    for statement in _statements(role, mode):
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}, statement
        assert statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"]):
            ((kind, target),) = resource.items()
            assert kind in {"Ref", "Fn::GetAtt"}
            found |= {(action, target) for action in listed(statement["Action"])}
    return found


def allowances(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every statement of a template that allows something, at any depth."""
    if isinstance(node, dict):
        if node.get("Effect") == "Allow":
            yield node
        for value in node.values():
            yield from allowances(value)
    elif isinstance(node, list):
        for value in node:
            yield from allowances(value)


def wildcards(statement: dict[str, Any]) -> list[str]:
    """Return the wildcards of a statement. Only the streams of a log group may be `:*`."""
    found = [key for key in statement if key in {"NotAction", "NotResource", "NotPrincipal"}]
    for key in ("Action", "Resource", "Principal"):
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(statement.get(key, []))):
            streams = key == "Resource" and ":log-group:" in text and text.endswith(":*")
            if re.search(r"[*?]", text.removesuffix(":*") if streams else text):
                found.append(text)
    return found


def variables(function: str, mode: DeliveryMode) -> set[str]:
    """Return the names of a function's environment variables."""
    chosen = set()
    for name, value in properties(function)["Environment"]["Variables"].items():
        if mode is DeliveryMode.DIRECT or not (isinstance(value, dict) and "Fn::If" in value):
            chosen.add(name)
    return chosen
