"""The values of a request by their places. A form or a JSON document is parsed once, and only if needed.

Both are parsed before the proof holds, so they are bounded and read strictly: a name that is given twice has
no value that two readers would agree on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.inbound.media_type import media_type
from push_relay.core.strict_json import MAX_DEPTH, Json, Limits, parse
from push_relay.core.trust.place import Place
from push_relay.core.trust.schemes.form import Fields, read_form
from push_relay.core.trust.schemes.proof import MAX_PROOF, SignedRequest, no_fit, require

#: Bytes of a JSON document in which a proof is.
MAX_JSON_BYTES = 2 * 1024 * 1024
#: Its lists, objects and members: some tens for each of a few hundred items.
MAX_JSON_PARTS = 50_000
#: Items of a request that have a proof each.
MAX_EACH = 500
_LIMITS = Limits(MAX_DEPTH, MAX_JSON_PARTS, MAX_JSON_BYTES)
_MULTIPART = "multipart/form-data"
NO_ITEMS: Mapping[str, str] = {}
_UNREAD: Any = object()


class Values:
    """The values of one request.

    items  the items of the signature's list by their keys, while it is read
    listed  the names that the request itself lists as signed
    item   the part of the JSON document to which pointers are relative: the document, unless the description
           has `each`
    """

    __slots__ = ("_document", "_fields", "form_field", "item", "items", "listed", "request", "settings")

    def __init__(
        self, request: SignedRequest, settings: Mapping[str, str], form_field: str | None = None
    ) -> None:
        """Read nothing yet. `form_field` is the field of a form that holds the JSON document, if one does."""
        self.request = request
        self.settings = settings
        self.form_field = form_field
        self.items = NO_ITEMS
        self.listed: frozenset[str] = frozenset()
        self.item: Any = _UNREAD
        self._document: Any = _UNREAD
        self._fields: Fields | None = None

    @property
    def fields(self) -> Fields:
        """The fields of the form."""
        if self._fields is None:
            self._fields = read_form(self.request.headers, self.request.body)
        return self._fields

    def field(self, name: str) -> str | None:
        """Return a field of the form. One that is given twice is refused."""
        found = [value for given, value in self.fields if given == name]
        require(len(found) <= 1)
        return found[0] if found else None

    @property
    def document(self) -> Json:
        """The JSON document. Raises SignatureInvalid if there is none, PayloadTooLarge."""
        if self._document is _UNREAD:
            self._document = _parsed(self._document_bytes())
        document: Json = self._document
        return document

    @property
    def root(self) -> Json:
        """The value to which pointers are relative."""
        return self.document if self.item is _UNREAD else self.item

    def parts(self, each: Sequence[str]) -> Iterator[None]:
        """Go through the parts that have a proof each: the items at a pointer, or the request itself."""
        if not each:
            yield
            return
        items = each_of(self.document, each)
        require(len(items) <= MAX_EACH)
        for self.item in items:
            yield

    def _document_bytes(self) -> bytes:
        if self.form_field is None:
            return self.request.body
        if media_type(self.request.headers).name == _MULTIPART:
            return _part(self.request, self.form_field)
        return encoded(self.field(self.form_field) or "")


#: Returns the text at a place of a request, or None. Raises SignatureInvalid for a value that is not a text.
type Reader = Callable[[Values], str | None]


def reader(place: Place) -> Reader:
    """Return what reads a place. It is made once, so that a request only costs the reading."""
    name, steps = place.name, place.steps
    match place.kind:
        case "header":
            return lambda values: values.request.headers.get(name)
        case "query":
            return lambda values: values.request.query.get(name)
        case "form":
            return lambda values: values.field(name)
        case "json":
            return lambda values: text_of(pointed(values.root, steps))
        case _:
            return lambda values: values.items.get(name)


def _part(request: SignedRequest, name: str) -> bytes:
    """Return the text of a part of multipart/form-data. Raises SignatureInvalid, PayloadTooLarge."""
    # Imported here: few senders that put their proof into the body send multipart.
    from push_relay.core.inbound.multipart import check_boundary, read_fields  # noqa: PLC0415

    if len(request.body) > MAX_JSON_BYTES:
        raise PayloadTooLarge(f"the form is larger than {MAX_JSON_BYTES} bytes")
    try:
        check_boundary(request.body, request.headers.get("content-type", ""))
        fields = read_fields(request.body, lenient=False)
    except PayloadTooLarge:
        raise
    except MalformedRequest:
        raise no_fit() from None
    texts = [field.value for field in fields if field.name == name]
    require(len(texts) == 1 and isinstance(texts[0], str))
    return encoded(str(texts[0]))


def _parsed(raw: bytes) -> Json:
    if len(raw) > MAX_JSON_BYTES:
        raise PayloadTooLarge(f"the document is larger than {MAX_JSON_BYTES} bytes")
    try:
        return parse(raw, limits=_LIMITS)
    except PayloadTooLarge:
        raise
    except MalformedRequest:
        raise no_fit() from None


def pointed(value: Json, steps: Sequence[str]) -> Json:
    """Return the value at a JSON pointer, or None."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and step.isascii() and len(step) < len("10000000"):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def each_of(value: Json, steps: Sequence[str]) -> list[Json]:
    """Return the values at a JSON pointer in which the step `*` is every item of a list.

    Raises SignatureInvalid if there is none, or if one of the items has no such value.
    """
    found = [value]
    for step in steps:
        if step == "*":
            require(all(isinstance(each, list) for each in found))
            found = [item for each in found if isinstance(each, list) for item in each]
        else:
            found = [pointed(each, (step,)) for each in found]
    require(bool(found) and all(isinstance(each, dict) for each in found))
    return found


def text_of(value: Json) -> str | None:
    """Return a JSON value as a signed text has it; None for null.

    A list or an object has no such text, and the digits of a fraction are not known any more.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    require(isinstance(value, int))
    return str(value)


def checked(value: str) -> str:
    """Return a value that carries a proof: not empty, bounded, ASCII. Raises SignatureInvalid."""
    require(0 < len(value) <= MAX_PROOF and value.isascii())
    return value


def encoded(text: str) -> bytes:
    """Return a text in UTF-8. Raises SignatureInvalid for half of a surrogate pair."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise no_fit() from None
