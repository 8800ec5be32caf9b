"""The certificates that SNS, and other senders, sign with: which ones are kept, and how many are fetched.

Anybody can write a message that names a certificate. A flood of forged messages, each with another name, must
neither become a flood of fetches nor displace the certificate that SNS really uses.
`fetched_keys.py` has the same rules for each other sender whose requests name a certificate.
"""

from collections.abc import Callable

from push_relay.core.errors import CredentialsUnavailable

#: Certificates that are kept. SNS signs with one in a region.
MAX_KEPT = 16
#: Fetches of one process in PERIOD_SECS.
MAX_FETCHES, PERIOD_SECS = 10, 60.0
#: Of these fetches, those that only a name that was refused before may use. SNS repeats its message, which
#: names the same certificate again; a forger who makes names up does not.
RESERVED_FOR_REPEATED = 5
#: Refused names that are remembered.
MAX_REFUSED = 4096


class KnownCertificates:
    """Certificates by their addresses, which name their content, so that a certificate never changes.

    fetch  returns the certificate (PEM) at an address, or None if SNS has none there; raises
           CredentialsUnavailable
    owner  whose certificates they are, for a log line

    Not safe for several threads: a function handles one request at a time.
    """

    def __init__(
        self, fetch: Callable[[str], bytes | None], monotonic: Callable[[], float], owner: str = "SNS's"
    ) -> None:
        self._owner = owner
        self._fetch = fetch
        self._monotonic = monotonic
        self._certificates: dict[str, bytes] = {}  # the one that was not used for longest is first
        self._fetches: list[float] = []  # when certificates were fetched
        self._absent: dict[str, float] = {}  # names that SNS does not have, and since when that is known
        self._refused: dict[str, None] = {}  # names for which no fetch was left, the oldest first

    def __call__(self, url: str) -> bytes:
        """Return a certificate (PEM); empty if SNS has none of that name.

        Raises CredentialsUnavailable, also if no fetch is left in this minute. A kept certificate costs no
        fetch, and names of certificates that do not exist cannot displace it.
        """
        if url not in self._certificates:
            found = self._fetched(url)
            if not found:
                return b""
            if len(self._certificates) >= MAX_KEPT:
                del self._certificates[next(iter(self._certificates))]
            self._certificates[url] = found
        # Taken out and put in again, it becomes the last.
        self._certificates[url] = self._certificates.pop(url)
        return self._certificates[url]

    def _fetched(self, url: str) -> bytes:
        now = self._monotonic()
        self._absent = {name: since for name, since in self._absent.items() if now - since < PERIOD_SECS}
        if url in self._absent:
            return b""
        self._count(url, now)
        found = self._fetch(url)
        if found is None:
            self._absent[url] = now
        return found or b""

    def _count(self, url: str, now: float) -> None:
        """Count a fetch. Raises CredentialsUnavailable if none is left for this name."""
        self._fetches = [moment for moment in self._fetches if now - moment < PERIOD_SECS]
        allowed = MAX_FETCHES if url in self._refused else MAX_FETCHES - RESERVED_FOR_REPEATED
        if len(self._fetches) >= allowed:
            if len(self._refused) >= MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
            self._refused[url] = None
            wait_secs = PERIOD_SECS - (now - self._fetches[0])
            raise CredentialsUnavailable(
                f"too many of {self._owner} certificates are asked for", retry_after=wait_secs
            )
        self._fetches.append(now)
