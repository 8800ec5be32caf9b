"""Where the dead letters are, and what a person types to choose among them."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from relayctl.deadletters import options
from relayctl.deadletters.place import DeadLettersError, Place, default_stack, of_stack


class _CloudFormation:
    def __init__(self, outputs: dict[str, str]) -> None:
        self.outputs = outputs

    def describe_stacks(self, **_arguments: str) -> dict[str, Any]:
        """Return one stack."""
        told = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"Outputs": told}]}


def test_a_stack_tells_where_its_queues_are() -> None:
    """By its outputs; another stack is told apart."""
    outputs = {"QueueUrl": "q", "DeadLetterQueueUrl": "d", "LedgerTable": "t", "WebhookUrl": "w"}
    assert of_stack(_CloudFormation(outputs), "s") == Place("s", "q", "d", "t")
    with pytest.raises(DeadLettersError, match="no Push Relay"):
        of_stack(_CloudFormation({"QueueUrl": "q"}), "s")
    with pytest.raises(DeadLettersError, match="--queue-url is missing"):
        Place("by hand", dead_letter_url="d").needs("queue_url")


SAMCONFIG = """
version = 0.1
[test.global.parameters]
stack_name = "relay-test"
[prod.deploy.parameters]
stack_name = "relay"
"""


def test_no_stack_is_chosen_for_a_person(tmp_path: Path) -> None:
    """Neither production nor any other: the error lists those that samconfig.toml has."""
    samconfig = tmp_path / "samconfig.toml"
    with pytest.raises(DeadLettersError, match=r"which stack\? Name it with --stack or in RELAY_STACK$"):
        default_stack({}, samconfig)
    samconfig.write_text(SAMCONFIG)
    with pytest.raises(DeadLettersError, match=r"has relay-test \(test\), relay \(prod\)$"):
        default_stack({"RELAY_STACK": ""}, samconfig)


def test_a_person_names_the_stack_for_a_session_or_for_the_checkout(tmp_path: Path) -> None:
    """The environment variable counts before samconfig.toml's `default`."""
    samconfig = tmp_path / "samconfig.toml"
    samconfig.write_text(SAMCONFIG + '[default.global.parameters]\nstack_name = "relay-mine"\n')
    assert default_stack({}, samconfig) == "relay-mine"
    assert default_stack({"RELAY_STACK": "relay-test"}, samconfig) == "relay-test"


def test_the_project_s_own_samconfig_chooses_none() -> None:
    """Its `default` environment names no stack."""
    with pytest.raises(DeadLettersError, match=r"push-relay-dev \(dev\), push-relay \(prod\)"):
        default_stack({})


@pytest.mark.parametrize(("text", "interval"), [("10/s", 0.1), ("30/m", 2.0), ("1/m", 60.0)])
def test_a_rate_is_so_many_a_second_or_a_minute(text: str, interval: float) -> None:
    """The seconds between two."""
    assert options.rate(text) == pytest.approx(interval)


@pytest.mark.parametrize("text", ["0/s", "10", "1/h", "-1/s", "x"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """With what it should be."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not a rate"):
        options.rate(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("vendor_rejected", "vendor_rejected"),
        (" Vendor-Rejected ", "vendor_rejected"),
        ("delivery held", "delivery_held"),
        ("crashed", "crashed"),
        ("invocation_failed", "invocation_failed"),
    ],
)
def test_an_error_code_is_read_as_people_type_it(text: str, code: str) -> None:
    """Case and separators do not matter."""
    parser = argparse.ArgumentParser()
    options.add_filter(parser)
    assert parser.parse_args(["--error-code", text]).error_code == code


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("vendor_reject", "Did you mean: vendor_rejected"),
        ("mapping-faild", "Did you mean: mapping_failed"),
        ("quota", "Did you mean: quota_exhausted"),
        ("xyzzy", "docs/errors.md lists all"),
        ("", "docs/errors.md lists all"),
    ],
)
def test_an_unknown_error_code_is_refused(text: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It would select nothing, and look as if nothing were dead."""
    parser = argparse.ArgumentParser()
    options.add_filter(parser)
    with pytest.raises(SystemExit) as refused:
        parser.parse_args(["--error-code", text])
    assert refused.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"`{text}` is not an error code" in said
    assert meant in said
