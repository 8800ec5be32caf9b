"""Signature Version 4 of the calls that the relay makes: a POST without a query, whose body is JSON.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

botocore's signer is the authority, and tests compare each signature with its. It is not used here, because it
imports more than the rest of the relay together (decision 127).
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
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
        # The key of a day, with what it was made of: it costs as much as the rest of the signature.
        self._key: tuple[str, str, bytes] = ("", "", b"")

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
        lines = sorted((name.lower(), " ".join(value.split())) for name, value in result.items())
        names = ";".join(name for name, _ in lines)
        canonical = "".join(f"{name}:{value}\n" for name, value in lines)
        request = f"POST\n{quote(path or '/', safe='/~')}\n\n{canonical}\n{names}\n{_sha256(body)}"
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{_sha256(request.encode())}"
        signature = _hmac(self._day_key(credentials.secret_key, moment[:8]), text).hex()
        result["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return result

    def _day_key(self, secret_key: str, day: str) -> bytes:
        secret, of_day, key = self._key
        if (secret, of_day) != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            # One assignment, because several threads sign.
            self._key = (secret_key, day, key)
        return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
