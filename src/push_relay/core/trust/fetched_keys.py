"""Keys that senders publish at fixed addresses: how long they are kept, and how often they are fetched.

A scheme has pinned the address, and has checked everything else that can be checked without the key. Still,
anybody can write a token that names a key which does not exist, so fetches are bounded by time and not by
requests. docs/security.md ("Fetched keys") has the reasons.

| address           | kept                                                | fetched                  |
|-------------------|-----------------------------------------------------|--------------------------|
| names its content | MAX_AGE_SECS at most, MAX_KEPT of a host            | as SNS's certificates    |
| has changing keys | FRESH_SECS; MAX_AGE_SECS while it cannot be fetched | every RETRY_SECS at most |
"""

import math
from collections.abc import Callable

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.trust.certificates import KnownCertificates

#: Seconds after which a set of keys is fetched again. A key that its owner has removed ends by then.
FRESH_SECS = 3600.0
#: Seconds for which a key is used at most, while its owner's server fails too.
MAX_AGE_SECS = 6 * 3600.0
#: Seconds between two fetches of a set because a token fits none of its keys, and after a failed first fetch.
#: All names are in one document, so that one fetch answers for all of them: made-up names cannot use up what
#: a new key needs.
RETRY_SECS = 10.0
#: Seconds between two attempts to fetch a set again that can still be used.
REFRESH_RETRY_SECS = 60.0
#: How the text of an error begins.
_TROUBLE = "the sender's keys cannot be read"

#: Returns the document at an address, or None if there is none; raises CredentialsUnavailable.
type Fetch = Callable[[str], bytes | None]
#: Returns whether a document holds keys. One that does not never replaces one that does.
type IsUsable = Callable[[bytes], bool]


@dataclass(slots=True)
class _KeySet:
    """A set of keys, and when it was fetched (time of day) and attempted last (monotonic)."""

    document: bytes = b""
    fetched: float = -math.inf
    tried: float = -math.inf
    error: str = ""


class FetchedKeys:
    """The keys of all sources that publish theirs.

    fetch      calls the address; no redirects, within bounds
    now        seconds since the epoch. Ages are measured by it, because the monotonic clock of a function
               that Lambda has frozen may stand still.
    monotonic  seconds that never step back

    The number of addresses is bounded by the configuration. Not safe for several threads: a function handles
    one request at a time.
    """

    def __init__(self, fetch: Fetch, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._monotonic = monotonic
        self._sets: dict[str, _KeySet] = {}
        self._named: dict[str, tuple[float, KnownCertificates]] = {}  # by host, and since when

    def named(self, host: str, url: str) -> bytes:
        """Return the document of an address that names its content; empty if there is none.

        Raises CredentialsUnavailable, also if no fetch is left in this minute.
        """
        since, known = self._named.get(host, (-math.inf, None))
        if known is None or not 0 <= self._now() - since < MAX_AGE_SECS:
            known = KnownCertificates(self._fetch, self._monotonic, owner="a sender's")
            self._named[host] = (self._now(), known)
        return known(url)

    def current(self, url: str, is_usable: IsUsable) -> bytes:
        """Return the set of keys at an address. Raises CredentialsUnavailable."""
        kept = self._sets.setdefault(url, _KeySet())
        age = self._now() - kept.fetched
        if 0 <= age < FRESH_SECS:
            return kept.document
        can_be_used = bool(kept.document) and 0 <= age < MAX_AGE_SECS
        wait_secs = kept.tried + (REFRESH_RETRY_SECS if can_be_used else RETRY_SECS) - self._monotonic()
        if wait_secs <= 0:
            try:
                return self._fetched(kept, url, is_usable)
            except CredentialsUnavailable:
                if not can_be_used:
                    raise
        if can_be_used:
            return kept.document
        raise CredentialsUnavailable(kept.error or _TROUBLE, retry_after=wait_secs)

    def renewed(self, url: str, is_usable: IsUsable) -> bytes:
        """Fetch a set of keys again, because a token fits none of them.

        Raises CredentialsUnavailable, also if the set was fetched a moment ago: the token may be signed with
        a newer key.
        """
        kept = self._sets.setdefault(url, _KeySet())
        wait_secs = kept.tried + RETRY_SECS - self._monotonic()
        if wait_secs > 0:
            raise CredentialsUnavailable("the sender's keys were fetched a moment ago", retry_after=wait_secs)
        return self._fetched(kept, url, is_usable)

    def _fetched(self, kept: _KeySet, url: str, is_usable: IsUsable) -> bytes:
        kept.tried = self._monotonic()
        try:
            document = _usable(self._fetch(url), is_usable)
        except CredentialsUnavailable as exc:
            kept.error = exc.detail
            raise
        kept.document, kept.fetched, kept.error = document, self._now(), ""
        return document


def _usable(document: bytes | None, is_usable: IsUsable) -> bytes:
    if not document or not is_usable(document):
        raise CredentialsUnavailable(f"{_TROUBLE} (there are none of the configured form)")
    return document
