"""A source folder without a mistake, in which a test makes one, and the findings of `relayctl check`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from push_relay.core.rules.findings import Finding
from relayctl.checking import Result, check

_SOURCE: Final = """\
title = "Kiln"
docs = "https://kiln.example/docs"

[verify]
scheme = "token"
header = "x-kiln-token"

[event]
id = "data.id"
type = {type}

[value]
where = "first_text(data.site.name, 'the bakery')"

[[message]]
when = {when}
title = {title}
body = {body}
sound = {sound}
expiry_secs = {expiry_secs}
{more}
"""
#: The line of each key that a test can replace.
LINES: Final[Mapping[str, int]] = {
    "type": 10,
    "where": 13,
    "when": 16,
    "title": 17,
    "body": 18,
    "sound": 19,
    "expiry_secs": 20,
}
_TEXTS: Final = {
    "type": '"data.action"',
    "when": "\"data.severity == 'high'\"",
    "title": '"{{ where }}: {{ data.kiln.name }}"',
    "body": '"{{ data.action }}"',
    "sound": "true",
    "expiry_secs": "3600",
    "more": "",
}
EXAMPLE: Final[Mapping[str, Any]] = {
    "headers": {"content-type": "application/json", "x-kiln-event": "alarm"},
    "body": {
        "id": "k-17",
        "action": "firing",
        "severity": "high",
        "level": 3,
        "urgent": True,
        "site": {"name": "House 2"},
        "kiln": {"name": "Kiln 4", "temperature": 1250},
        "labels": [{"name": "hot"}, {"name": "night"}],
        "tags": ["a", "b"],
        "started_at": "2026-01-02T03:04:05Z",
        "note": None,
    },
}
ROUTE: Final = '[[route]]\nsource = "kiln"\nto = ["external:4711"]\n'


def toml(text: str) -> str:
    """Return a text as a value of a TOML file."""
    return json.dumps(text, ensure_ascii=False)


def check_kiln(  # noqa: PLR0913 (each argument is one part of the folder)
    directory: Path,
    *,
    schema: str = '{"type": "object"}',
    relay: str = ROUTE,
    source: str = "",
    name: str = "kiln",
    files: Mapping[str, str] = {},
    **texts: str,
) -> Result:
    """Write the folder with changes, and check it.

    schema  the text of schema.json
    relay   the text of relay.toml
    source  the whole text of source.toml
    name    the name of the folder
    files   more files of the folder, by name
    texts   TOML values by key, which replace those of the source
    """
    folder = directory / "sources" / name
    written = {
        "source.toml": source or _SOURCE.format_map({**_TEXTS, **texts}),
        "schema.json": schema,
        "examples/firing.request.json": json.dumps(EXAMPLE),
        **files,
    }
    for file, text in written.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (directory / "relay.toml").write_text(relay, "utf-8")
    return check(directory / "sources", directory / "relay.toml")


def place(finding: Finding) -> tuple[str, int]:
    """Return the name of a finding's file, without directories, and its line."""
    return Path(finding.file).name, finding.line


def only(result: Result) -> Finding:
    """Return the finding of a check that has one, beside its consequence for the example."""
    (finding,) = (each for each in result.findings if each.code != "failed_example")
    return finding
