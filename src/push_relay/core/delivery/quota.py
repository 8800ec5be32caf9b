"""What the calls of a day may be used for: the account's quota, its reserve, and each source's budget.

Pure rules; an adapter counts the calls. The vendor's limit is the account's `daily_calls`, and nothing here
allows more. A budget keeps one source from using up the calls of all others.
"""

from collections.abc import Mapping
from typing import NamedTuple

from push_relay.core.account import Account
from push_relay.core.push import Push

#: The part of the unreserved calls that one source may use by default, if several sources have routes.
DEFAULT_SHARE_PERCENT = 50


class Allowance(NamedTuple):
    """What one call is counted against.

    total    calls of the account that the day may have, this one included
    counted  the push's sources that have a budget: the call counts for each of them
    budgets  the same with their budgets, if they bound this call; else empty
    """

    total: int
    counted: tuple[str, ...] = ()
    budgets: Mapping[str, int] = {}


class Quota(NamedTuple):
    """The account's calls of a day, and how many of them a source may use; without a budget all of them."""

    account: Account
    budgets: Mapping[str, int] = {}

    def allowance(self, push: Push) -> Allowance:
        """Return what the call for a push is counted against.

        An urgent push counts for its source and is not bounded by it. The push of a batch window counts for
        each of the sources that it gathers from. It is refused only if the budgets of all of them are used
        up: one source cannot hold back what the others have to say.
        """
        counted = tuple(source for source in push.sources if source in self.budgets)
        if push.high:
            return Allowance(self.account.daily_calls, counted)
        bounded = counted if len(counted) == len(push.sources) else ()
        total = self.account.daily_calls * (100 - self.account.reserved_percent) // 100
        return Allowance(total, counted, {source: self.budgets[source] for source in bounded})


def default_budget(account: Account) -> int:
    """Return the budget of a source for which none is configured, if several sources have routes."""
    return max(1, account.daily_calls * (100 - account.reserved_percent) * DEFAULT_SHARE_PERCENT // 10_000)
