"""`relayctl send` posts to a stack in AWS by TLS, and to nobody whose certificate is not trusted."""

from pathlib import Path

import pytest

from raw_server import raw, reply
from relayctl.webhook import Webhook, send
from tls_authority import Authority

BODY = b'{"id":"e-1"}'
ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nX-Correlation-Id: c-1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
REQUEST = Webhook({"x-event": "issues", "host": "old.example"}, b'{"a": 1}  ', {"tenant": "a b"})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use none, although the machine that runs the tests may need one."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_request_is_posted_as_it_was_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, to the endpoint's own host."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with raw(reply(ANSWER, closing=True), authority.server()) as server:
        given = send(REQUEST, f"{server.address}/webhooks/shop")
    assert (given.status, given.body, given.headers["x-correlation-id"]) == (202, BODY.decode(), "c-1")
    (head,) = server.heads
    assert head.startswith(b"POST /webhooks/shop?tenant=a+b HTTP/1.1\r\n")
    assert b"x-event: issues" in head
    assert b"old.example" not in head
    assert server.bodies == [REQUEST.body]


def test_a_server_that_is_not_trusted_gets_no_request(tmp_path: Path) -> None:
    """The error is one that the command explains."""
    stranger = Authority(tmp_path).server()
    with raw(reply(ANSWER), stranger) as server, pytest.raises(OSError, match="certificate"):
        send(REQUEST, f"{server.address}/webhooks/shop")
    assert not server.requests
