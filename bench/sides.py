"""The relay's own sides of a comparison: a child process with the built artifact.

    python sides.py NAME INVOCATION

The environment is that of the function, and the artifact is on the module path, so its packages and
configuration are used. INVOCATION is a file. `*_alone` have no AWS: the secrets, the ledger and the permits
are in memory.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from invocation_answers import is_done
from open_permits import OpenPermits
from ports import PushCredentials, SigningSecrets
from push_relay.bootstrap.common import Common
from push_relay.core.relay import Relay
from push_relay.settings import Settings
from side_process import serve
from stores import Ledger

_SECRET: Final = b"bench-signing-secret"
type _Call = Callable[[dict[str, Any]], dict[str, Any]]


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 20_000


_CONTEXT: Final = _Context()


class _StubQueue:
    """A queue that takes every event and keeps none."""

    def put(self, _event: object) -> None:
        """Take an event."""

    def put_all(self, contents: Sequence[object], _time_left: object) -> Sequence[None]:
        """Take events."""
        return [None] * len(contents)


def _in_memory(relay: Relay) -> tuple[Relay, Ledger]:
    """Return the relay with a ledger and permits in memory, and the ledger."""
    ledger = Ledger(time.time)
    lanes = {}
    for name, lane in relay.lanes.items():
        permits = OpenPermits()
        sender = replace(lane.sender, credentials=PushCredentials(), ledger=ledger, permits=permits)
        lanes[name] = replace(lane, sender=sender, permits=permits)
    return replace(relay, lanes=lanes, ledger=ledger), ledger


def _receive_alone() -> _Call:
    """Return `receive` in the mode `direct`."""
    from push_relay.bootstrap import receive  # noqa: PLC0415 (each child imports what its function does)
    from push_relay.entrypoints.direct import DirectForward  # noqa: PLC0415

    endpoint = receive.build(Common.of(Settings.read()))
    forward = endpoint.intake.forward
    assert isinstance(forward, DirectForward)  # noqa: S101 (because of DELIVERY_MODE)
    relay, ledger = _in_memory(forward.relay)
    door = replace(endpoint.intake.door, secrets=SigningSecrets(_SECRET))
    intake = replace(endpoint.intake, door=door, forward=replace(forward, relay=relay))
    endpoint = replace(endpoint, intake=intake)

    def call(invocation: dict[str, Any]) -> dict[str, Any]:
        ledger.items.clear()  # the same event again would be a duplicate
        return endpoint.handle(invocation, _CONTEXT)

    return call


def _receive_stub() -> _Call:
    """Return `receive` in the mode `queue`, with a queue in memory."""
    from push_relay.bootstrap import receive  # noqa: PLC0415
    from push_relay.core.intake import QueueForward  # noqa: PLC0415

    endpoint = receive.build(Common.of(Settings.read()))
    door = replace(endpoint.intake.door, secrets=SigningSecrets(_SECRET))
    intake = replace(endpoint.intake, door=door, forward=QueueForward(_StubQueue()))
    endpoint = replace(endpoint, intake=intake)
    return lambda invocation: endpoint.handle(invocation, _CONTEXT)


def _deliver_alone() -> _Call:
    """Return `deliver`."""
    from push_relay.bootstrap import deliver  # noqa: PLC0415

    consumer = deliver.build(Common.of(Settings.read()))
    relay, ledger = _in_memory(consumer.relay)
    consumer = replace(consumer, relay=relay)

    def call(invocation: dict[str, Any]) -> dict[str, Any]:
        ledger.items.clear()
        return consumer.handle(invocation, _CONTEXT)

    return call


def _receive() -> _Call:
    """Return the handler of `receive`, with everything."""
    from push_relay.receive import handler  # noqa: PLC0415

    return lambda invocation: handler(invocation, _CONTEXT)


def _deliver() -> _Call:
    """Return the handler of `deliver`, with everything."""
    from push_relay.deliver import handler  # noqa: PLC0415

    return lambda invocation: handler(invocation, _CONTEXT)


_SIDES: Final[Mapping[str, Callable[[], _Call]]] = {
    "receive_alone": _receive_alone,
    "receive_stub": _receive_stub,
    "deliver_alone": _deliver_alone,
    "receive": _receive,
    "deliver": _deliver,
}


def main(name: str, invocation: Path) -> None:
    """Measure one side."""
    call, event = _SIDES[name](), json.loads(invocation.read_text("utf-8"))

    def side() -> None:
        if not is_done(answer := call(event)):
            raise SystemExit(f"bench: the event was not taken: {answer}")

    serve(side)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
