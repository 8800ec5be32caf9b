"""Shell commands for a person to paste: a signed webhook with curl, and relayctl for the local stack."""

import json
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
from relayctl.private_file import write_private
from relayctl.project import ROOT
from relayctl.stack import LocalStack

#: Placeholders in the stored body, which `sed` replaces each time the command runs.
_TIME_PLACEHOLDER: Final = "@TIME@"
_ID_PLACEHOLDER: Final = "@ID@"
_NOW: Final = "$(date +%s)"


def relayctl_commands(stack: LocalStack) -> str:
    """Return the commands that make relayctl use this stack, and that list its dead letters."""
    return "\n".join(
        (
            f"  export AWS_ENDPOINT_URL={stack.aws.address} AWS_DEFAULT_REGION={REGION}",
            f"  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}",
            f"  export PATH='{ROOT}/.venv/bin':\"$PATH\"",
            f"  relayctl dead --stack {STACK}",
        )
    )


def curl_command(stack: LocalStack, example: Example, push: Push) -> str | None:
    """Return the commands that sign and send an example, or None if a shell cannot sign it.

    push  the push that the example becomes

    A second request with the same signed body would be a duplicate. So each time, the current time is put
    into a text that the push shows. The secret is not part of the commands; they read it from a file with
    mode 0600.
    """
    secret_file, template_file, body_file = (
        stack.directory / name for name in ("signing-secret", "template.json", "webhook.json")
    )
    proof = _proof_headers(example.verify, secret_file, body_file)
    if proof is None:
        return None
    request = example.request
    content = json.loads(request.body or b"{}")
    _insert_time_placeholder(content, push)
    if "specversion" in content:
        # A CloudEvent is identified by its source and id, so a new text alone would still be a duplicate.
        content["id"] = _ID_PLACEHOLDER
    write_private(secret_file, stack.signing_secrets.get(example.source, "").encode())
    write_private(template_file, json.dumps(content, ensure_ascii=False).encode())
    endpoint = urlsplit(stack.webhook_url(example.source))
    headers = {"content-type": "application/json"} | dict(request.headers) | _unique_headers(request.headers)
    lines = [
        f"  curl -sSi 'http://{HOST}:{endpoint.port}{endpoint.path}'",
        f"    -H 'Host: {endpoint.netloc}'",
        *(f'    -H "{name}: {value}"' for name, value in (headers | proof).items()),
        f"    --data-binary '@{body_file}'",
    ]
    replacements = f"s|{_TIME_PLACEHOLDER}|It is $(date +%T)|; s|{_ID_PLACEHOLDER}|$now|"
    fill = f"""  now={_NOW}; sed "{replacements}" '{template_file}' > '{body_file}'\n"""
    return fill + " \\\n".join(lines)


def secret_lines(stack: LocalStack) -> Iterator[str]:
    """Yield a line with each source's name and signing secret."""
    width = max((len(name) for name in stack.signing_secrets), default=0)
    for name, secret in sorted(stack.signing_secrets.items()):
        yield f"  {name:<{width}}  {secret}"


def _unique_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that must be new in each request: GitHub's delivery id, a binary CloudEvent's id."""
    return {name: "$now" for name in headers if name == "ce-id" or name.endswith("-delivery")}


def _insert_time_placeholder(content: Any, push: Push) -> None:
    """Replace the longest text of the content that the push shows."""
    shown = f"{push.wording.title}\n{push.wording.body}"
    candidates = [
        (text, container, key) for text, container, key in _texts(content) if text and text in shown
    ]
    if candidates:
        _, container, key = max(candidates, key=lambda candidate: len(candidate[0]))
        container[key] = _TIME_PLACEHOLDER


def _texts(value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each text of a JSON value, with the list or dict that contains it and its index or key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        if isinstance(child, str):
            yield child, value, key
        else:
            yield from _texts(child)


def _proof_headers(verify: Mapping[str, Any], secret_file: Path, body_file: Path) -> dict[str, str] | None:
    """Return the headers that prove a request, as shell expressions; None if a shell cannot compute them."""
    scheme = read_scheme(dict(verify)).verify if verify else None
    secret = f"$(cat '{secret_file}')"
    if isinstance(scheme, HeaderHmac):
        return _header_hmac(scheme, secret, body_file)
    match verify.get("scheme"):
        case "standard-webhooks":
            return _standard_webhooks(verify.get("header_prefix", "webhook"), secret, body_file)
        case "token" if "header" in verify:
            return {str(verify["header"]): f"{verify.get('prefix', '')}{secret}"}
        case "basic":
            return {"Authorization": f"Basic $(base64 < '{secret_file}' | tr -d '\\n')"}
        case _:
            return None


def _header_hmac(scheme: HeaderHmac, secret: str, body_file: Path) -> dict[str, str]:
    timestamp = "$now"
    if scheme.timestamp and scheme.timestamp.read is iso8601:
        timestamp = "$(date -u -d @$now +%FT%TZ)"
    elif scheme.timestamp and scheme.timestamp.read is unix_ms:
        timestamp = "${now}000"
    before, after = (part.replace("{timestamp}", timestamp) for part in (scheme.before, scheme.after))
    signed_content = f"""cat '{body_file}'"""
    if before or after:
        signed_content = f"""{{ printf %s "{before}"; cat '{body_file}'; printf %s "{after}"; }}"""
    encode = _encode_command(is_hex=scheme.encode is hexadecimal)
    mac = f"""$({signed_content} | openssl dgst -{scheme.digest} -hmac "{secret}" -binary | {encode})"""
    proof = {scheme.header: f"{scheme.prefix}{mac}"}
    return proof | ({scheme.timestamp.header: timestamp} if scheme.timestamp else {})


def _standard_webhooks(prefix: str, secret: str, body_file: Path) -> dict[str, str]:
    hex_key = f"$(printf %s {secret} | sed s/^whsec_// | base64 -d | {_encode_command(is_hex=True)})"
    signed_content = f"""{{ printf %s "msg_$now.$now."; cat '{body_file}'; }}"""
    sign = f"openssl dgst -sha256 -mac HMAC -macopt hexkey:{hex_key} -binary"
    mac = f"$({signed_content} | {sign} | {_encode_command(is_hex=False)})"
    return {f"{prefix}-id": "msg_$now", f"{prefix}-timestamp": "$now", f"{prefix}-signature": f"v1,{mac}"}


def _encode_command(*, is_hex: bool) -> str:
    return "od -An -v -tx1 | tr -d ' \\n'" if is_hex else "base64 | tr -d '\\n'"
