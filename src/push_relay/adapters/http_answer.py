"""Read the final answer to an HTTP/1.1 request: after interim answers, in time, and not beyond its end.

`http.client` takes the interim answers 102 and 103 for final ones, trusts the framing of every answer, and
limits the time of single operations, so a server that sends a byte a second could keep it busy for hours. It
also costs as much at each start as an interpreter's own start, because it reads heads as e-mails.

https://www.rfc-editor.org/rfc/rfc9112
"""

import re
import time
import zlib
from collections.abc import Iterator, Mapping
from socket import socket as Socket  # noqa: N812 (a type)

#: Bytes of one answer that are read at most besides its body: interim answers, heads, chunk sizes, trailers.
_MAX_OTHER_BYTES = 1024 * 1024
_PIECE_BYTES = 16 * 1024
_MAX_LINE_BYTES, _MAX_HEADERS = 64 * 1024, 100
_OK, _SWITCHING_PROTOCOLS = 200, 101
_NO_CONTENT = (204, 304)
_COMPRESSED = ("gzip", "x-gzip", "deflate")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class BadAnswer(Exception):
    """An answer is not one of HTTP/1.1, or is too long."""


class RemoteDisconnected(ConnectionResetError):
    """The server has closed the connection, and sent nothing."""


#: Exceptions that reading an answer may raise.
READ_ERRORS = (OSError, BadAnswer)


