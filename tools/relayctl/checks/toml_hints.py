"""Explain why a file is not TOML: quotes, and what people write who know YAML."""

import re
from pathlib import Path
from typing import Final

from push_relay.core.rules.findings import UNREADABLE_FILE, Finding

#: Patterns of a line that the reader does not understand, and how to correct it.
_HINTS: Final = (
    (r"^\s*[\w-]+\s*:\s", "a key and its value have a `=` between them"),
    (
        r"""=\s*"(?:[^"\\]|\\.)*"\S""",
        "a text with double quotes in it is in single quotes: key = 'x \"y\" z', or in '''",
    ),
    (r"=\s*'[^']*'[^\s#,\]}]", "a text with single quotes in it is in double quotes: key = \"x 'y' z\""),
    (r"""=\s*"[^"]*\\[^btnfruUex"\\]""", "a text with a backslash is in single quotes"),
    (r"""=\s*(?!true\b|false\b)[A-Za-z_!({][^"'\[]*""", 'a text is in quotes: key = "text"'),
    (r"^\s*\[(?:message|match|route)\]", "a rule has two brackets: [[message]], [[match]], [[route]]"),
)


def with_hint(finding: Finding) -> Finding:
    """Return a finding, with a hint if it is about a file that is not TOML and the line shows why."""
    if finding.code != UNREADABLE_FILE or not finding.line or "is not TOML" not in finding.message:
        return finding
    try:
        line = Path(finding.file).read_text("utf-8").splitlines()[finding.line - 1]
    except (OSError, IndexError, UnicodeDecodeError):
        return finding
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, line)), "")
    return finding._replace(message=f"{finding.message}; {hint}") if hint else finding
