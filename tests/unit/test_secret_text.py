"""A secret is read without what a person cannot see at its ends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core import secret_text
from push_relay.core.secret_text import visible


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("planted", "planted"),
        ("  plan ted ", "plan ted"),
        ("\ufeffplanted\r\n", "planted"),
        ("\tplan\tted\x7f", "plan\tted"),
        ("\u200bplänted\u00a0", "plänted"),
        (" ", ""),
        ("", ""),
    ],
)
def test_a_secret_begins_and_ends_with_a_visible_character(stored: str, text: str) -> None:
    """An editor or a console adds them."""
    assert visible(stored) == text


@given(st.text(st.characters(max_codepoint=0x2100)))
def test_a_secret_that_needs_no_pattern_is_read_as_with_it(stored: str) -> None:
    """Most secrets are printable ASCII."""
    assert visible(stored) == re.sub(secret_text._AT_THE_ENDS, "", stored)
