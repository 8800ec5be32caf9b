"""The tables of keys in the documentation, each between two comments that name the declaration.

    <!-- keys: RouteTable -->
    | key | default | meaning |
    ...
    <!-- end of keys -->

The table of the handshakes is between `<!-- handshakes -->` and `<!-- end of handshakes -->`.

The text between the comments is written from the declaration. The page around them is written by hand.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from push_relay.core.rules import relay_file, source_file
from push_relay.core.rules.configuration import Key, Table
from push_relay.core.rules.kinds import Choice, Duration, Integer
from push_relay.core.trust import fetch_table, jwt_table, verify_table
from relayctl.catalogue import page_file
from relayctl.reference import handshakes

_MARKED = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end of keys -->)", re.DOTALL)
_HANDSHAKES = re.compile(r"(<!-- handshakes -->\n).*?(<!-- end of handshakes -->)", re.DOTALL)
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))

#: The declarations that a page may name.
TABLES: Mapping[str, type[Table]] = {
    name: value
    for module in (relay_file, source_file, fetch_table, jwt_table, verify_table, page_file)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Table)
}


def filled(text: str, page: Path) -> str:
    """Return a page's text with all of its tables written. Raises KeyError for a name without declaration."""
    text = _HANDSHAKES.sub(lambda found: found[1] + handshakes.table() + found[2], text)
    return _MARKED.sub(lambda found: found[1] + _table(TABLES[found[2]], page) + found[3], text)


def has_tables(text: str) -> bool:
    """Return whether a page has a table that is written from the code."""
    return bool(named(text) or _HANDSHAKES.search(text))


def named(text: str) -> set[str]:
    """Return the names of the declarations whose tables a page has."""
    return {found[2] for found in _MARKED.finditer(text)}


def _table(table: type[Table], page: Path) -> str:
    rows = [_row(key, page) for key in table.keys.values() if key.name != "scheme"]
    return "\n".join(("| key | default | meaning |", "|---|---|---|", *rows)) + "\n"


def _row(key: Key[Any], page: Path) -> str:
    # A link to the page itself needs no file.
    doc = key.doc.replace(f"]({page.name}#", "](#") + _limits(key.kind)
    if key.old_names:
        doc += (
            f" (The old name {' or '.join(f'`{old}`' for old in key.old_names)} works for one more version.)"
        )
    return f"| `{key.name}` | {without(key)} | {doc} |".replace("\n", " ")


def _limits(kind: object) -> str:
    match kind:
        case Choice():
            return f" One of: {', '.join(f'`{name}`' for name in kind.names)}."
        case Integer(at_least=least, at_most=most) if most is not None:
            return f" From {least:,} to {most:,}."
        case Integer(at_least=least) if least:
            return f" At least {least}."
        case _:
            return ""


def without(key: Key[Any]) -> str:
    """Return the reference's text for an absent key."""
    if key.required:
        return "required"
    if key.without or key.default is None:
        return key.without
    return f"`{default_in_toml(key)}`"


def default_in_toml(key: Key[Any]) -> str:
    """Return a key's default as a file would write it."""
    if isinstance(key.kind, Duration):
        return json.dumps(duration(key.default))
    return json.dumps(list(key.default) if isinstance(key.default, tuple) else key.default)


def duration(secs: float) -> str:
    """Write seconds as a duration, in the largest unit that fits."""
    unit, size = next((unit, size) for unit, size in _UNITS if secs % size == 0)
    return f"{secs / size:.0f}{unit}"
