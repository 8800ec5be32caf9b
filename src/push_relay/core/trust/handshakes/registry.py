"""The handshakes by the names that a source's `handshake` uses."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from push_relay.core.trust.handshake_names import AS_DATA, SPECIAL
from push_relay.core.trust.handshakes.base import Handshake, no_text

if TYPE_CHECKING:
    from push_relay.core.trust.handshakes.row import Row

#: The handshake of a source that has none.
NO_HANDSHAKE = Handshake()


def handshake_named(name: str, *, proven_by_url: bool = False) -> Handshake:
    """Return the handshake of a name, which HANDSHAKE_NAMES lists. It is loaded when a source names it.

    proven_by_url  whether the webhook's URL holds a token, so that every question is proven by it too
    """
    # Each is imported where it is needed: most sources have none.
    match name:
        case "sns":
            from push_relay.core.trust.handshakes import sns  # noqa: PLC0415

            # Only `sns-http` proves which topic asks. Under another scheme a caller could make the relay
            # fetch a URL.
            return Handshake(sns.confirm, scheme="sns-http")
        case "cloudevents":
            from push_relay.core.trust.handshakes import cloudevents  # noqa: PLC0415

            return Handshake(preflight=cloudevents.preflight)
    return _of_data(name, proven_by_url=proven_by_url)


def _signs(rows: Sequence["Row"]) -> bool:
    return any(row.signs for row in rows)


def _of_data(name: str, *, proven_by_url: bool) -> Handshake:
    from push_relay.core.trust.handshakes import engine  # noqa: PLC0415
    from push_relay.core.trust.handshakes.rows import ROWS  # noqa: PLC0415

    rows = ROWS[name]
    proven = tuple(row for row in rows if row.signed or (proven_by_url and row.method == "POST"))
    return Handshake(
        answer=lambda request, key: engine.answer_proven(proven, request, key),
        unproven=tuple(row for row in rows if row not in proven),
        is_signed_for_anybody=partial(engine.is_signed_for_anybody, rows) if _signs(rows) else no_text,
    )


def all_handshakes() -> dict[str, Handshake]:
    """Return every handshake by its name."""
    return {name: handshake_named(name) for name in (*AS_DATA, *SPECIAL)}
