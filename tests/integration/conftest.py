"""One local AWS for all tests of the adapters: it takes a few seconds to put up."""

from collections.abc import Iterator

import pytest

import local_aws


@pytest.fixture(scope="session")
def local_stores() -> Iterator[local_aws.LocalAws]:
    """Run a local AWS; each test makes tables and queues of its own."""
    with local_aws.running() as running:
        yield running
