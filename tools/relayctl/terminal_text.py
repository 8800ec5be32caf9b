"""Texts of strangers on a terminal."""


def printable(text: str) -> str:
    r"""Return a text whose characters cannot change a terminal or the order of what it shows.

    Every other character except a line feed and a tab is written as its number: `\x1b`.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}" for char in text)
