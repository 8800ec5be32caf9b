"""The roles have exactly the rights that the code uses, and the tests find these in the code."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from push_relay.settings import DeliveryMode, LedgerWrites
from relayctl.project import ROOT
from transformed import transformed

_SOURCES = ROOT / "src/push_relay"
_ADAPTERS = sorted((_SOURCES / "adapters").rglob("*.py"))
#: The services that the code calls, each with the prefix of its actions.
SERVICES = {"dynamodb": "dynamodb", "sqs": "sqs", "secretsmanager": "secretsmanager"}
#: The actions that libraries call for the code, by the module that the code imports. It is empty today.
LIBRARIES: dict[str, set[str]] = {}
#: The actions that Lambda calls with the function's role to read a queue.
EVENT_SOURCE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
#: The actions of the statements in a call of BatchExecuteStatement, which is not an action itself.
STATEMENTS = {"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"}
#: The actions of `receive` in queue mode. In direct mode it delivers as well.
RECEIVES = {"secretsmanager:GetSecretValue", "sqs:SendMessage"}


def operations() -> dict[str, str]:
    """Return the action that each operation of a service needs: `SendMessageBatch` needs SendMessage."""
    session, actions = botocore.session.Session(), {}
    for service, prefix in SERVICES.items():
        names = session.get_service_model(service).operation_names
        for name in names:
            single = name.removesuffix("Batch")
            actions[name] = f"{prefix}:{single if single in names else name}"
    return actions


def names(file: Path) -> Iterator[str]:
    """Return every string of a module: the name of an operation is one."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def imports(file: Path) -> Iterator[str]:
    """Return the modules that a module imports, including those for types only."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def used(writes: LedgerWrites = LedgerWrites.SINGLE) -> set[str]:
    """Return the actions that the code uses, directly or by a library, with a way to write the ledger."""
    known, found = operations(), set()
    for file in _ADAPTERS:
        found |= {known[name] for name in names(file) if name in known}
        for module in imports(file):
            found |= set().union(*(more for library, more in LIBRARIES.items() if module.startswith(library)))
    found.remove("dynamodb:BatchExecuteStatement")
    return found | STATEMENTS if writes is LedgerWrites.PARTIQL else found


def granted(role: str, mode: DeliveryMode, writes: LedgerWrites = LedgerWrites.SINGLE) -> set[str]:
    """Return a role's actions, except those on its log and on keys."""
    held = {"Direct": mode is DeliveryMode.DIRECT, "UsesPartiql": writes is LedgerWrites.PARTIQL}
    document = transformed(DeliveryMode=mode, LedgerWrites=writes)
    (text,) = [document["Resources"][role]["Properties"]["Policies"]]
    found: set[str] = set()
    for policy in text:
        if policy == {"Ref": "AWS::NoValue"}:
            continue
        for statement in _chosen(policy, held)["PolicyDocument"]["Statement"]:
            actions = _chosen(statement, held).get("Action", [])
            found |= {actions} if isinstance(actions, str) else set(actions)
    return {action for action in found if not re.match(r"logs:|kms:", action)}


def _chosen(node: dict[str, Any], held: Mapping[str, bool]) -> dict[str, Any]:
    if "Fn::If" in node:
        condition, yes, no = node["Fn::If"]
        node = yes if held.get(condition) else no
    return {"PolicyDocument": {"Statement": []}} if node == {"Ref": "AWS::NoValue"} else node


@pytest.mark.parametrize("writes", LedgerWrites)
@pytest.mark.parametrize("mode", DeliveryMode)
def test_the_roles_together_may_call_exactly_what_the_code_calls(
    mode: DeliveryMode, writes: LedgerWrites
) -> None:
    """A missing right fails at the first event, and an unused right only helps an attacker."""
    both = granted("ReceiveRole", mode, writes) | granted("DeliverRole", mode, writes)
    assert both == used(writes) | EVENT_SOURCE


@pytest.mark.parametrize("writes", LedgerWrites)
def test_each_role_may_call_only_what_its_function_calls(writes: LedgerWrites) -> None:
    """In direct mode `receive` also delivers, but no queue invokes it."""
    assert granted("DeliverRole", DeliveryMode.QUEUE, writes) == used(writes) | EVENT_SOURCE
    assert granted("ReceiveRole", DeliveryMode.QUEUE, writes) == RECEIVES
    # Only `deliver` reads the backlog, and moves what is in it.
    tables = {action for action in used(writes) if action.startswith("dynamodb:")}
    tables -= {"dynamodb:Query", "dynamodb:DeleteItem"}
    assert granted("ReceiveRole", DeliveryMode.DIRECT, writes) == RECEIVES | tables


def test_only_adapters_call_aws() -> None:
    """Thus the search above has to read the adapters only. The wiring makes clients and calls nothing."""
    others = [file for file in _SOURCES.rglob("*.py") if file not in _ADAPTERS]
    callers = {
        file.name for file in others if {"boto3", "botocore"} & {m.split(".")[0] for m in imports(file)}
    }
    assert callers == set()


def test_every_library_that_calls_aws_is_listed() -> None:
    """Each utility that the code imports must be in the table `LIBRARIES`, with the actions that it calls."""
    modules = {module for file in _SOURCES.rglob("*.py") for module in imports(file)}
    utilities = {module for module in modules if module.startswith("aws_lambda_powertools.utilities")}
    assert [module for module in utilities if not module.startswith(tuple(LIBRARIES))] == []
    assert [library for library in LIBRARIES if not any(m.startswith(library) for m in utilities)] == []


def test_calls_are_found_in_the_code() -> None:
    """The search must find operations by their names."""
    assert {"sqs:SendMessage", "dynamodb:UpdateItem"} <= used()
    assert operations()["ChangeMessageVisibilityBatch"] == "sqs:ChangeMessageVisibility"
    assert operations()["BatchExecuteStatement"] == "dynamodb:BatchExecuteStatement"
