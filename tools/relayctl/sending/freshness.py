"""Make an example a new event, so that the ledger does not take it for a duplicate.

Most senders sign the body alone, and the ledger remembers for days that an event was delivered. So a second
request with the same body is a duplicate, as it should be. Here the request is changed as little as possible,
until the relay's own core gives its events other identities:

1. an id of the delivery in a header gets a new value, as a sender does it;
2. if that is not enough, the JSON body ends with other white space, which changes its signature alone;
3. if that is not enough, the id that the source reads in the document gets a new value of the same form;
4. if there is no such id, the document gets a field of its own, unless the words of the push would show it.
"""

import re
import secrets
import string
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import jmespath

from push_relay.core.inbound.body import BodyFormat
from push_relay.core.inbound.request import CORRELATION_HEADERS
from push_relay.core.push import Wording
from push_relay.core.rules.expression import Expression
from relayctl.preview.result import PreviewedEvent
from relayctl.sending import CannotSendError
from relayctl.sending.body import read_document, write_document
from relayctl.webhook import Webhook

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: The end of an id that is replaced: the part after the last separator.
_LAST_PART: Final = re.compile(r"[A-Za-z0-9]+(?=[^A-Za-z0-9]*$)")
#: Characters that JSON allows between values. Two bits each.
_SPACE: Final = b" \t\n\r"
_SPACE_CHARS: Final = 12
#: Characters that a new end of an id has at least, so that no two are equal.
_LEAST_CHARS: Final = 8

#: Seconds after which a request is sent again, to see if its signature alone makes it new.
_LATER_SECS: Final = 3600.0

#: The field that a document gets if it has no id.
_FIELD: Final = "relayctl_sending"


class Seen(NamedTuple):
    """The identities and words of the events that the relay makes of a request. Empty if it is refused."""

    identities: tuple[str, ...] = ()
    wordings: tuple[Wording, ...] = ()

    @classmethod
    def of(cls, events: Iterable[PreviewedEvent]) -> "Seen":
        """Return what a preview shows of the events of a request."""
        listed = tuple(events)
        return cls(
            tuple(each.event.identity for each in listed if each.event),
            tuple(message.wording for each in listed for message in each.messages),
        )


#: Shows the relay's core a request as it would be signed some seconds from now.
type Look = Callable[[Webhook, float], Seen]


class Fresh(NamedTuple):
    """A request that is a new event.

    made_new  what was changed for that
    is_new    whether its events are known to have new identities
    """

    request: Webhook
    made_new: tuple[str, ...] = ()
    is_new: bool = True


def freshened(request: Webhook, event_id: Expression | None, body_format: BodyFormat, look: Look) -> Fresh:
    """Return a request whose events are new to the relay, if that is possible.

    event_id  the source's expression for the id of its events
    """
    original = look(request, 0.0)

    def is_new(changed: Webhook) -> bool:
        return _differ(original, look(changed, _LATER_SECS))

    request, made_new = _new_headers(request, event_id)
    if is_new(request):
        return Fresh(request, tuple(made_new))
    spaced, names = _new_space(request)
    # A request that is refused has no identity that could be compared.
    if not original.identities or is_new(spaced):
        return Fresh(spaced, (*made_new, *names))
    named, names = _new_document_id(request, event_id, body_format)
    if is_new(named):
        return Fresh(named, (*made_new, *names))
    extended, names = _new_field(request, body_format)
    seen = look(extended, _LATER_SECS)
    if _differ(original, seen) and seen.wordings == original.wordings:
        return Fresh(extended, (*made_new, *names))
    return Fresh(request, tuple(made_new), is_new=False)


def _differ(original: Seen, seen: Seen) -> bool:
    """Return whether two requests become events, and not the same ones."""
    if not original.identities or not seen.identities:
        return False
    return set(original.identities).isdisjoint(seen.identities)


def _new_headers(request: Webhook, event_id: Expression | None) -> tuple[Webhook, list[str]]:
    """Change the headers that identify a delivery: those that the source reads, and those of usual names."""
    read = event_id.names("headers") if event_id else frozenset()
    names = [
        name for name in request.headers if name in read or name in _ID_HEADERS or name.endswith("-delivery")
    ]
    fresh = {name: fresh_like(request.headers[name]) for name in names}
    return replace(request, headers={**request.headers, **fresh}), [f"headers.{name}" for name in names]


#: Headers that hold an event's id (of CloudEvents, Standard Webhooks and Svix), or that of a request.
_ID_HEADERS: Final = frozenset({"ce-id", "webhook-id", "svix-id", *CORRELATION_HEADERS})


