"""The text of a secret as a person has stored it."""

import re

#: Invisible characters: white space of any script, control characters, byte order marks, and characters of no
#: width.
_INVISIBLE = r"[\s\x00-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]+"
_AT_THE_ENDS = re.compile(rf"\A{_INVISIBLE}|{_INVISIBLE}\Z")


def visible(text: str) -> str:
    """Return a text without the invisible characters at its ends."""
    return _AT_THE_ENDS.sub("", text)
