"""A local, strict sandbox of the vendor's Push API, with a page that shows the pushes on a phone.

It imports nothing from the relay. It implements the vendor's documented contract independently, so that it
cannot have the relay's mistakes. `SandboxServer` runs it inside a test; `python -m sandbox` runs it alone.
"""

from sandbox.account import Account, Refusal
from sandbox.contract import Push, read_push
from sandbox.documents import Rule, Violation
from sandbox.faults import FaultOrder, Faults, WrongOrderError
from sandbox.record import Call, Counts, Record
from sandbox.server import SandboxServer

__all__ = [
    "Account",
    "Call",
    "Counts",
    "FaultOrder",
    "Faults",
    "Push",
    "Record",
    "Refusal",
    "Rule",
    "SandboxServer",
    "Violation",
    "WrongOrderError",
    "read_push",
]
