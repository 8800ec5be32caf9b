"""One deployed stack for all end-to-end tests: it takes half a minute to put up."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from relayctl.progress import Progress
from relayctl.stack import LocalStack, local_stack

ALARMS_TOPIC = "alarms"


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """Deploy the project's own template to a local AWS, subscribed to one SNS topic."""
    with local_stack(Progress(Console(file=StringIO())), topics=[ALARMS_TOPIC]) as deployed:
        yield deployed


@pytest.fixture
def fresh_stack(stack: LocalStack) -> LocalStack:
    """Return the deployed stack with an empty record at its sandbox."""
    stack.sandbox.record.clear()
    return stack
