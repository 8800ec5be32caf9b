"""Fixtures of the integration tests: one local AWS, because it takes a few seconds to start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import local_aws
from replay_stack import ReplayStack


@pytest.fixture(scope="session")
def local_stores() -> Iterator[local_aws.LocalAws]:
    """Run a local AWS. Every test creates its own tables and queues."""
    with local_aws.running() as running:
        yield running


@pytest.fixture
def replay_stack(
    local_stores: local_aws.LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ReplayStack:
    """Create queues, a ledger and a relay for one test of relayctl."""
    # boto3 would prefer these to the keys of the local AWS.
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert local_stores
    return ReplayStack.create(tmp_path)
