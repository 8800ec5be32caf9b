"""The options of `relayctl dead` and `relayctl replay`: they choose a stack and filter its dead letters."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from relayctl.deadletters import options
from relayctl.deadletters.stack_resources import StackError, StackResources, default_stack, read_stack


class _CloudFormation:
    def __init__(self, outputs: dict[str, str]) -> None:
        self.outputs = outputs

    def describe_stacks(self, **_arguments: str) -> dict[str, Any]:
        """Return one stack with the given outputs."""
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"Outputs": outputs}]}


def test_the_queues_and_the_ledger_are_read_from_the_stacks_outputs() -> None:
    """A stack that lacks one of them is refused. The version before has no backlog."""
    outputs = {"QueueUrl": "q", "DeadLetterQueueUrl": "d", "LedgerTable": "t", "WebhookUrl": "w"}
    assert read_stack(_CloudFormation(outputs), "s") == StackResources("s", "q", "d", "t")
    with pytest.raises(StackError, match="not a Push Relay"):
        read_stack(_CloudFormation({"QueueUrl": "q"}), "s")
    newer = outputs | {"BacklogTable": "b"}
    assert read_stack(_CloudFormation(newer), "s") == StackResources("s", "q", "d", "t", "b")
    with pytest.raises(StackError, match="--queue-url is missing"):
        StackResources("no stack", dead_letter_url="d").require("queue_url")


SAMCONFIG = """
version = 0.1
[test.global.parameters]
stack_name = "relay-test"
[prod.deploy.parameters]
stack_name = "relay"
"""


def test_no_stack_is_chosen_by_default(tmp_path: Path) -> None:
    """A replay in the wrong stack would send real pushes. The error lists the stacks of samconfig.toml."""
    samconfig = tmp_path / "samconfig.toml"
    with pytest.raises(StackError, match=r"no stack is chosen; use --stack or set RELAY_STACK$"):
        default_stack({}, samconfig)
    samconfig.write_text(SAMCONFIG)
    with pytest.raises(StackError, match=r"has relay-test \(test\), relay \(prod\)$"):
        default_stack({"RELAY_STACK": ""}, samconfig)


def test_the_stack_can_be_chosen_for_a_session_or_for_the_checkout(tmp_path: Path) -> None:
    """The environment variable takes precedence over samconfig.toml's `default` environment."""
    samconfig = tmp_path / "samconfig.toml"
    samconfig.write_text(SAMCONFIG + '[default.global.parameters]\nstack_name = "relay-mine"\n')
    assert default_stack({}, samconfig) == "relay-mine"
    assert default_stack({"RELAY_STACK": "relay-test"}, samconfig) == "relay-test"


def test_the_projects_own_samconfig_chooses_no_stack() -> None:
    """Its `default` environment has no `stack_name`, so that nobody replays in production by accident."""
    with pytest.raises(StackError, match=r"push-relay-dev \(dev\), push-relay \(prod\)"):
        default_stack({})


@pytest.mark.parametrize(("text", "interval_secs"), [("10/s", 0.1), ("30/m", 2.0), ("1/m", 60.0)])
def test_a_rate_is_read_as_the_seconds_between_two_messages(text: str, interval_secs: float) -> None:
    """A person writes messages per second or per minute."""
    assert options.rate(text) == pytest.approx(interval_secs)


@pytest.mark.parametrize("text", ["0/s", "10", "1/h", "-1/s", "x"])
def test_an_invalid_rate_is_refused(text: str) -> None:
    """The error shows what a rate looks like."""
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
def test_the_case_and_the_separators_of_an_error_code_do_not_matter(text: str, code: str) -> None:
    """People type `Vendor-Rejected` as they read it in a conversation."""
    parser = argparse.ArgumentParser()
    options.add_filter(parser)
    assert parser.parse_args(["--error-code", text]).error_code == code


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("vendor_reject", "Did you mean: vendor_rejected"),
        ("mapping-faild", "Did you mean: mapping_failed"),
        ("quota", "Did you mean: quota_exhausted"),
        ("xyzzy", "docs/errors.md lists all"),
        ("", "docs/errors.md lists all"),
    ],
)
def test_an_unknown_error_code_is_refused(
    text: str, suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would match nothing, and the person would believe that nothing is dead."""
    parser = argparse.ArgumentParser()
    options.add_filter(parser)
    with pytest.raises(SystemExit) as refused:
        parser.parse_args(["--error-code", text])
    assert refused.value.code == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"`{text}` is not an error code" in error
    assert suggestion in error
