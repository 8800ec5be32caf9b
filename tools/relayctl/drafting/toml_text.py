"""Write TOML: the standard library only reads it."""

import json
from typing import Final

#: JSON's escapes are TOML's, and TOML asks for this one too.
_DELETE: Final = "\x7f"


def quoted(text: str) -> str:
    """Return a text as a string of TOML, in the quotes that it does not contain."""
    if '"' in text and text.isprintable() and "'" not in text:
        return f"'{text}'"
    return escaped(text)


def escaped(text: str) -> str:
    """Return a text as a string of TOML in double quotes."""
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007F")


def value(given: object) -> str:
    """Return a value of TOML: a text, a number, a boolean, or a list of them."""
    match given:
        case bool():
            return "true" if given else "false"
        case int() | float():
            return str(given)
        case list() | tuple():
            return f"[{', '.join(value(each) for each in given)}]"
        case _:
            return quoted(str(given))


def line(key: str, given: object, comment: str = "") -> str:
    """Return a key with its value, and perhaps a comment behind it."""
    return f"{key} = {value(given)}" + (f" # {comment}" if comment else "")
