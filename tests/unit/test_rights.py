"""The roles have the rights that the code uses, and no others: found in the code itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from push_relay.settings import DeliveryMode
from relayctl.project import ROOT
from transformed import transformed

_SOURCES = ROOT / "src/push_relay"
_ADAPTERS = sorted((_SOURCES / "adapters").rglob("*.py"))
#: The services that the code calls, by what their actions begin with.
SERVICES = {"dynamodb": "dynamodb", "sqs": "sqs", "secretsmanager": "secretsmanager"}
#: What libraries call on the code's behalf, by the module that the code imports. Today none does.
LIBRARIES: dict[str, set[str]] = {}
#: What Lambda calls with the function's role to read a queue.
EVENT_SOURCE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
#: What each role's part of the code is for; in direct mode `receive` delivers as well.
RECEIVES = {"secretsmanager:GetSecretValue", "sqs:SendMessage"}


def operations() -> dict[str, str]:
    """Return the action that each method of a boto3 client needs: `send_message_batch` needs SendMessage."""
    session, actions = botocore.session.Session(), {}
    for service, prefix in SERVICES.items():
        names = session.get_service_model(service).operation_names
        for name in names:
            single = name.removesuffix("Batch")
            actions[xform_name(name)] = f"{prefix}:{single if single in names else name}"
    return actions


def names(file: Path) -> Iterator[str]:
    """Return every attribute and every text of a module: a call's name is one or the other."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def imports(file: Path) -> Iterator[str]:
    """Return the modules that a module imports, for types alone as well."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def used() -> set[str]:
    """Return the actions that the code uses, itself or by a library."""
    known, found = operations(), set()
    for file in _ADAPTERS:
        found |= {known[name] for name in names(file) if name in known}
        for module in imports(file):
            found |= set().union(*(more for library, more in LIBRARIES.items() if module.startswith(library)))
    return found


def granted(role: str, mode: DeliveryMode) -> set[str]:
    """Return a role's actions, but for those on its log and on keys."""
    (text,) = [transformed(DeliveryMode=mode)["Resources"][role]["Properties"]["Policies"]]
    found: set[str] = set()
    for policy in text:
        if policy == {"Ref": "AWS::NoValue"}:
            continue
        for statement in _chosen(policy, mode)["PolicyDocument"]["Statement"]:
            actions = _chosen(statement, mode).get("Action", [])
            found |= {actions} if isinstance(actions, str) else set(actions)
    return {action for action in found if not re.match(r"logs:|kms:", action)}


def _chosen(node: dict[str, Any], mode: DeliveryMode) -> dict[str, Any]:
    if "Fn::If" in node:
        condition, yes, no = node["Fn::If"]
        node = yes if condition == "Direct" and mode is DeliveryMode.DIRECT else no
    return {"PolicyDocument": {"Statement": []}} if node == {"Ref": "AWS::NoValue"} else node


@pytest.mark.parametrize("mode", DeliveryMode)
def test_the_roles_together_have_what_the_code_uses(mode: DeliveryMode) -> None:
    """A call that nobody may make fails at the first event; a right that nobody uses is a thief's."""
    assert granted("ReceiveRole", mode) | granted("DeliverRole", mode) == used() | EVENT_SOURCE


def test_deliver_has_all_of_it_and_receive_what_it_is_for() -> None:
    """In direct mode `receive` also delivers, but no queue invokes it."""
    assert granted("DeliverRole", DeliveryMode.QUEUE) == used() | EVENT_SOURCE
    assert granted("ReceiveRole", DeliveryMode.QUEUE) == RECEIVES
    ledger = {action for action in used() if action.startswith("dynamodb:")}
    assert granted("ReceiveRole", DeliveryMode.DIRECT) == RECEIVES | ledger


def test_nothing_but_an_adapter_calls_aws() -> None:
    """So the adapters are all that has to be read. What wires them only makes the clients."""
    others = [file for file in _SOURCES.rglob("*.py") if file not in _ADAPTERS]
    callers = {
        file.name for file in others if {"boto3", "botocore"} & {m.split(".")[0] for m in imports(file)}
    }
    assert callers == set()


def test_no_library_calls_aws_unseen() -> None:
    """Each utility that the code imports is in the table above, with what it calls."""
    modules = {module for file in _SOURCES.rglob("*.py") for module in imports(file)}
    utilities = {module for module in modules if module.startswith("aws_lambda_powertools.utilities")}
    assert [module for module in utilities if not module.startswith(tuple(LIBRARIES))] == []
    assert [library for library in LIBRARIES if not any(m.startswith(library) for m in utilities)] == []


def test_the_calls_are_found_in_the_code() -> None:
    """Whether a method is named by an attribute or by a text."""
    assert {"sqs:SendMessage", "dynamodb:UpdateItem"} <= used()
    assert operations()["change_message_visibility_batch"] == "sqs:ChangeMessageVisibility"
    assert operations()["batch_execute_statement"] == "dynamodb:BatchExecuteStatement"
