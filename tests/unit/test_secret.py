"""A stored secret is read again as rarely as possible, but never too late."""

import pytest

from ports import Clock
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import FAILURE_AGE_SECS, MAX_AGE_SECS, MIN_REFETCH_SECS, CachedSecret


class Stored:
    """A stored secret, and the clocks of a function that reads it."""

    def __init__(self) -> None:
        self.text, self.reads, self.down = "old", 0, False
        self.wall, self.running = Clock(), Clock(0.0)
        self.secret = CachedSecret(self._read, self.wall.now, self.running.monotonic)

    def _read(self) -> str:
        self.reads += 1
        if self.down:
            raise CredentialsUnavailable("down")
        return self.text

    def pass_time(self, secs: float) -> None:
        """Let time pass for a function that runs."""
        self.wall.time += secs
        self.running.time += secs

    def freeze(self, secs: float) -> None:
        """Let time pass while Lambda has frozen the function, and with it the monotonic clock."""
        self.wall.time += secs


@pytest.fixture
def stored() -> Stored:
    """Return a secret that was read a moment ago."""
    stored = Stored()
    assert stored.secret.text() == "old"
    return stored


def test_a_secret_is_used_until_it_is_too_old(stored: Stored) -> None:
    """Each read is a call of AWS, and a request or a push has to wait for it."""
    stored.text = "new"
    stored.pass_time(MAX_AGE_SECS - 1)
    assert (stored.secret.text(), stored.reads) == ("old", 1)
    stored.pass_time(1)
    assert (stored.secret.text(), stored.secret.text(), stored.reads) == ("new", "new", 2)


@pytest.mark.parametrize("secs", [MAX_AGE_SECS, -1])
def test_the_age_of_a_secret_includes_the_time_in_which_lambda_was_frozen(
    stored: Stored, secs: float
) -> None:
    """A removed secret must not be valid for longer because Lambda has frozen the function meanwhile.

    If the clock was set back, the age is unknown.
    """
    stored.text = "new"
    stored.freeze(secs)
    assert stored.secret.text() == "new"


def test_a_refetch_resets_the_age_of_the_secret(stored: Stored) -> None:
    """Otherwise a secret that has just been read would soon be read again."""
    stored.pass_time(MAX_AGE_SECS - 1)
    stored.text = "new"
    assert stored.secret.refetched() == "new"
    stored.pass_time(MAX_AGE_SECS - 1)
    assert (stored.secret.text(), stored.reads) == ("new", 2)


def test_a_failed_read_is_not_retried_at_once(stored: Stored) -> None:
    """While Secrets Manager fails, each request would wait for a call that fails."""
    stored.down = True
    stored.pass_time(MAX_AGE_SECS)
    for _ in range(3):
        with pytest.raises(CredentialsUnavailable):
            stored.secret.text()
    assert stored.reads == 2
    stored.down = False
    stored.pass_time(FAILURE_AGE_SECS)
    assert (stored.secret.text(), stored.reads) == ("old", 3)


def test_a_failed_refetch_is_remembered_and_the_known_secret_stays_valid(stored: Stored) -> None:
    """A forger can cause the refetch, so it must not stop those who use the known secret."""
    stored.down = True
    for _ in range(3):
        with pytest.raises(CredentialsUnavailable):
            stored.secret.refetched()
    assert (stored.secret.text(), stored.reads) == ("old", 2)
    stored.down, stored.text = False, "new"
    stored.pass_time(MIN_REFETCH_SECS)
    assert (stored.secret.refetched(), stored.reads) == ("new", 3)


def test_a_successful_refetch_ends_the_memory_of_a_failed_read(stored: Stored) -> None:
    """The secret is known again, so no request has to fail for the rest of the time."""
    stored.down = True
    stored.pass_time(MAX_AGE_SECS)
    with pytest.raises(CredentialsUnavailable):
        stored.secret.text()
    stored.down = False
    assert stored.secret.refetched() == stored.secret.text() == "old"
