"""The table of the handshakes in docs/security.md, written from their rows."""

from push_relay.core.trust.handshakes.row import ANY, Row
from push_relay.core.trust.handshakes.rows import ROWS
from push_relay.core.trust.handshakes.setup import SETUP

_HEADING = (
    "| handshake | question | what proves it | answer | settings |",
    "|---|---|---|---|---|",
)


def table() -> str:
    """Return the lines of the table."""
    rows = [_row(name, row) for name, rows in ROWS.items() for row in rows]
    return "\n".join((*_HEADING, *rows)) + "\n"


def _row(name: str, row: Row) -> str:
    settings = ", ".join(f"`{setting}`" for setting in (*row.settings, *([SETUP] if row.brings else [])))
    cells = (f"`{name}`", _question(row), _proof(row), _answer(row), settings or "-")
    return f"| {' | '.join(cells)} |"


def _question(row: Row) -> str:
    free = [f"`{place}`" for place, wanted in row.trigger.items() if wanted == ANY]
    fixed = [
        f"`{place}` = `{wanted}`"
        for place, wanted in row.trigger.items()
        if wanted != ANY and "{setting:" not in str(wanted)
    ]
    named = ", ".join((*fixed, *free))
    return f"{row.method}{': ' if named else ''}{named}"


def _proof(row: Row) -> str:
    if row.signed:
        return "the proof of an event"
    if row.brings:
        return f"the parameter `{SETUP}`"
    compared = [place for place, wanted in row.trigger.items() if "{setting:" in str(wanted)]
    return ", ".join(f"`{place}`" for place in compared) or "nothing"


def _answer(row: Row) -> str:
    parts = [f"{row.status}"]
    parts += [f"`{name}`" for name in row.headers]
    parts += [f"JSON with `{'`, `'.join(row.json)}`"] if row.json else []
    parts += ["the text"] if row.text else []
    signed = ", signed" if row.signs else ""
    otherwise = f"; otherwise {row.refused}" if row.method == "GET" else ""
    return f"{', '.join(parts)}{signed}{otherwise}"
