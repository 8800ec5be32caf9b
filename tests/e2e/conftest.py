"""Fixtures of the end-to-end tests: a deployed stack, which takes half a minute to start, and a browser."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from browser_page import opened
from fakes import SHIPPED, SHIPPED_ROUTES
from local_relay import World, running_world
from page_files import SECRETS, write_files
from relayctl.phone.picture import CHROMIUM_NAMES, find_chromium
from relayctl.progress import Progress
from relayctl.stack import LocalStack, StackOptions, local_stack

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start one Chromium, or skip the tests that need it."""
    path = find_chromium()
    if path is None:
        pytest.skip(
            f"Chromium not found: install one of {', '.join(CHROMIUM_NAMES)}, or set CHROMIUM to its path"
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run the page."""
    with running_world(tmp_path / "run", write_files(tmp_path), SECRETS) as running:
        yield running


@pytest.fixture
def page(browser: Browser, world: World) -> Iterator[Page]:
    """Open the page on a wide screen."""
    with opened(browser, world) as wide:
        yield wide
