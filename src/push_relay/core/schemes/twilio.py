"""Twilio: the address that it called, and the form's fields or the body's hash.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
https://github.com/twilio/twilio-python/blob/306691e793f417b6974640d1ef88785e9de03b2a/twilio/request_validator.py
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

from push_relay.core.configuration import Table
from push_relay.core.schemes.proof import (
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    base64_text,
    fits,
    header,
    keys,
    require,
)

#: Fields of a form; Twilio sends some thirty.
MAX_FIELDS = 1000

_SIGNATURE = "x-twilio-signature"
_URL = re.compile(r"(https?)://([^/?#]+)(.*)", re.DOTALL)
_PORT = re.compile(r":[0-9]+$")
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


def twilio(_table: Table) -> Scheme:
    """Make the scheme `X-Twilio-Signature: <base64>`, HMAC-SHA1 of the address and what it carries.

    A form's fields follow the address, sorted by name, each name and value once, with nothing between them;
    so fields in another order are the same request (`Verified.signed` is too), and whoever has seen a
    genuine request can move the border between a name and its value. A body that is no form has its SHA-256
    in the address, as `bodySHA256`. Nothing says when it was signed.
    Twilio is not consistent about the port in the address; like its own validator, take both.
    """
    return Scheme(_verify, header=_SIGNATURE)


def _verify(request: SignedRequest, evidence: Evidence) -> Verified:
    offered = header(request, _SIGNATURE)
    try:
        carried = _carried(request)
        contents = [(address + carried).encode() for address in _addresses(request.url)]
    except ValueError:  # not ASCII, not UTF-8, not a form, too many fields
        contents = []
    for signed in contents:
        macs = (hmac.digest(key, signed, "sha1") for key in keys(evidence))
        if fits([offered], map(base64_text, macs)):
            # The port is whoever calls' to write: with it or without, the same event.
            return Verified(min(contents, key=len))
    require(False)  # noqa: FBT003
    raise AssertionError


def _carried(request: SignedRequest) -> str:
    """Return what is signed after the address. Raises ValueError for a body that is not a form."""
    query = parse_qsl(request.url.partition("?")[2], keep_blank_values=True, max_num_fields=MAX_FIELDS)
    hashes = [value for name, value in query if name == "bodySHA256"]
    if hashes:
        require(len(hashes) == 1)
        require(fits(hashes, [hashlib.sha256(request.body).hexdigest().encode()]))
        return ""
    form = parse_qsl(
        request.body.decode("ascii"),
        keep_blank_values=True,
        strict_parsing=bool(request.body),
        errors="strict",
        max_num_fields=MAX_FIELDS,
    )
    require(all(name for name, _ in form))
    return "".join(name + value for name, value in sorted(set(form)))


def _addresses(url: str) -> Iterator[str]:
    """Yield the address as it was called, then without its port, or with the scheme's."""
    yield url
    parts = _URL.fullmatch(url)
    if parts:
        scheme, host, rest = parts.groups()
        bare = _PORT.sub("", host)
        yield f"{scheme}://{bare if bare != host else host + _DEFAULT_PORTS[scheme]}{rest}"
