"""The texts of the routes that log lines name by number, from a relay.toml and source folders.

The log has numbers only, because the text of a route may name a person. The files on this machine may differ
from those that are deployed, so what is shown is marked as theirs.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

_ROUTE: Final = re.compile(r"route\[(\d+)\]\.(?:to\[(\d+)\]|(when))")


@dataclass(frozen=True)
class RouteTexts:
    """A relay.toml and a folder of source folders. A file that cannot be read has no texts."""

    config: Path
    sources: Path

    def text_of(self, number: str | None) -> str | None:
        """Return the text of a number: `person:{{ data.assignee.login }}` of `route[3].to[1]`, say."""
        found = _ROUTE.fullmatch(number or "")
        if found is None:
            return None
        route = _item(self._relay.get("route"), int(found[1]))
        if not isinstance(route, dict):
            return None
        if found[3]:
            text = route.get("when")
        else:
            to = route.get("to")
            text = _item([to] if isinstance(to, str) else to, int(found[2]))
        return text if isinstance(text, str) else None

    def conditions_of(self, source: str | None) -> list[str]:
        """Return the condition of each message rule of a source; `always` for a rule without one."""
        rules = _read(self.sources / (source or "") / "source.toml").get("message")
        tables = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
        return [str(table.get("when", "always")) for table in tables]

    @cached_property
    def _relay(self) -> dict[str, Any]:
        return _read(self.config)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _item(values: object, number: int) -> Any:
    """Return a list's item by its number, from 1; None if there is no such item."""
    return values[number - 1] if isinstance(values, list) and 0 < number <= len(values) else None
