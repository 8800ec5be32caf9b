"""The pairs of a form as one signed text: a value may hold an ampersand, and never another pair."""

import pytest

from push_relay.core.errors import SignatureInvalid
from push_relay.core.trust.schemes.form import sorted_pairs


def test_a_value_with_an_ampersand_is_signed() -> None:
    """It cannot be split: the part after the ampersand is not a pair."""
    assert sorted_pairs([("subject", "tea & milk"), ("note", "a=b")], ()) == "note=a=b&subject=tea & milk"


@pytest.mark.parametrize("value", ["1&total=9", "a&b c=d", "&=", "x&y&total=9"])
def test_a_value_with_a_pair_is_refused(value: str) -> None:
    """The same text would be signed for a form with one field more."""
    with pytest.raises(SignatureInvalid):
        sorted_pairs([("note", value), ("subject", "tea")], ())


@pytest.mark.parametrize("fields", [[("a", "1"), ("a", "2")], [("a", "1"), ("a", "")], [("a", "1")] * 2])
def test_a_field_that_is_given_twice_is_refused(fields: list[tuple[str, str]]) -> None:
    """Two readers could take different ones, also if one of them is empty and so not in the text."""
    with pytest.raises(SignatureInvalid):
        sorted_pairs(fields, ())
