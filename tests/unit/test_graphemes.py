"""Text is cut between two characters as a reader sees them, which are grapheme clusters."""

import grapheme
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu_cost import cost
from push_relay.core.graphemes import ELLIPSIS, MAX_CLUSTER, cut

FAMILY, FLAG, ACCENT = "👨‍👩‍👧", "🇩🇪", "e\u0301"


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("bread", 5, "bread"),
        ("bread", 4, "bre…"),
        ("bread", 1, "…"),
        ("bread", 0, ""),
        ("bread", -1, ""),
        ("", 0, ""),
        ("good bread", 6, "good…"),
        (FAMILY * 3, 3, FAMILY * 3),
        (FAMILY * 3, 2, FAMILY + ELLIPSIS),
        (FLAG * 4, 3, FLAG * 2 + ELLIPSIS),
        (ACCENT * 4, 4, ACCENT * 4),
        (ACCENT * 4, 3, ACCENT * 2 + ELLIPSIS),
        ("a\r\nb", 3, "a\r\nb"),
    ],
)
def test_a_grapheme_cluster_is_never_split(text: str, limit: int, shown: str) -> None:
    """A reader sees a family emoji, a flag, an accented letter or a CRLF as one character."""
    assert cut(text, limit) == shown


@given(st.text(alphabet=st.characters() | st.sampled_from("👨‍👩‍👧🇩🇪\u0301\r\n ")), st.integers(1, 12))
def test_no_text_is_longer_than_its_limit(text: str, limit: int) -> None:
    """The limit counts graphemes. A text within the limit is not changed."""
    shown = cut(text, limit)
    assert grapheme.length(shown) <= limit
    assert shown == text or shown.endswith(ELLIPSIS)
    if grapheme.length(text) <= limit and len(text) <= limit * MAX_CLUSTER:
        assert shown == text


@pytest.mark.parametrize("piece", ["\u0301", "\U0001f468\u200d", "\U0001f1e6", "\r\n", "\u1100", "é", "a"])
def test_an_endless_cluster_is_cut_quickly(piece: str) -> None:
    """A stranger may send such a text. Without a bound, it would keep every worker busy until its timeout."""
    text = "e" + piece * 200_000
    assert cost(lambda: cut(text, 100)) < 300
    shown = cut(text, 100)
    assert len(shown) <= 100 * MAX_CLUSTER + 1
    assert shown.endswith(ELLIPSIS)
