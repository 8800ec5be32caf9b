"""Texts whose parts the request itself lists: Contentful's signed headers, and HTTP Signatures.

A sender's list must not leave out what the relay relies on, so it has to contain certain names.
https://datatracker.ietf.org/doc/html/draft-cavage-http-signatures-12
https://www.contentful.com/developers/docs/extensibility/webhooks/request-verification/
"""

import base64
import hashlib
import re

from push_relay.core.trust.schemes.proof import require
from push_relay.core.trust.schemes.signed_text import path_and_query
from push_relay.core.trust.schemes.values import Values, encoded

#: Names in a list.
MAX_NAMES = 50
_NAME = re.compile(r"[a-z0-9_-]{1,100}")


def signed_headers(values: Values, list_header: str) -> bytes:
    """Return `name:value` of each listed header, sorted by name and joined by semicolons.

    The list is a header too, and has to contain its own name. The names are unique.
    """
    listed = values.request.headers.get(list_header, "").split(",")
    names = [name.strip().lower() for name in listed]
    require(len(names) <= MAX_NAMES and len(set(names)) == len(names))
    require(list_header in names and all(_NAME.fullmatch(name) for name in names))
    require(all(name in values.request.headers for name in names))
    values.listed = frozenset(names)
    lines = [(name, values.request.headers[name].strip()) for name in sorted(names)]
    require(not any("\n" in value for _, value in lines))
    return encoded(";".join(f"{name}:{value}" for name, value in lines))


def http_lines(values: Values) -> bytes:
    """Return the lines of an HTTP Signature. `(request-target)` and `digest` have to be among them.

    The body's hash is computed, so that the line `digest` covers the body that was received.
    """
    names = values.items.get("headers", "").split(" ")
    require(len(names) <= MAX_NAMES and len(set(names)) == len(names))
    require("(request-target)" in names and "digest" in names)
    values.listed = frozenset(names)
    return encoded("\n".join(f"{name}: {_line(values, name)}" for name in names))


def _line(values: Values, name: str) -> str:
    if name == "(request-target)":
        return f"{values.request.method.lower()} {path_and_query(values.request.url)}"
    if name == "digest":
        return f"sha-256={base64.b64encode(hashlib.sha256(values.request.body).digest()).decode()}"
    require(_NAME.fullmatch(name) is not None)
    value = values.request.headers.get(name)
    require(value is not None and "\n" not in value)
    return (value or "").strip()