def seconds_left(deadline: float) -> float:
    """Return the seconds until a moment of the monotonic clock. Raises TimeoutError if it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


class Headers:
    """The headers of an answer. Names have no case."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, value: str) -> None:
        """Add one."""
        self._values.setdefault(name.lower(), []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a name."""
        values = self._values.get(name.lower())
        return values[0] if values else default

    def listed(self, name: str) -> list[str]:
        """Return the items of all values of a name, in lower case."""
        values = self._values.get(name.lower(), ())
        return [item.strip().lower() for value in values for item in value.split(",")]


class _Reader:
    """Reads a limited number of bytes from a socket, within the time that is left."""

    def __init__(self, sock: Socket, deadline: float, most: int) -> None:
        self._sock, self._deadline, self._left = sock, deadline, most
        self.buffer = bytearray()
        self.has_read = False

    def fill(self) -> bool:
        """Read what there is into the buffer; return whether there was something before the end."""
        if self._left <= 0:
            raise BadAnswer("the answer is too long")
        self._sock.settimeout(seconds_left(self._deadline))
        piece = self._sock.recv(min(_PIECE_BYTES, self._left))
        self._left -= len(piece)
        self.buffer += piece
        self.has_read |= bool(piece)
        return bool(piece)

    def line(self) -> bytes:
        """Return the next line without its end. Raises BadAnswer if there is none, or if it is too long."""
        start = 0
        while (end := self.buffer.find(b"\n", start)) < 0:
            start = len(self.buffer)
            if start > _MAX_LINE_BYTES or not self.fill():
                raise BadAnswer("a line of the answer has no end")
        if end > _MAX_LINE_BYTES:
            raise BadAnswer("a line of the answer is too long")
        line = bytes(self.buffer[:end]).removesuffix(b"\r")
        del self.buffer[: end + 1]
        return line

    def take(self, count: int) -> bytes:
        """Return the next bytes, `count` at most; none at the end."""
        if not self.buffer and not self.fill():
            return b""
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken


class FinalAnswer:
    """The final answer to a request, of whose body `limit` bytes are read at most.

    The constructor reads the head. Raises what READ_ERRORS lists.
    """

    def __init__(self, sock: Socket, deadline: float, limit: int) -> None:
        self._reader = _Reader(sock, deadline, limit + _MAX_OTHER_BYTES)
        self._limit = limit
        while True:
            self._is_1_1, self.status, self.headers = self._head()
            if self.status >= _OK:
                break
            # The relay does not ask for another protocol, and could not read the answer in it.
            if self.status == _SWITCHING_PROTOCOLS:
                raise BadAnswer("another protocol")
        self._length: int | None = None
        self._is_readable, self._is_complete = True, False
        self._frame()

    @property
    def is_ended(self) -> bool:
        """Whether the answer was read to its certain end, and the server has sent nothing after it."""
        return self._is_certain and self._is_complete and not self._reader.buffer

    def read_body(self) -> tuple[bytes | None, bool]:
        """Return the body's first bytes, or None if they cannot be read; and whether the time was up."""
        try:
            body = self._read() if self._is_readable else None
        except READ_ERRORS as exc:
            return None, isinstance(exc, TimeoutError)
        # The relay does not ask for compression, but some proxies compress anyway.
        is_compressed = self.headers.get("Content-Encoding").strip().lower() in _COMPRESSED
        return (_inflated(body, self._limit) if body and is_compressed else body), False

    # --- the head -----------------------------------------------------------------------------------

    def _head(self) -> tuple[bool, int, Headers]:
        """Read one head: whether it is of HTTP/1.1, its status and its headers."""
        first = self._first_line()
        matched = _STATUS_LINE.fullmatch(first)
        if not matched:
            raise BadAnswer("the status line is not one of HTTP/1.1")
        headers, last = Headers(), ""
        lines = 0
        while line := self._reader.line():
            lines += 1
            if lines > _MAX_HEADERS:
                raise BadAnswer("there are too many headers")
            text = line.decode("latin-1")
            if text[0] in " \t" and last:
                continue  # the rest of a folded value, which no header that is read here has
            last, colon, value = text.partition(":")
            if colon:
                headers.add(last, value.strip())
        return matched[1] != b"0", int(matched[2]), headers

    def _first_line(self) -> bytes:
        try:
            return self._reader.line()
        except BadAnswer:
            if self._reader.has_read:
                raise
            raise RemoteDisconnected("the server has sent nothing") from None

    def _frame(self) -> None:
        """Find the body's end by RFC 9112, section 6.3. If the head has two ends, neither is trusted."""
        headers = self.headers
        lengths, codings = headers.listed("Content-Length"), headers.listed("Transfer-Encoding")
        closes = "close" in headers.listed("Connection")
        self._is_chunked = codings == ["chunked"]
        length = lengths[0] if lengths else ""
        if self.status in _NO_CONTENT:
            self._is_chunked, self._length = False, 0
        elif codings:
            self._is_readable = self._is_chunked
        elif len(set(lengths)) == 1 and length.isascii() and length.isdecimal():
            self._length = int(length[:18])
        else:
            # Without a valid length, the body lasts until the connection ends.
            self._is_readable = len(set(lengths)) <= 1
            closes = True
        self._is_certain = len(lengths) + len(codings) <= 1 and self._is_1_1 and not closes

    # --- the body -----------------------------------------------------------------------------------

    def _read(self) -> bytes | None:
        """Return the body's first bytes; None if the connection has ended before its end."""
        if self._is_chunked:
            return self._joined(self._chunks())
        if self._length is None:
            return self._joined(iter(lambda: self._reader.take(_PIECE_BYTES), b""))
        body = self._joined(self._pieces(self._length))
        self._is_complete = len(body) == self._length
        # The connection may have ended before the length in the head.
        return None if len(body) < min(self._length, self._limit) else body

    def _joined(self, pieces: Iterator[bytes]) -> bytes:
        body = bytearray()
        for piece in pieces:
            body += piece[: self._limit - len(body)]
            if len(body) == self._limit:
                break
        return bytes(body)

    def _pieces(self, length: int) -> Iterator[bytes]:
        while length and (piece := self._reader.take(length)):
            yield piece
            length -= len(piece)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = _CHUNK_SIZE.fullmatch(self._reader.line())
            if not size:
                raise BadAnswer("the size of a chunk is not one")
            left = int(size[1], 16)
            if not left:
                break
            for piece in self._pieces(left):
                left -= len(piece)
                yield piece
            if left or self._reader.line():
                raise BadAnswer("a chunk has no end")
        while self._reader.line():
            pass  # trailers
        self._is_complete = True


def _inflated(body: bytes, limit: int) -> bytes | None:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, limit)
    except zlib.error:
        return None


def request_head(target: str, headers: Mapping[str, str], length: int) -> bytes:
    """Return the head of a POST. Raises ValueError for a header that would end the head."""
    lines = [f"POST {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    lines += [f"Content-Length: {length}", "Accept-Encoding: identity", "\r\n"]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines):
        raise ValueError("a header has more than one line")
    return head.encode("latin-1")
