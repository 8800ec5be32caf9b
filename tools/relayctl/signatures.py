"""Sign a request as the sender of a compiled description does, with a secret of the local stack.

The description is the one that verifies, so that an example of every preset and of every `[verify]` table can
be signed. Values that the signed text needs and the example does not have, such as a nonce, are made up.
"""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from push_relay.core.inbound.media_type import FORM
from push_relay.core.trust.place import ITEM, Place
from push_relay.core.trust.schemes.description import Description
from push_relay.core.trust.schemes.signature_list import SignatureList
from push_relay.core.trust.schemes.values import Values, each_of, reader
from relayctl.webhook import Webhook

_LISTED: Final = "signed-headers:"


class CannotSignError(Exception):
    """A request cannot be signed for this scheme on this machine. The text contains the reason."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A request that is being signed, in the form in which a description reads it.

    form_field  the field of a form that holds the JSON document, if the body is a form
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    url: str
    method: str = "POST"
    form_field: str | None = None

    def at(self, place: Place, value: str | int) -> "Sending":
        """Return the request with a value at a place. Raises CannotSignError."""
        match place.kind:
            case "header":
                return replace(self, headers={**self.headers, place.name: str(value)})
            case "query":
                return replace(self, query={**self.query, place.name: str(value)})
            case "form":
                fields = parse_qsl(self.body.decode(), keep_blank_values=True)
                kept = [field for field in fields if field[0] != place.name]
                headers = {**self.headers, "content-type": FORM}
                return replace(self, headers=headers, body=urlencode([*kept, (place.name, value)]).encode())
            case _:
                document = self.document()
                put(document, place.steps, value)
                text = json.dumps(document, ensure_ascii=False)
                return self._with_field(text) if self._is_form else replace(self, body=text.encode())

    def document(self) -> Any:
        """Return the JSON document: the body, or the content of a form's field. Raises CannotSignError."""
        try:
            return json.loads(self._fields()[self.form_field or ""] if self._is_form else self.body)
        except (ValueError, KeyError) as exc:
            raise CannotSignError("the proof belongs into a JSON document, and the example has none") from exc

    @property
    def _is_form(self) -> bool:
        return bool(self.form_field) and self.headers.get("content-type", "").startswith(FORM)

    def _fields(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def _with_field(self, text: str) -> "Sending":
        return replace(self, body=urlencode({**self._fields(), self.form_field or "": text}).encode())


def put(document: Any, steps: tuple[str, ...], value: str | int) -> None:
    """Write a value into a JSON document at a pointer. Raises CannotSignError."""
    *parents, last = steps
    for step in parents:
        document = document.setdefault(step, {}) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        raise CannotSignError(f"the example's body has no place for `/{'/'.join(steps)}`")
    document[last] = value


def sign_described(webhook: Webhook, description: Description, secret: str, now: float, url: str) -> Webhook:
    """Return the request with the signature that a description demands.

    now  seconds since the epoch
    url  the address that is called

    Raises CannotSignError.
    """
    key = _key(description, secret)
    stamp = timestamp_of(description, now)
    called = f"{url}?{urlencode(webhook.query)}" if webhook.query else url
    sending = Sending(webhook.headers, webhook.query, webhook.body, called, form_field=description.form_field)
    sending = _completed(sending, description, stamp)
    items = _items(description, stamp)
    if description.each:
        sending = _sign_each(sending, description, key, items)
    else:
        values = _values(sending, description, items)
        sending = sending.at(
            description.places[0], _written(description, _signature(description, values, key), items)
        )
    return replace(webhook, headers=sending.headers, query=sending.query, body=sending.body)


def _key(description: Description, secret: str) -> bytes:
    if not description.hash_name:
        raise CannotSignError("only the sender has the private key of this scheme")
    for reading in description.key.secret.readings(secret.encode()):
        if key := description.key.key(reading):
            return key
    raise CannotSignError(f"the secret must be {description.key.secret.needs}")


def timestamp_of(description: Description, now: float) -> str:
    """Return the text of the timestamp that a description's sender writes, in seconds if it has none."""
    moment = datetime.fromtimestamp(int(now), UTC)
    match description.timestamp.format if description.timestamp else "unix":
        case "unix-ms":
            return str(int(now * 1000))
        case "rfc3339" | "iso8601":
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "http-date":
            return format_datetime(moment, usegmt=True)
        case _:
            return str(int(now))


def _completed(sending: Sending, description: Description, stamp: str) -> Sending:
    """Return the request with its timestamp, and with made-up values that the signed text needs."""
    if description.timestamp and description.timestamp.place.kind != ITEM:
        place = description.timestamp.place
        sending = sending.at(place, int(stamp) if place.kind == "json" and stamp.isdecimal() else stamp)
    for variable in description.text.variables:
        if variable.place and variable.place.kind != ITEM and not description.each:
            if reader(variable.place)(_values(sending, description, {})) is None:
                sending = sending.at(variable.place, _made_up(variable.place, stamp))
        elif variable.name.startswith(_LISTED):
            header = variable.name.removeprefix(_LISTED).lower()
            timestamp = [description.timestamp.place.name] if description.timestamp else []
            sending = sending.at(Place("header", header), ",".join([header, *timestamp]))
    return sending


def _made_up(place: Place, stamp: str) -> str:
    return stamp if "time" in place.name else f"example-{secrets.token_hex(8)}"


def _items(description: Description, stamp: str) -> dict[str, str]:
    """Return the items of the signature's list beside the signatures."""
    timestamp = description.timestamp
    places = [variable.place for variable in description.text.variables]
    places += [timestamp.place] if timestamp else []
    return {place.name: stamp for place in places if place and place.kind == ITEM}


def _values(sending: Sending, description: Description, items: Mapping[str, str]) -> Values:
    values = Values(sending, {}, description.form_field)
    values.items = items
    return values


def _signature(description: Description, values: Values, key: bytes) -> str:
    mac = hmac.digest(key, description.text.fill(values), description.hash_name)
    return description.spelling.write(mac).decode()


def _written(description: Description, signature: str, items: Mapping[str, str]) -> str:
    """Return a signature in the form of its place: alone, or in a list."""
    grammar = description.list
    if grammar is None:
        return description.prefix + signature
    name = "example" if grammar.item == "*" else grammar.item
    pairs = [*items.items(), (name, signature)]
    return description.prefix + grammar.split.join(_item(grammar, *pair) for pair in pairs)


def _item(grammar: SignatureList, name: str, value: str) -> str:
    quoted = f'"{value}"' if grammar.quoted else value
    return f"{name}{grammar.joint}{quoted}" if name else quoted


def _sign_each(sending: Sending, description: Description, key: bytes, items: Mapping[str, str]) -> Sending:
    document = sending.document()
    values = _values(sending, description, items)
    for item in each_of(document, description.each):
        values.item = item
        put(
            item,
            description.places[0].steps,
            _written(description, _signature(description, values, key), items),
        )
    return replace(sending, body=json.dumps(document, ensure_ascii=False).encode())
