"""Write what a person pastes into a shell: a signed webhook by curl, and relayctl for the local stack."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from push_relay.core.push import Push
from push_relay.core.trust.schemes.header_hmac import HeaderHmac
from push_relay.core.trust.schemes.moment import iso8601, unix_ms
from push_relay.core.trust.schemes.proof import hexadecimal
from push_relay.core.trust.schemes.registry import read_scheme
from relayctl.deploy import ACCESS_KEY, SECRET_KEY, STACK
from relayctl.examples import Example
from relayctl.ministack import HOST, REGION
from relayctl.project import ROOT
from relayctl.stack import LocalStack

_MARK: Final = "@TIME@"
_ID: Final = "@ID@"
_NOW: Final = "$(date +%s)"


def command_line(stack: LocalStack) -> str:
    """Write what makes relayctl use this stack."""
    return "\n".join(
        (
            f"  export AWS_ENDPOINT_URL={stack.aws.address} AWS_DEFAULT_REGION={REGION}",
            f"  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}",
            f"  export PATH='{ROOT}/.venv/bin':\"$PATH\"",
            f"  relayctl dead --stack {STACK}",
        )
    )


def curl(stack: LocalStack, example: Example, push: Push) -> str | None:
    """Write the command that sends an example with other words each time; None if no shell can sign it.

    The same signed body a second time would be a duplicate, so the time goes into a text that the push shows.
    The secret stays in a file that only its owner can read.
    """
    proof = _proof(example.verify, stack.directory / "signing-secret", stack.directory / "webhook.json")
    if proof is None:
        return None
    request = example.request
    content = json.loads(request.body or b"{}")
    _mark(content, push)
    if "specversion" in content:
        content["id"] = _ID  # a CloudEvent is its source and id, whatever its words are
    secret, template = stack.directory / "signing-secret", stack.directory / "template.json"
    _write_private(secret, stack.signing_secrets.get(example.source, "").encode())
    _write_private(template, json.dumps(content, ensure_ascii=False).encode())
    body = stack.directory / "webhook.json"
    endpoint = urlsplit(stack.webhook_url(example.source))
    headers = {"content-type": "application/json"} | dict(request.headers) | _fresh(request.headers)
    lines = [
        f"  curl -sSi 'http://{HOST}:{endpoint.port}{endpoint.path}'",
        f"    -H 'Host: {endpoint.netloc}'",
        *(f'    -H "{name}: {value}"' for name, value in (headers | proof).items()),
        f"    --data-binary '@{body}'",
    ]
    fill = f"""  now={_NOW}; sed "s|{_MARK}|It is $(date +%T)|; s|{_ID}|$now|" '{template}' > '{body}'\n"""
    return fill + " \\\n".join(lines)


def secrets_of(stack: LocalStack) -> Iterator[str]:
    """Write each signing secret of the local stack, to be pasted into a sender."""
    width = max((len(name) for name in stack.signing_secrets), default=0)
    for name, secret in sorted(stack.signing_secrets.items()):
        yield f"  {name:<{width}}  {secret}"


def _fresh(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers that must differ each time: GitHub's delivery id, a binary CloudEvent's id."""
    return {name: "$now" for name in headers if name == "ce-id" or name.endswith("-delivery")}


def _mark(content: Any, push: Push) -> None:
    """Replace the longest text of a document that the push shows with the mark."""
    shown = f"{push.wording.title}\n{push.wording.body}"
    places = [(text, holder, key) for text, holder, key in _texts(content) if text and text in shown]
    if places:
        _, holder, key = max(places, key=lambda place: len(place[0]))
        holder[key] = _MARK


def _texts(value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each text of a document with the container that holds it and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        if isinstance(child, str):
            yield child, value, key
        else:
            yield from _texts(child)


def _proof(verify: Mapping[str, Any], secret: Path, body: Path) -> dict[str, str] | None:
    """Return the headers that prove a request, which the shell computes; None if it cannot."""
    scheme = read_scheme(dict(verify)).verify if verify else None
    known = f"$(cat '{secret}')"
    if isinstance(scheme, HeaderHmac):
        return _header_hmac(scheme, known, body)
    match verify.get("scheme"):
        case "standard-webhooks":
            return _standard_webhooks(verify.get("header_prefix", "webhook"), known, body)
        case "token" if "header" in verify:
            return {str(verify["header"]): f"{verify.get('prefix', '')}{known}"}
        case "basic":
            return {"Authorization": f"Basic $(base64 < '{secret}' | tr -d '\\n')"}
        case _:
            return None


def _header_hmac(scheme: HeaderHmac, secret: str, body: Path) -> dict[str, str]:
    stamp = "$now"
    if scheme.timestamp and scheme.timestamp.read is iso8601:
        stamp = "$(date -u -d @$now +%FT%TZ)"
    elif scheme.timestamp and scheme.timestamp.read is unix_ms:
        stamp = "${now}000"
    before, after = (part.replace("{timestamp}", stamp) for part in (scheme.before, scheme.after))
    signed = f"""cat '{body}'"""
    if before or after:
        signed = f"""{{ printf %s "{before}"; cat '{body}'; printf %s "{after}"; }}"""
    written = _written(is_hex=scheme.encode is hexadecimal)
    mac = f"""$({signed} | openssl dgst -{scheme.digest} -hmac "{secret}" -binary | {written})"""
    proof = {scheme.header: f"{scheme.prefix}{mac}"}
    return proof | ({scheme.timestamp.header: stamp} if scheme.timestamp else {})


def _standard_webhooks(prefix: str, secret: str, body: Path) -> dict[str, str]:
    key = f"$(printf %s {secret} | sed s/^whsec_// | base64 -d | {_written(is_hex=True)})"
    signed = f"""{{ printf %s "msg_$now.$now."; cat '{body}'; }}"""
    digest = f"openssl dgst -sha256 -mac HMAC -macopt hexkey:{key} -binary"
    mac = f"$({signed} | {digest} | {_written(is_hex=False)})"
    return {f"{prefix}-id": "msg_$now", f"{prefix}-timestamp": "$now", f"{prefix}-signature": f"v1,{mac}"}


def _written(*, is_hex: bool) -> str:
    return "od -An -v -tx1 | tr -d ' \\n'" if is_hex else "base64 | tr -d '\\n'"


def _write_private(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
