"""Durations are written as a number and a unit, such as `5m`."""

import pytest

from push_relay.core.duration import seconds
from push_relay.core.errors import ConfigurationInvalid


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1s", 1), ("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("999999s", 999_999)],
)
def test_a_number_and_a_unit_is_a_duration(text: str, expected: float) -> None:
    """The units are seconds, minutes, hours and days."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "0s", "05m", "-5m", "1.5h", "5 m", " 5m", "5m\n", "5M", "5w", "1h30m", "1000000s", "٣s"],
)
def test_any_other_text_is_refused(text: str) -> None:
    """A unit is never guessed, and a duration of zero is refused too."""
    with pytest.raises(ConfigurationInvalid, match="is not a duration"):
        seconds(text)
