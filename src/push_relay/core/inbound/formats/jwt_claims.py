"""The format `jwt`: the claims of a JWT (RFC 7519) are the document. It is read only if a proof covers it.

The JWT is the body, or in the member or form field that `form_field` names.
"""

import base64
import re

from push_relay.core.errors import MalformedRequest
from push_relay.core.inbound.formats.base import Content, Format
from push_relay.core.inbound.media_type import looks_like_json
from push_relay.core.strict_json import JsonObject, parse_object

#: A JWS in its compact form (RFC 7515, 7.1).
_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")


class JwtClaims(Format):
    """The claims of a JWT."""

    is_json = False

    def read_strictly(self, content: Content) -> JsonObject:
        """Refuse a JWT that no proof covers: anybody can have written its claims."""
        del content
        raise _not_covered()

    def read_leniently(self, content: Content) -> JsonObject:
        """Return the claims of the JWT that is the body, or that a member of it holds."""
        if content.field is None or not looks_like_json(content.body):
            return _claims(content)
        value = parse_object(content.body, lenient=True, charset=content.media_type.charset).get(
            content.field
        )
        if not isinstance(value, str):
            raise MalformedRequest(f"the body has no text `{content.field}`")
        return _claims(content._replace(body=value.encode("utf-8")))

    def in_field(self, content: Content, *, lenient: bool) -> JsonObject:
        """Return the claims of the JWT in a form's field."""
        if not lenient:
            raise _not_covered()
        return _claims(content)


def _claims(content: Content) -> JsonObject:
    """Return the claims of a JWT. Raises MalformedRequest, also if it is not what the proof covers.

    A scheme that verifies a JWT covers its claims and nothing else of the body: another JWT may be anybody's.
    """
    found = _COMPACT.fullmatch(content.body.strip())
    if found is None:
        raise MalformedRequest("the body is not a JWT in its compact form")
    try:
        claims = base64.urlsafe_b64decode(found[1] + b"=" * (-len(found[1]) % 4))
    except ValueError:
        raise MalformedRequest("the claims of the JWT are not base64url") from None
    if not content.is_body_covered and claims != content.covered:
        raise _not_covered()
    return parse_object(claims, lenient=True)


def _not_covered() -> MalformedRequest:
    return MalformedRequest("a JWT is read only if the source's scheme has verified it")
