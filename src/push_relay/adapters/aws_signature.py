"""Signature Version 4 of the calls that the relay makes: a POST without a query, whose body is JSON.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

botocore's signer is the authority, and tests compare each signature with its. It is not used here, because it
imports more than the rest of the relay together (decision 127).
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """The credentials of a role. `token` is empty for those of a user."""

    access_key: str
    secret_key: str
    token: str = ""


class Signer:
    """Signs calls of one service in one region."""

    def __init__(self, service: str, region: str) -> None:
        self._service, self._region = service, region

    def signed(
        self,
        credentials: Credentials,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        """Return the headers of a POST with those that sign it.

        path     of the URL, as it is sent
        headers  those to be sent. All are signed, and `Host` must be among them
        now      seconds since the epoch
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        result = {**headers, "X-Amz-Date": moment}
        if credentials.token:
            result["X-Amz-Security-Token"] = credentials.token
        order, names = _order(tuple(result))
        canonical = "".join([f"{name.lower()}:{' '.join(result[name].split())}\n" for name in order])
        request = f"POST\n{quote(path, safe='/~')}\n\n{canonical}\n{names}\n{_sha256(body)}"
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{_sha256(request.encode())}"
        key = _key(credentials.secret_key, moment[:8], self._region, self._service)
        signature = _hmac(key, text).hex()
        result["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return result


@lru_cache(maxsize=8)  # all calls of a service have the same headers
def _order(names: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the names of headers in the order of the signature, and the text that lists them."""
    order = sorted(names, key=str.lower)
    return order, ";".join(order).lower()


@lru_cache(maxsize=8)  # it costs as much as the rest of a signature, and is the same for a day
def _key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
