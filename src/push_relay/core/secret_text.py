"""The text of a secret as a person has stored it."""

import re

#: Invisible characters: white space of any script, control characters, byte order marks, and characters of no
#: width.
_INVISIBLE = r"[\s\x00-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]+"
_AT_THE_ENDS = rf"\A{_INVISIBLE}|{_INVISIBLE}\Z"


def visible(text: str) -> str:
    """Return a text without the invisible characters at its ends."""
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    # Compiled when it is first used, because that takes a millisecond.
    return re.sub(_AT_THE_ENDS, "", text)
