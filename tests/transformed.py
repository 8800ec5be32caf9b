"""The template as CloudFormation receives it, after the language extensions and the transform of SAM."""

import atexit
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from relayctl.project import ROOT, TEMPLATE

STACK = "relay-test"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
_PYTHON = ROOT / ".tools/sam/bin/python"
_SCRIPT = Path(__file__).with_name("sam_transform.py")
_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"


class TransformFailed(Exception):
    """The transform refused the template. The text is the transform's error."""


def arn(topic: str, region: str = REGION) -> str:
    """Return a topic's ARN."""
    return f"arn:aws:sns:{region}:{ACCOUNT}:{topic}"


def transformed(**parameters: str) -> dict[str, Any]:
    """Return the template with these parameters. Raises TransformFailed."""
    given = {
        "AWS::StackName": STACK,
        "AWS::Region": REGION,
        "AWS::URLSuffix": "amazonaws.com",
        "PushBaseUrl": "https://push.example.com",
        "PushCredentialsArn": f"{_SECRET}:credentials-AbC123",
        "SigningSecretsArn": f"{_SECRET}:signing-AbC123",
        **parameters,
    }
    document: dict[str, Any] = json.loads(_transform(json.dumps(given)))
    return document


@cache
def _transform(parameters: str) -> str:
    """Transform the template in a process that is started once, because its start takes a second."""
    process = _process()
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{TEMPLATE}\t{parameters}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer or answer.startswith('{"error"'):
        raise TransformFailed(answer or "the transforming process has ended")
    return answer


@cache
def _process() -> subprocess.Popen[str]:
    process = subprocess.Popen(  # noqa: S603 (the project's own command)
        [_PYTHON, _SCRIPT],
        env={"PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    """End the process by closing its input."""
    with process:
        assert process.stdin
        process.stdin.close()
        process.wait(60)


def resources(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a type whose condition holds, by their logical ids."""
    return {
        name: each
        for name, each in document["Resources"].items()
        if each["Type"] == kind and _holds(document, each.get("Condition"))
    }


def _holds(document: dict[str, Any], condition: str | None) -> bool:
    return condition is None or bool(_value(document, document["Conditions"][condition]))


def _value(document: dict[str, Any], node: Any) -> Any:
    """Evaluate a condition of the template."""
    if not isinstance(node, dict):
        return node
    ((function, given),) = node.items()
    match function:
        case "Fn::Not":
            return not _value(document, given[0])
        case "Fn::Equals":
            return _value(document, given[0]) == _value(document, given[1])
        case "Condition":
            return _value(document, document["Conditions"][given])
    raise AssertionError(f"no condition of the template uses {function}")
