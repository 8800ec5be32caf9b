"""Describe a signature by its looks, such as `X-Oven-Signature: sha256=ab12...`, which no preset has."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_NAME: Final = re.compile(
    r"(?:^|-)(?:signature|signatures|sig|hmac|digest|sign)(?:$|-(?:v?\d{1,3}|sha-?\d{1,3}|hmac|primary)$)"
)
#: Standard headers that no shared secret takes part in.
_OTHERS: Final = frozenset({"digest", "content-digest", "repr-digest", "signature-input"})
_PREFIX: Final = re.compile(r"(?:hmac-)?(sha1|sha256|sha512|v\d)=", re.IGNORECASE)
_ITEM: Final = re.compile(r"([A-Za-z_]\w{0,15})=([^,;]+)")
_TIMESTAMP_NAME: Final = re.compile(r"(?:^|-)timestamp$|(?:^|-)request-time$")
_TIMESTAMP_ITEMS: Final = ("t", "ts", "timestamp", "time")
_SECS, _MS = re.compile(r"\d{10}"), re.compile(r"\d{13}")
#: The number of characters of each algorithm's output.
_HEX: Final = {40: "hmac-sha1", 64: "hmac-sha256", 128: "hmac-sha512"}
_BASE64: Final = {28: "hmac-sha1", 44: "hmac-sha256", 88: "hmac-sha512"}


class Description(NamedTuple):
    """The keys of a table `[verify]`, and a sentence about what is guessed."""

    table: Mapping[str, Any]
    guessed: str


def is_named_as_signature(header: str) -> bool:
    """Return whether a header's name is that of a signature."""
    return header not in _OTHERS and _NAME.search(header) is not None


def describe(header: str, value: str, headers: Mapping[str, str]) -> Description | None:
    """Return the description of a header's signature; None if the header does not look like one."""
    if not is_named_as_signature(header):
        return None
    table: dict[str, Any] = {"scheme": "signed", "signature": f"header:{header}"}
    for separator in (",", ";"):
        if listed := _listed(value, separator):
            return _timed(
                {**table, "split": separator, **listed}, f"item:{_time_of(value)}", _form_of_item(value)
            )
    prefix = _PREFIX.match(value)
    text = value[prefix.end() :] if prefix else value
    if prefix:
        table["prefix"] = prefix[0]
    spelling = _spelling(text)
    if spelling is None:
        return None
    table |= spelling
    stamp = next((name for name in headers if _TIMESTAMP_NAME.search(name)), None)
    if stamp:
        return _timed(table, f"header:{stamp}", headers[stamp])
    return Description(table, "It is assumed that the body alone is signed.")


def _listed(value: str, separator: str) -> dict[str, Any] | None:
    """Return the keys about a list such as `t=1800000000,v1=ab12...`, that has a time and a signature."""
    found = (_ITEM.fullmatch(part.strip()) for part in value.split(separator))
    items = {item[1]: item[2] for item in found if item}
    if not _time_of(value):
        return None
    for name, text in items.items():
        spelling = None if name in _TIMESTAMP_ITEMS else _spelling(text)
        if spelling is not None:
            return {"item": name, **spelling}
    return None


def _time_of(value: str) -> str:
    return next((name for name, _ in _ITEM.findall(value) if name in _TIMESTAMP_ITEMS), "")


def _form_of_item(value: str) -> str:
    return next((text for name, text in _ITEM.findall(value) if name in _TIMESTAMP_ITEMS), "")


def _spelling(text: str) -> dict[str, str] | None:
    """Return how a signature is written, and by which algorithm it was made; None for another text."""
    if re.fullmatch(r"[0-9a-fA-F]+", text) and len(text) in _HEX:
        return _keys(_HEX[len(text)], "hex" if text == text.lower() else "hex-any-case")
    if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text) and len(text) in _BASE64:
        return _keys(_BASE64[len(text)], "base64")
    return None


def _keys(algorithm: str, encoding: str) -> dict[str, str]:
    """Return the keys that are not the default."""
    return ({} if algorithm == "hmac-sha256" else {"algorithm": algorithm}) | (
        {} if encoding == "hex" else {"encoding": encoding}
    )


def _timed(table: Mapping[str, Any], place: str, stamp: str) -> Description:
    form = "unix" if _SECS.fullmatch(stamp) else "unix-ms" if _MS.fullmatch(stamp) else "rfc3339"
    written = {"timestamp": place} | ({} if form == "unix" else {"timestamp_format": form})
    return Description(
        {**table, **written, "text": "{timestamp}.{body}"},
        "It is assumed that the time, a dot and the body are signed.",
    )