def _new_space(request: Webhook) -> tuple[Webhook, list[str]]:
    """End a JSON body with other white space."""
    if not request.body.rstrip().endswith((b"}", b"]")):
        return request, []
    space = bytes(secrets.choice(_SPACE) for _ in range(_SPACE_CHARS))
    return replace(request, body=request.body + space), ["white space after the body"]


def _new_document_id(
    request: Webhook, event_id: Expression | None, body_format: BodyFormat
) -> tuple[Webhook, list[str]]:
    """Change the id that the source reads in the document: the first field of its expression that has one."""
    try:
        document = read_document(request, body_format)
    except CannotSendError:
        return request, []
    for path in _paths(event_id):
        value = _replaced(document.value, path)
        if value is not None:
            return write_document(request, document._replace(value=value)), [f"data.{'.'.join(path)}"]
    return request, []


def _new_field(request: Webhook, body_format: BodyFormat) -> tuple[Webhook, list[str]]:
    """Add a field to the document, or to each document of a list."""
    try:
        document = read_document(request, body_format)
    except CannotSendError:
        return request, []
    value = document.value
    added = {_FIELD: secrets.token_hex(_LEAST_CHARS)}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        value = [{**item, **added} for item in value]
    elif isinstance(value, dict):
        value = {**value, **added}
    return write_document(request, document._replace(value=value)), [f"data.{_FIELD}"]


def _paths(event_id: Expression | None) -> Iterator[tuple[str, ...]]:
    """Yield the fields of `data` that an expression reads, each as the members that lead to it."""
    if event_id:
        yield from _fields(jmespath.compile(event_id.text).parsed)


def _fields(node: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    names = _chain(node)
    if names is not None:
        if names[0] == "data" and len(names) > 1:
            yield names[1:]
        return
    for child in node.get("children", ()):
        if isinstance(child, Mapping):
            yield from _fields(child)


def _chain(node: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of a path such as `data.order.id`; None for anything else."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    chains = [_chain(child) for child in node["children"]]
    return None if None in chains else tuple(name for chain in chains if chain for name in chain)


def _replaced(value: Any, path: tuple[str, ...]) -> Any:
    """Return a document with a fresh id at a path; None if there is no id.

    If the document itself has no id, its parts get one: a request may have several events.
    """
    if isinstance(value, list):
        parts = [_replaced(item, path) for item in value]
        return _merged(value, dict(enumerate(parts)))
    if not isinstance(value, dict):
        return None
    own = _replaced_here(value, path)
    if own is not None:
        return own
    return _merged(value, {name: _replaced(member, path) for name, member in value.items()})


def _merged(value: Any, parts: dict[Any, Any]) -> Any:
    """Return an object or a list with those of its parts that got an id; None if none did."""
    if all(part is None for part in parts.values()):
        return None
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    merged = {key: value[key] if parts[key] is None else parts[key] for key in keys}
    return merged if isinstance(value, dict) else [*merged.values()]


def _replaced_here(value: Any, path: tuple[str, ...]) -> Any:
    """Return an object with a fresh id at exactly this path; None if there is no id."""
    if not isinstance(value, dict) or path[0] not in value:
        return None
    name, *rest = path
    inner = _replaced_here(value[name], tuple(rest)) if rest else _fresh_id(value[name])
    return None if inner is None else {**value, name: inner}


def _fresh_id(old: object) -> str | int | None:
    """Return a fresh id of the same kind; None for a value that is not an id."""
    if isinstance(old, bool) or not isinstance(old, str | int) or old == "":
        return None
    return int(fresh_like(str(old))) if isinstance(old, int) else fresh_like(old)


def fresh_like(given: str) -> str:
    """Return a new random id of the same form: a UUID, a number, or the same beginning with another end."""
    if _UUID.search(given):
        return _UUID.sub(lambda _: str(uuid.uuid4()), given)
    found = _LAST_PART.search(given)
    if not found:
        return f"{given}{secrets.token_hex(_LEAST_CHARS)}"
    old = found[0]
    more = "1" if old.isdecimal() else old[-1]
    new = "".join(map(_fresh_char, old.ljust(_LEAST_CHARS, more)))
    return given[: found.start()] + new + given[found.end() :]


def _fresh_char(char: str) -> str:
    """Return a random character of the same kind: a digit, a hexadecimal letter, or a letter."""
    if char.isdigit():
        return secrets.choice("123456789")
    alphabet = "abcdef" if char.lower() in "abcdef" else string.ascii_lowercase
    return secrets.choice(alphabet if char.islower() else alphabet.upper())
