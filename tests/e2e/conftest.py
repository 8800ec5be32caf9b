"""One deployed stack for all end-to-end tests: it takes half a minute to put up."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from fakes import SHIPPED, SHIPPED_ROUTES
from relayctl.progress import Progress
from relayctl.stack import Choices, LocalStack, local_stack

#: Topics whose messages are events. CloudFormation would name their subscriptions alike.
TOPICS = ("oven-alarms", "oven_alarms")
#: The topic to which the stack's own alarms are published.
ALARM_TOPIC = "on-call"


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """Deploy the project's own template to a local AWS, subscribed to two SNS topics."""
    choices = Choices(
        topics=TOPICS[:1],
        more_topics=TOPICS[1:],
        alarm_topic=ALARM_TOPIC,
        sources=SHIPPED,
        config=SHIPPED_ROUTES,
    )
    with local_stack(Progress(Console(file=StringIO())), choices) as deployed:
        yield deployed


@pytest.fixture
def fresh_stack(stack: LocalStack) -> LocalStack:
    """Return the deployed stack with an empty record at its sandbox."""
    stack.sandbox.record.clear()
    return stack
