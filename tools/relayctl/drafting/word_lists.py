"""The lists of words.toml."""

import tomllib
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("words.toml")


def words(table: str, name: str) -> tuple[str, ...]:
    """Return the words of a list, in their order."""
    return tuple(_tables()[table][name].split())


@cache
def _tables() -> dict[str, dict[str, str]]:
    return tomllib.loads(_FILE.read_text("utf-8"))
