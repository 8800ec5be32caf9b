"""Twilio: the address that it called, and the form's fields or the body's hash.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
https://github.com/twilio/twilio-python/blob/306691e793f417b6974640d1ef88785e9de03b2a/twilio/request_validator.py
"""

import hashlib
import hmac
import re
from collections.abc import Iterator

from push_relay.core.inbound.media_type import FORM, media_type
from push_relay.core.trust.schemes.form import read_form, sorted_text
from push_relay.core.trust.schemes.proof import (
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    base64_text,
    fits,
    header,
    keys,
    no_fit,
    require,
)
from push_relay.core.trust.verify_table import HEADERS, VerifyPlain

_SIGNATURE = HEADERS["twilio"]
#: The URL of a request whose body is not a form, as Twilio writes it: the hash is the last parameter.
_WITH_HASH = re.compile(r"[^?]*\?(?:.*&)?bodySHA256=([0-9a-f]{64})", re.DOTALL)
_HASH = re.compile(r"[?&]bodySHA256(?:=|&|$)")
#: The field that Twilio sends with every form and sorts first. In an address it may be a parameter's name.
_FIRST_NAME = "AccountSid"
_FIRST_FIELD = re.compile(f"{_FIRST_NAME}(?!=)")
_URL = re.compile(r"(https?)://([^/?#]+)(.*)", re.DOTALL)
_PORT = re.compile(r":[0-9]+$")
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


def twilio(_table: VerifyPlain) -> Scheme:
    """Make the scheme `X-Twilio-Signature: <base64>`, HMAC-SHA1 of the address and what it carries.

    A form's fields follow the address, sorted by name, each name and value once, with nothing between them.
    So one signed text has several readings, and all but Twilio's own must be refused:

    a field's text as a part of the address   AccountSid, which begins the fields, is not in the address
    a parameter of the address as a field     AccountSid begins the fields; no field's name begins with a mark
    a field's text as a body's hash           the hash is the end of an address without AccountSid
    a form as JSON, or JSON as a form         content type, hash and the body's first character agree, and a
                                              source that takes forms takes nothing else
    a GET, whose parameters are its address   a form has at least one field

    The border between a name and its value is moved as easily, and nothing can tell where it was. Fields in
    another order are the same request. Either way `Verified.signed` is the same, so it is a duplicate of the
    genuine event. Twilio is not consistent about the port in the address; like its own validator, take both.
    It is unknown when it was signed.
    """
    return Scheme(_verify, form_verify=_verify_form)


def _verify_form(request: SignedRequest, evidence: Evidence) -> Verified:
    # Without AccountSid (a Studio flow's own webhook) the end of a form can look like a body's hash.
    require(not _HASH.search(request.url))
    return _verify(request, evidence)


def _verify(request: SignedRequest, evidence: Evidence) -> Verified:
    """Verify a request. Raises PayloadTooLarge for a form that is larger than any of Twilio's."""
    offered = header(request, _SIGNATURE)
    fields = _fields(request)
    try:
        contents = [(address + fields).encode() for address in _addresses(request.url)]
    except UnicodeEncodeError:
        raise no_fit() from None
    _require_one_reading(request.url, fields)
    for secret in keys(evidence):
        macs = (hmac.digest(secret, signed, "sha1") for signed in contents)
        if fits([offered], map(base64_text, macs)):
            # Callers choose whether the port is written: with it or without, the event is the same.
            return Verified(min(contents, key=len), secret=secret)
    raise no_fit()


def _require_one_reading(url: str, fields: str) -> None:
    """Refuse a signed text whose fields Twilio has begun elsewhere, or in which it has put none."""
    text = url + fields
    if begins := _FIRST_FIELD.search(text):
        require(begins.start() == len(url))
    elif fields:
        require(_FIRST_NAME not in text)  # as a parameter, so this is the address of a GET
    require(not fields or _WITH_HASH.fullmatch(text) is None)


def _fields(request: SignedRequest) -> str:
    """Return what is signed after the address: a form's fields, or nothing for a body with its hash there."""
    if _HASH.search(request.url):
        found = _WITH_HASH.fullmatch(request.url)
        require(found is not None and len(_HASH.findall(request.url)) == 1)
        require(media_type(request.headers).name != FORM)
        expected = hashlib.sha256(request.body).hexdigest().encode()
        require(found is not None and fits([found[1]], [expected]))
        return ""
    return sorted_text(read_form(request.headers, request.body))


def _addresses(url: str) -> Iterator[str]:
    """Yield the address as it was called, then without its port, or with the scheme's."""
    yield url
    parts = _URL.fullmatch(url)
    if parts:
        scheme, host, rest = parts.groups()
        bare = _PORT.sub("", host)
        yield f"{scheme}://{bare if bare != host else host + _DEFAULT_PORTS[scheme]}{rest}"
