"""Shell commands for a person to paste: a signed webhook with curl, and relayctl for the local stack."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from push_relay.core.push import Push
from push_relay.core.trust.schemes.description import Description
from push_relay.core.trust.schemes.signed import Signed
from push_relay.core.trust.schemes.signed_text import Variable
from push_relay.core.trust.schemes.spelling import SPELLINGS
from relayctl.deploy import ACCESS_KEY, SECRET_KEY, STACK
from relayctl.examples import Example
from relayctl.local_aws import HOST, REGION
from relayctl.local_state import FILE as LOCAL_STATE
from relayctl.private_file import write_private
from relayctl.project import ROOT
from relayctl.senders import compiled
from relayctl.stack import LocalStack

#: Placeholders in the stored body, which `sed` replaces each time the command runs.
_TIME_PLACEHOLDER: Final = "@TIME@"
_ID_PLACEHOLDER: Final = "@ID@"
_NOW: Final = "$(date +%s)"
#: The current time in the formats of timestamps, as shell expressions.
_SHELL_TIMES: Final = {
    "unix": "$now",
    "unix-ms": "${now}000",
    "iso8601": "$(date -u -d @$now +%FT%TZ)",
    "rfc3339": "$(date -u -d @$now +%FT%TZ)",
}


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


def following_commands(example: Example) -> str:
    """Return the commands that send an example to the local stack, and that show what happens to events."""
    relayctl = f"'{ROOT}/.venv/bin/relayctl'"
    return "\n".join(
        (
            f"  {relayctl} send {example.source} {example.name}",
            f"  {relayctl} tail",
            f"  {relayctl} why ID",
        )
    )


def curl_command(stack: LocalStack, example: Example, push: Push, url: str = "") -> str | None:
    """Return the commands that sign and send an example, or None if a shell cannot sign it.

    push  the push that the example becomes
    url   the URL on 127.0.0.1 that it is sent to; empty: the API's own, whose host name does not resolve

    A second request with the same signed body would be a duplicate. So each time, the current time is put
    into a text that the push shows. The secret is not part of the commands; they read it from a file with
    mode 0600.
    """
    secret_file, template_file, body_file = (
        stack.directory / name for name in ("signing-secret", "template.json", "webhook.json")
    )
    proof = proof_headers(example.verify, example.event, secret_file, body_file)
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
    endpoint = urlsplit(url or stack.webhook_url(example.source))
    headers = {"content-type": "application/json"} | dict(request.headers) | _unique_headers(request.headers)
    lines = [
        f"  curl -sSi 'http://{HOST}:{endpoint.port}{endpoint.path}'",
        *([] if url else [f"    -H 'Host: {endpoint.netloc}'"]),
        *(f'    -H "{name}: {value}"' for name, value in (headers | proof).items()),
        f"    --data-binary '@{body_file}'",
    ]
    replacements = f"s|{_TIME_PLACEHOLDER}|It is $(date +%T)|; s|{_ID_PLACEHOLDER}|$now|"
    fill = f"""  now={_NOW}; sed "{replacements}" '{template_file}' > '{body_file}'\n"""
    return fill + " \\\n".join(lines)


def secret_lines(stack: LocalStack, source: str) -> Iterator[str]:
    """Yield a line with a source's name and signing secret, and one with the place of the other secrets."""
    if secret := stack.signing_secrets.get(source):
        yield f"  {source}  {secret}"
    others = len(stack.signing_secrets.keys() - {source})
    if others:
        yield f"  {others} more: `signing_secrets` in {LOCAL_STATE.relative_to(ROOT)}"


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


def proof_headers(
    verify: Mapping[str, Any], event: Mapping[str, Any], secret_file: Path, body_file: Path
) -> dict[str, str] | None:
    """Return the headers that prove a request, as shell expressions; None if a shell cannot compute them.

    verify, event           the source's tables
    secret_file, body_file  the files that the command reads
    """
    if not verify:
        return None
    table, scheme = compiled(verify, event)
    secret = f"$(cat '{secret_file}')"
    if isinstance(scheme.verify, Signed):
        return _described(scheme.verify.description, secret, body_file)
    if table.scheme == "basic":
        return {"Authorization": f"Basic $(base64 < '{secret_file}' | tr -d '\\n')"}
    if table.scheme == "token":
        (_, place), *_ = table.proof_places
        return {place.name: f"{table.values['prefix']}{secret}"} if place.kind == "header" else None
    return None


def _described(description: Description, secret: str, body_file: Path) -> dict[str, str] | None:
    """Return the headers for a description, or None if its parts are not those that a shell can write."""
    place, timestamp, keyed = description.places[0], description.timestamp, description.key_name
    if place.kind != "header" or not _is_plain(description):
        return None
    headers = {}
    if timestamp:
        if timestamp.place.kind != "header" or timestamp.format not in _SHELL_TIMES:
            return None
        headers[timestamp.place.name] = _SHELL_TIMES[timestamp.format]
    if description.id:
        headers[description.id.name] = "msg_$now"
    pieces = [_shell_piece(piece, headers, body_file) for piece in description.text.flat]
    if None in pieces:
        return None
    signed_content = f"{{ {'; '.join(piece for piece in pieces if piece)}; }}"
    key = f'-hmac "{secret}"'
    if keyed == "whsec":
        hex_key = f"$(printf %s {secret} | sed s/^whsec_// | base64 -d | {_encode_command(is_hex=True)})"
        key = f"-mac HMAC -macopt hexkey:{hex_key}"
    encode = _encode_command(is_hex=description.spelling is SPELLINGS["hex"])
    mac = f"$({signed_content} | openssl dgst -{description.hash_name} {key} -binary | {encode})"
    before = description.prefix
    if description.list and description.list.item:
        before += f"{description.list.item}{description.list.joint}"
    return {**headers, place.name: f"{before}{mac}"}


def _is_plain(description: Description) -> bool:
    """Return whether key, list and encoding are such that a short command can write them."""
    grammar = description.list
    if not description.hash_name or description.each or description.key_name not in ("text", "whsec"):
        return False
    listed = grammar is None or not (grammar.quoted or grammar.first_plain)
    key = b"planted"
    unchanged = description.key_name != "text" or description.key.key(key) == key
    return listed and unchanged and description.spelling in (SPELLINGS["hex"], SPELLINGS["base64"])


def _shell_piece(piece: bytes | Variable, headers: Mapping[str, str], body_file: Path) -> str | None:
    """Return the command that prints a piece of the signed text."""
    if isinstance(piece, bytes):
        return f'printf %s "{piece.decode()}"'
    if piece.name == "body" and not piece.filters:
        return f"cat '{body_file}'"
    if piece.place and piece.place.kind == "header" and piece.place.name in headers and not piece.filters:
        return f'printf %s "{headers[piece.place.name]}"'
    return None


def _encode_command(*, is_hex: bool) -> str:
    return "od -An -v -tx1 | tr -d ' \\n'" if is_hex else "base64 | tr -d '\\n'"
