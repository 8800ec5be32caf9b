"""Why rows fall short of their goals, and what was tried. The report shows it for those that do."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Shortfall(NamedTuple):
    """Why a row falls short of its goal, and what was tried, each in sentences."""

    why: str
    tried: str


_ARTIFACT: Final = Shortfall(
    """
    Two native libraries are three quarters of it: jsonschema-rs, which checks schemas, and
    cryptography, which checks signatures with public keys.
    """,
    """
    Compiled modules without sources, and native libraries without symbol tables. An older
    jsonschema-rs would have 3.9 MB; the tests of the HTTP interface need a newer one, and a pinned
    old one gets no corrections (decision 132).
    """,
)
_UNKNOWN: Final = Shortfall("Not known: on the machine of the project it meets its goal.", "")
SHORTFALLS: Final[Mapping[str, Shortfall]] = {
    "event_direct": Shortfall(
        """
        The work is about 1,800 calls of Python functions, and no function has more than 4 % of
        it. In multiples of the POST: wording 0.6, the vendor's call 0.4, the body and its JSON
        0.4, the proof 0.3, log lines and metrics 0.3, the engine of the pushes 0.3, and many
        small steps. The peers have no routes, no wording by expressions and no receipts.
        """,
        """
        Expressions as functions (decision 130), an index of conditions (124), HTTP answers
        without `http.client` (129), the relay's own log lines (125). Not tried: modules
        compiled by mypyc or Cython. They need a C compiler wherever the artifact is built, and
        a build for each processor.
        """,
    ),
    "event_ledger": Shortfall(
        """
        Half of it is `event_direct`. Each of the four calls of DynamoDB costs 0.35, and the rules
        of connections, calls of the day and the circuit 1.0.
        """,
        """
        A client for AWS of the relay's own (decision 127), and no other thread (133). It was 23.6.
        With fewer processes beside it, it is between 6.3 and 7.3.
        """,
    ),
    "event_batch": Shortfall(
        """
        Each connection to the vendor has a thread. This vendor answers at once, so the threads
        wait for the interpreter's lock and not for the vendor: that is 0.8 of the value.
        Wording is 0.7, the vendor's call 0.4, reading the message 0.3.
        """,
        """
        One thread makes several calls of DynamoDB (decision 133), which was the largest part: 6.2
        before. Settling without a thread of its own saves 0.1, and sending in the caller's thread
        too saves nothing, so neither is done.
        """,
    ),
    "event_batch_partiql": Shortfall(
        """
        As for `event_batch`. A statement costs nearly as much to write as the call that it saves.
        """,
        """
        As for `event_batch`.
        """,
    ),
    "receive_stub": Shortfall(
        """
        Half of it is reading 10 KB of JSON and the invocation, a fifth the proof, a fifth the
        log line and the metrics.
        """,
        """
        One decoder for all requests, and log lines without a logger (decision 125). A text is
        checked only if it has something to check. A faster JSON library would be one more
        native library in the artifact, and reads some bodies differently.
        """,
    ),
    "artifact_receive": _ARTIFACT,
    "artifact_deliver": _ARTIFACT,
    "pace_many": Shortfall(
        """
        The local stand-in for DynamoDB and SQS is one Python process, which the connections wait
        for. As long as new events come from the queue, it uses nine tenths of its core.
        """,
        """
        Fewer calls for each push (decision 119) and fewer threads (133). The rate of the drain
        alone is that of the connections.
        """,
    ),
}


def section(goals: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the section about the rows that have not met their goals; empty if all have."""
    short = [name for name, row in goals.items() if row["met"] is False]
    if not short:
        return ""
    top = ["## Goals that are not met", "", "| row | why | what was tried |", "|---|---|---|"]
    return "\n".join([*top, *map(_row, short), ""])


def _row(name: str) -> str:
    short = SHORTFALLS.get(name, _UNKNOWN)
    return f"| `{name}` | {_line(short.why)} | {_line(short.tried)} |"


def _line(text: str) -> str:
    return " ".join(text.split())
