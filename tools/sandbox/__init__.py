"""Stand in for the vendor's Push API on this machine, strictly, and show its pushes on a phone.

It knows nothing of the relay: it holds the vendor's documented contract by itself, so that it can't share
the relay's mistakes. `SandboxServer` runs it inside a test; `python -m sandbox` runs it on its own.
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
