"""The times of a token: when it was signed, and between which times it is valid."""

from push_relay.core.errors import Stale
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.jwt_table import JOSE, TimeTable
from push_relay.core.trust.schemes.moment import require_fresh
from push_relay.core.trust.schemes.proof import no_fit

#: The latest time that is read as one: in the year 5138, as in `moment.py`.
_MAX_TIME = 99_999_999_999


class Validity:
    """Judges the times of tokens."""

    def __init__(self, table: TimeTable) -> None:
        self._table = table

    def check(self, claims: JsonObject, jose: JsonObject, now: float) -> None:
        """Raise Stale if a token is not valid now; SignatureInvalid if a time is missing or is not a number.

        A time is a number of seconds since the epoch, which may have a fraction (RFC 7519, 2).
        """
        table = self._table
        expires, begins, issued = (
            self._moment(name, claims, jose) for name in (table.expires, table.not_before, table.issued)
        )
        leeway = table.leeway_secs
        if (expires is not None and now >= expires + leeway) or (
            begins is not None and now < begins - leeway
        ):
            raise Stale("the request was signed too long ago, or in the future")
        if issued is not None:
            past = table.tolerance_secs or float("inf")
            require_fresh(issued, now, past, table.tolerance_secs or leeway)

    def _moment(self, name: str | None, claims: JsonObject, jose: JsonObject) -> float | None:
        if name is None:
            return None
        members = jose if name.startswith(JOSE) else claims
        value = members.get(name.removeprefix(JOSE))
        if value is None and not self._table.required:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_TIME:
            raise no_fit()
        return float(value)
