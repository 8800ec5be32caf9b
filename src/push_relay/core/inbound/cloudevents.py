"""Read a CloudEvent over HTTP, in the binary or the structured content mode, as one document.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import base64
import re
from collections.abc import Mapping
from urllib.parse import unquote

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.inbound.media_type import MediaType, looks_like_json, media_type
from push_relay.core.strict_json import MAX_TEXT, JsonObject, decode, decode_leniently, parse

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

#: Attributes that are URIs or URI references. These have escapes of their own.
_URIS = frozenset({"source", "dataschema"})
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
#: Characters that a sender has to escape in a header (the binding, 3.1.3.2), beside those that are not ASCII.
_ESCAPED = frozenset({" ", '"', "%"})
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def is_binary(headers: Mapping[str, str]) -> bool:
    """Return whether a request is a CloudEvent of the binary content mode."""
    return "ce-specversion" in headers


def is_batch(body: bytes) -> bool:
    """Return whether a body is a batch, whatever its headers name: a list of structured events."""
    if not looks_like_json(body):
        return False
    try:
        value = parse(body, lenient=True)
    except MalformedRequest:
        return False
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(event, dict) and "specversion" in event for event in value)
    )


def binary_event(body: bytes, headers: Mapping[str, str], *, lenient: bool) -> JsonObject:
    """Write a CloudEvent of the binary content mode as the structured mode has it.

    Raises MalformedRequest for data that its content type calls JSON or text, and which is neither.
    """
    event: JsonObject = {
        name.removeprefix("ce-"): _attribute(name.removeprefix("ce-"), value)
        for name, value in headers.items()
        if name.startswith("ce-") and name not in ("ce-data", "ce-data_base64", "ce-datacontenttype")
    }
    if content_type := headers.get("content-type"):
        event["datacontenttype"] = content_type
    return event | _data(body, media_type(headers), lenient=lenient) if body else event


def structured_event(event: JsonObject, *, lenient: bool) -> JsonObject:
    """Return a structured CloudEvent with `data` instead of `data_base64`, if that holds JSON or a text."""
    encoded = event.get("data_base64")
    if not isinstance(encoded, str) or "data" in event:
        return event
    content_type = event.get("datacontenttype")
    named = media_type({"content-type": content_type} if isinstance(content_type, str) else {})
    try:
        data = _data(base64.b64decode(encoded, validate=True), named, lenient=lenient)
    except (ValueError, MalformedRequest):
        return event
    return {name: value for name, value in event.items() if name != "data_base64"} | data


def _data(content: bytes, named: MediaType, *, lenient: bool) -> JsonObject:
    """Return the member `data` with a JSON value or a text, or `data_base64` with anything else."""
    if named.is_json:
        return {"data": parse(content, lenient=lenient, charset=named.charset)}
    if named.is_text:
        return {"data": _bounded(decode_leniently(content, named.charset))}
    if not named.name:
        # Without a content type it is JSON if it can be (the JSON format, 3.1.1), and else what it looks
        # like.
        try:
            return {"data": _json_or_text(content, lenient=lenient)}
        except PayloadTooLarge:
            raise
        except MalformedRequest:
            pass
    return {"data_base64": _bounded(base64.b64encode(content).decode("ascii"))}


def _json_or_text(content: bytes, *, lenient: bool) -> object:
    try:
        return parse(content, lenient=lenient)
    except PayloadTooLarge:
        raise
    except MalformedRequest:
        return _bounded(decode(content))


def _bounded(text: str) -> str:
    """Return a text that is not longer than one of JSON may be. Raises PayloadTooLarge."""
    if len(text) > MAX_TEXT:
        raise PayloadTooLarge(f"the CloudEvent's data is longer than {MAX_TEXT} characters")
    return text


def _attribute(name: str, header: str) -> str:
    """Return an attribute's value, unescaped if its sender has escaped it.

    The binding asks for percent-encoding, and many SDKs leave it out. So a value is taken as it is if it
    holds what no sender that escapes would send: a `%` that begins no escape, or the escape of a character
    that needs none.
    """
    quoted = _QUOTED.fullmatch(header)
    value = _QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else header
    try:
        decoded = unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value
    if name in _URIS:
        # A URI has neither space, quote nor other scripts: only its own escapes' `%` could have been escaped.
        is_escaped = all(escape[1] == "25" for escape in _ESCAPE.finditer(value)) and all(
            escape[1] for escape in _ESCAPE.finditer(decoded)
        )
    else:
        is_escaped = all(escape[1] and _has_to_be_escaped(escape[1]) for escape in _ESCAPE.finditer(value))
    return decoded if is_escaped else value


def _has_to_be_escaped(digits: str) -> bool:
    character = chr(int(digits, 16))
    return character in _ESCAPED or not character.isascii() or not character.isprintable()
