"""Webhooks: read them from examples, and send them to the endpoint of a stack."""

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from relayctl.local_aws import HOST

#: More than the endpoint's own timeout of 30 s.
_TIMEOUT_SECS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of a sender. The header names are lower-case.

    url   as the sender calls it, if the example gives it
    path  the path of the call, if the example gives it
    """

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    url: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The endpoint's response. The header names are lower-case."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """Whether the relay has accepted the request, so that the sender need not retry it."""
        return self.status in {http.client.OK, http.client.ACCEPTED}


def read_example(file: Path) -> Webhook:
    """Read an example's `<name>.request.json`."""
    return read_webhook(json.loads(file.read_text(encoding="utf-8")))


def read_webhook(example: Mapping[str, Any]) -> Webhook:
    """Read an example. Raises ValueError, whose text names the member that is wrong."""
    texts = {name: _text(example, name) for name in ("method", "url", "path") if name in example}
    headers, query = _joined(example, "headers", ", "), _joined(example, "query", ",")
    return Webhook(headers, _body(example), query, **texts)


def _body(example: Mapping[str, Any]) -> bytes:
    """Return a body: a text is the body as it is, and any other value is written as JSON.

    With `isBase64Encoded`, the text is base64.
    """
    body = example.get("body")
    if example.get("isBase64Encoded", False) is True:
        try:
            return base64.b64decode(body if isinstance(body, str) else "", validate=True)
        except ValueError:
            raise ValueError("`body` is not base64, though `isBase64Encoded` is true") from None
    if body is None:
        return b""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("`body` holds half of a surrogate pair") from None


def _joined(example: Mapping[str, Any], name: str, separator: str) -> Mapping[str, str]:
    """Return headers or parameters. The values of a repeated one are a list, and are joined as AWS does."""
    given = example.get(name)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"`{name}` is not an object")  # noqa: TRY004 (one kind of error for every member)
    values = {key: value if isinstance(value, list) else [value] for key, value in given.items()}
    if not all(isinstance(text, str) for texts in values.values() for text in texts):
        raise ValueError(f"`{name}` has a value that is neither a text nor a list of texts")
    return {key: separator.join(texts) for key, texts in values.items()}


def _text(example: Mapping[str, Any], name: str) -> str:
    value = example[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` is not a text")
    return value


def send(webhook: Webhook, url: str) -> Answer:
    """Send a webhook to the URL of an endpoint, and return the response.

    The host name of a local AWS does not resolve. So the request goes to 127.0.0.1, with the host name in the
    `Host` header. Raises OSError or http.client.HTTPException if there is no response.
    """
    target = urlsplit(url)
    path = f"{target.path}?{urlencode(webhook.query)}" if webhook.query else target.path
    if target.scheme == "https":
        return _send_by_tls(webhook, f"https://{target.netloc}{path}")
    connection = http.client.HTTPConnection(HOST, target.port or 80, timeout=_TIMEOUT_SECS)
    try:
        connection.request(webhook.method, path, webhook.body, {**webhook.headers, "host": target.netloc})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.read().decode("utf-8", errors="replace"), headers)
    finally:
        connection.close()


def _send_by_tls(webhook: Webhook, url: str) -> Answer:
    """Send a webhook to an endpoint in AWS, through the proxy of the environment if there is one."""
    import urllib3

    proxy = getproxies().get("https")
    is_direct = not proxy or proxy_bypass(urlsplit(url).netloc)
    # The endpoint's own host is the one that API Gateway expects.
    headers = {name: value for name, value in webhook.headers.items() if name.lower() != "host"}
    try:
        with urllib3.PoolManager() if is_direct else urllib3.ProxyManager(proxy or "") as pool:
            response = pool.request(
                webhook.method,
                url,
                body=webhook.body,
                headers=headers,
                timeout=_TIMEOUT_SECS,
                retries=False,
                redirect=False,
            )
    except urllib3.exceptions.HTTPError as exc:
        raise OSError(str(exc)) from exc
    received = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, response.data.decode("utf-8", errors="replace"), received)
