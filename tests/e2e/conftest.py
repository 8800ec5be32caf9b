"""Fixtures of the end-to-end tests: one deployed stack, because it takes half a minute to start."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from fakes import SHIPPED, SHIPPED_ROUTES
from relayctl.progress import Progress
from relayctl.stack import LocalStack, StackOptions, local_stack

#: Topics whose messages are events. Their names would give the same name to their subscriptions in
#: CloudFormation, so they need different parameters of the template.
TOPICS = ("oven-alarms", "oven_alarms")
#: The topic to which the stack's own alarms are published.
ALARM_TOPIC = "on-call"


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """Deploy the project's own template to a local AWS, subscribed to two SNS topics."""
    options = StackOptions(
        topics=TOPICS[:1],
        more_topics=TOPICS[1:],
        alarm_topic=ALARM_TOPIC,
        sources=SHIPPED,
        config=SHIPPED_ROUTES,
    )
    with local_stack(Progress(Console(file=StringIO())), options) as deployed:
        yield deployed


@pytest.fixture
def fresh_stack(stack: LocalStack) -> LocalStack:
    """Return the deployed stack. Its sandbox's record is empty."""
    stack.sandbox.record.clear()
    return stack
