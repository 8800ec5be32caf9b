"""A GET of an address of the internet: no redirect is followed, and time and memory are bounded.

A stranger may have caused the call. The core has pinned the host, and no redirect is followed from there.
"""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from push_relay.core.errors import CredentialsUnavailable

if TYPE_CHECKING:
    from urllib3 import PoolManager

#: Seconds that a server may take to accept a connection, to send something, and to send the whole answer.
CONNECT_SECS, READ_SECS, TOTAL_SECS = 2.0, 3.0, 4.0


class BoundedGet:
    """Gets addresses, each over a connection of its own. The first one imports urllib3, because few do."""

    def __init__(self, pool: "PoolManager | None" = None) -> None:
        self._given = pool

    @cached_property
    def _pool(self) -> "PoolManager":
        if self._given:
            return self._given
        from urllib3 import PoolManager, Timeout  # noqa: PLC0415 (as the class's docstring states)

        from push_relay.adapters import tls  # noqa: PLC0415

        timeout = Timeout(connect=CONNECT_SECS, read=READ_SECS, total=TOTAL_SECS)
        return PoolManager(
            num_pools=4, maxsize=1, timeout=timeout, cert_reqs="CERT_REQUIRED", ssl_context=tls.context()
        )

    def __call__(
        self, url: str, trouble: str, *, limit: int, secs: float, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the body of the answer.

        trouble  begins the text of an error
        limit    bytes of the body
        secs     seconds that the whole answer may take

        Raises CredentialsUnavailable if there is no answer, or if it is too long or too slow.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        deadline, body = time.monotonic() + secs, b""
        try:
            response = self._pool.request(
                "GET",
                url,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                while chunk := response.read1(limit + 1 - len(body)):
                    body += chunk
                    if len(body) > limit or time.monotonic() > deadline:
                        raise CredentialsUnavailable(f"{trouble} (too long an answer)")
            finally:
                response.close()
                # Calls are hours apart, and by then the server has closed any connection that was kept.
                self._pool.clear()
        except HTTPError as exc:
            raise CredentialsUnavailable(f"{trouble} ({type(exc).__name__})") from None
        return response.status, body
