"""The rules of the day's calls: the account's quota, its reserve, and each source's budget.

`permit_calls.py` counts the calls. The vendor's limit is the account's `daily_calls`, and these rules never
allow more. A budget prevents one source from using up the calls of all others.
"""

from collections.abc import Mapping
from typing import NamedTuple

from push_relay.core.account import Account
from push_relay.core.push import Push

#: The part of the unreserved calls that one source may use by default, if several sources have routes.
DEFAULT_SHARE_PERCENT = 50


class Allowance(NamedTuple):
    """The limits of one call.

    total    calls of the account on the day, this one included
    counted  the push's sources that have a budget: the call counts for each of them
    budgets  the same sources with their budgets, if the budgets limit this call; else empty
    """

    total: int
    counted: tuple[str, ...] = ()
    budgets: Mapping[str, int] = {}


class Quota(NamedTuple):
    """An account's calls of a day, and the budgets of its sources. A source without one may use all calls."""

    account: Account
    budgets: Mapping[str, int] = {}

    @property
    def unreserved(self) -> int:
        """The calls of a day that need not be urgent."""
        return self.account.daily_calls * (100 - self.account.reserved_percent) // 100

    def allowance(self, push: Push) -> Allowance:
        """Return the limits of the call for a push.

        An urgent push counts for its source, whose budget does not limit it. A batch push counts for each
        source of its pushes. It is refused only if the budgets of all of them are used up, so that one source
        cannot delay the pushes of the others.
        """
        counted = tuple(source for source in push.sources if source in self.budgets)
        if push.high:
            return Allowance(self.account.daily_calls, counted)
        bounded = counted if len(counted) == len(push.sources) else ()
        return Allowance(self.unreserved, counted, {source: self.budgets[source] for source in bounded})


def default_budget(account: Account) -> int:
    """Return the budget of a source for which none is configured, if several sources have routes."""
    return max(1, account.daily_calls * (100 - account.reserved_percent) * DEFAULT_SHARE_PERCENT // 10_000)
