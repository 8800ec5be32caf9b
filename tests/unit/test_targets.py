"""The local stack is the one that runs now, and no command chooses between several."""

import argparse
import json
import os
from pathlib import Path

import pytest

from relayctl import running, targets
from relayctl.deadletters import options, stack_resources
from relayctl.deadletters.stack_resources import StackError
from relayctl.running import Running, announce, running_stacks
from stack_in_memory import StackInMemory, use

OWN = Running(os.getpid(), 4567, 4568, "/sources", "/relay.toml")


def arguments(stack: str | None = None) -> argparse.Namespace:
    """Return the options of a command."""
    return argparse.Namespace(
        stack=stack, sources=None, config=None, queue_url=None, dead_letter_url=None, table=None
    )


def announced(runs: Path, name: str, stack: Running) -> Path:
    """Write the file of a run."""
    directory = runs / name
    directory.mkdir()
    announce(directory, stack)
    return directory / "running.json"


def test_a_run_is_found_while_it_lives_and_its_aws_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a run that was killed stays. So does one of another version."""
    up = {4567, 4569}
    monkeypatch.setattr(running, "answers", lambda port: port in up)
    announced(tmp_path, "a", OWN)
    announced(tmp_path, "b", Running(2**22 + 7, 4569, 1, "", ""))
    announced(tmp_path, "c", Running(os.getpid(), 4999, 1, "", ""))
    broken = announced(tmp_path, "d", OWN)
    for text in (
        "{",
        "[]",
        json.dumps({"pid": 1}),
        json.dumps({**json.loads(broken.read_text()), "pid": []}),
    ):
        broken.write_text(text)
        assert running_stacks(tmp_path) == [OWN]
    assert running_stacks(tmp_path / "none") == []
    up.clear()
    assert running_stacks(tmp_path) == []


def test_one_of_several_local_stacks_is_chosen_by_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error lists them."""
    other = Running(1, 4569, 4570, "/others", "/other.toml")
    monkeypatch.setattr(targets, "running_stacks", lambda _runs: [OWN, other])
    with pytest.raises(StackError, match=r"several local stacks run.*local:4567, local:4569"):
        targets.chosen(arguments())
    chosen = targets.chosen(arguments("local:4569"))
    assert (chosen.name, chosen.stack, chosen.local) == ("local:4569", "push-relay", other)
    assert (chosen.sources, chosen.config) == (Path("/others"), Path("/other.toml"))
    with pytest.raises(StackError, match=r"no local stack runs on port 1:.*`local:4567` runs"):
        targets.chosen(arguments("local:1"))


def test_another_stack_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is probably that of another one."""
    use(StackInMemory(), monkeypatch)
    target = targets.chosen(arguments())
    assert target.fact("QueueUrl") == "queue"
    assert target.is_on_this_machine
    with pytest.raises(StackError, match=r"`ApiId` is missing"):
        target.fact("ApiId")


@pytest.mark.parametrize(
    ("endpoint", "is_here"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://x.localhost:4566", True),
        ("https://cloudformation.eu-west-1.amazonaws.com", False),
        ("http://localhost.example", False),
    ],
)
def test_a_stack_of_another_local_aws_is_on_this_machine(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, *, is_here: bool
) -> None:
    """`make run` prints the variables with which boto3 finds it. Its pushes reach nobody."""
    stack = StackInMemory()
    stack.meta.endpoint_url = endpoint
    monkeypatch.setattr(stack_resources, "client", stack.client)
    assert targets.chosen(arguments("push-relay")).is_on_this_machine == is_here


def test_dead_letters_of_the_local_stack_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables that `make run` prints."""
    stack = use(StackInMemory(), monkeypatch)
    monkeypatch.setattr(options, "client", stack.client)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    resources = options.chosen_resources(arguments("local"))
    assert (resources.name, resources.dead_letter_url) == ("local", "dead")
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
