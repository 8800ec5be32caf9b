"""The sources of the run's split requests, each of which carries several events.

They differ in what identifies an item: its position under a signed id, its own signed id, or its content.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from relayctl.project import ROOT

_MESSAGE: Final = """
[[message]]
when = "!ends_with(data.Title, ' nobody')"
title = "{{ data.Title }}"
body = "{{ data.Body }}"
"""
#: The `source.toml` of each source, by its name.
SPLIT_SOURCES: Final[Mapping[str, str]] = {
    # A JSON list under a signed id. An item has no id of its own.
    "list": """
[verify]
scheme = "standard-webhooks"

[event]
format = "list"
""",
    # An object with a list, signed without an id. Each item has an id.
    "each": """
[verify]
scheme = "github"

[event]
each = "data.events"
id = "data.UserId"
""",
    # Lines of JSON that no signature covers. A line is sometimes not JSON.
    "lines": """
[verify]
scheme = "token"
header = "x-token"

[event]
format = "ndjson"
id = "data.UserId"
remember = "14d"
""",
}


def write_split_sources(directory: Path) -> None:
    """Write the folder of each source."""
    for name, table in SPLIT_SOURCES.items():
        folder = directory / name
        folder.mkdir()
        head = f'title = "Split requests: {name}"\ndocs = "docs/reliability.md"\n'
        (folder / "source.toml").write_text(head + table + _MESSAGE, encoding="utf-8")
        (folder / "schema.json").symlink_to(ROOT / "src/sources/push/schema.json")
