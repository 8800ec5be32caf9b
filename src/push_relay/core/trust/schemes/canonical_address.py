"""Addresses in the forms that single providers sign: Contentful, Plivo, Atlassian.

https://github.com/contentful/node-apps-toolkit (src/requests/utils.ts)
https://github.com/plivo/plivo-python (plivo/utils/signature_v3.py)
https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/#qsh
"""

from urllib.parse import parse_qsl, quote

from push_relay.core.inbound.body import MAX_FIELDS
from push_relay.core.trust.schemes.form import Fields
from push_relay.core.trust.schemes.proof import no_fit
from push_relay.core.trust.schemes.signed_text import local_part
from push_relay.core.trust.schemes.values import Values, encoded

#: The characters that JavaScript's encodeURI does not escape.
_URI = ";,/?:@&=+$-_.!~*'()#"
#: The characters that JavaScript's querystring.escape does not escape.
_COMPONENT = "-_.!~*'()"


def contentful(values: Values) -> bytes:
    """Return the path as Contentful signs it: a query string is escaped twice."""
    path, query = local_part(values.request.url)
    escaped = quote(query, safe=_COMPONENT, errors="strict") if query else ""
    return quote(f"{path}?{escaped}" if escaped else path, safe=_URI).encode()


def plivo(values: Values) -> bytes:
    """Return the address as Plivo signs it: a sorted query, and the sorted fields of a form.

    The mark between them depends on what there is: `?` before fields without a query, `.` after a query. A
    body has to be a form, or it would not be covered.
    """
    address, question_mark, query = values.request.url.partition("?")
    fields = values.fields if values.request.body else []
    pairs = _sorted_query(_parsed(query) if question_mark else [])
    text = address
    if pairs or fields:
        text += f"?{pairs}"
    if pairs and fields:
        text += "."
    return encoded(text + "".join(name + value for name, value in sorted(fields)))


def _sorted_query(fields: Fields) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(fields))


def _parsed(query: str) -> Fields:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise no_fit() from None


def atlassian_path(values: Values) -> bytes:
    """Return the canonical path: without a slash at its end, and with each `&` escaped."""
    path, _ = local_part(values.request.url)
    return encoded(path.rstrip("/").replace("&", "%26") or "/")


def atlassian_query(values: Values) -> bytes:
    """Return the canonical query string: sorted, values of one name joined by commas, without `jwt`."""
    _, query = local_part(values.request.url)
    by_name: dict[str, list[str]] = {}
    for name, value in _parsed(query or ""):
        if name != "jwt":
            by_name.setdefault(_escaped(name), []).append(_escaped(value))
    return "&".join(f"{name}={','.join(sorted(by_name[name]))}" for name in sorted(by_name)).encode()


def _escaped(text: str) -> str:
    return quote(text, safe="~", errors="strict")
