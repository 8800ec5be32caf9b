"""Read the final answer to an HTTP/1.1 request: after interim answers, in time, and not beyond its end.

`http.client` ignores the interim answer 100, but treats 102 and 103 as final ones. Every later call on the
connection would then read its predecessor's answer. It also trusts the framing of every answer, and its
timeouts apply to single operations, so a server that sends a byte a second could keep it busy for hours.
"""

import http.client
import io
import socket
import time
import zlib
from http import HTTPStatus
from http.client import HTTPException

#: Exceptions that reading an answer may raise.
READ_ERRORS = (OSError, HTTPException, ValueError)
#: Bytes of one answer that are read at most besides its body: interim answers, heads, chunk sizes, trailers.
_MAX_OTHER_BYTES = 1024 * 1024
_NO_CONTENT = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_COMPRESSED = ("gzip", "x-gzip", "deflate")
_HTTP_1_1 = 11  # http.client's number for it


def seconds_left(deadline: float) -> float:
    """Return the seconds until a moment of the monotonic clock. Raises TimeoutError if it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


class _TimedReader(io.RawIOBase):
    """Reads a limited number of bytes from a socket, within the time that is left."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float, most: int) -> None:
        self._sock = sock
        self._raw = raw
        self._deadline = deadline
        self._left = most
        self.is_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]", /) -> int | None:  # type: ignore[override]
        if self.is_ended:
            return 0
        if self._left <= 0:
            raise HTTPException("the answer is too long")
        self._sock.settimeout(seconds_left(self._deadline))
        read = self._raw.readinto(buffer[: self._left])
        self._left -= read or 0
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _AnswerReader(io.BufferedReader):
    """A buffer that finds out, when the answer was read, whether the server has sent more than that."""

    def __init__(self, raw: _TimedReader) -> None:
        super().__init__(raw)
        self._timed = raw
        self.has_surplus = False

    def close(self) -> None:
        if not self.closed:
            self._timed.is_ended = True
            self.has_surplus = bool(self.peek(1))
        super().close()


class FinalResponse(http.client.HTTPResponse):
    """The final answer to a request."""

    def __init__(self, sock: socket.socket, *, deadline: float, limit: int, method: str) -> None:
        super().__init__(sock, method=method)
        most = limit + _MAX_OTHER_BYTES
        self._reader = _AnswerReader(_TimedReader(sock, self.fp.detach(), deadline, most))
        self.fp = self._reader
        self._is_readable = True
        self._is_certain = False

    def begin(self) -> None:
        """Read the head of the final answer. The heads of interim answers before it are ignored."""
        super().begin()
        while self.status < HTTPStatus.OK:
            # The relay does not ask for another protocol, and could not read the answer in it.
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise HTTPException("another protocol")
            self.headers = self.msg = None  # type: ignore[assignment]  # not read yet
            super().begin()
        self._frame()

    def _frame(self) -> None:
        """Find the body's end by RFC 9112, section 6.3. If the head has two ends, neither is trusted."""
        lengths, codings = self._listed("Content-Length"), self._listed("Transfer-Encoding")
        self.chunked, self.chunk_left, self.length = codings == ["chunked"], None, None
        if self.status in _NO_CONTENT:
            self.chunked, self.length = False, 0
        elif codings:
            self._is_readable = self.chunked
        elif len(set(lengths)) == 1 and lengths[0].isascii() and lengths[0].isdecimal():
            self.length = int(lengths[0][:18])
        else:
            # Without a valid length, the body lasts until the connection ends.
            self._is_readable = len(set(lengths)) <= 1
            self.will_close = True
        is_certain = len(lengths) + len(codings) <= 1
        self._is_certain = is_certain and self.version == _HTTP_1_1 and not self.will_close

    def _listed(self, name: str) -> list[str]:
        values = self.headers.get_all(name, [])
        return [item.strip().lower() for value in values for item in value.split(",")]

    @property
    def is_ended(self) -> bool:
        """Whether the answer was read to its certain end, and the server has sent nothing after it."""
        return self._is_certain and self.isclosed() and not self._reader.has_surplus

    def read_body(self, limit: int) -> tuple[bytes | None, bool]:
        """Return the body's first bytes, or None if they cannot be read; and whether the time was up."""
        try:
            body = self._read_to(limit) if self._is_readable else None
        except READ_ERRORS as exc:
            return None, isinstance(exc, TimeoutError)
        # The relay does not ask for compression, but some proxies compress anyway.
        is_compressed = self.headers.get("Content-Encoding", "").strip().lower() in _COMPRESSED
        return (_inflated(body, limit) if body and is_compressed else body), False

    def _read_to(self, limit: int) -> bytes | None:
        body = b""
        while len(body) < limit:
            read = self.read1(limit - len(body))
            if not read:
                # The connection may have ended before the length in the head.
                return None if self.length else body
            body += read
        return body


def _inflated(body: bytes, limit: int) -> bytes | None:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, limit)
    except zlib.error:
        return None
