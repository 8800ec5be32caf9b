"""A description of a signature, compiled once from a `[verify]` table. It verifies, and it can sign.

The parts have a module each: the signature's list, its spelling, the signed text, the timestamp, the key.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.trust.place import ITEM, Place, read_place, read_places
from push_relay.core.trust.schemes.key_form import KeyForm, key_form
from push_relay.core.trust.schemes.moment import FORMATS
from push_relay.core.trust.schemes.signature_list import SignatureList, item_pattern
from push_relay.core.trust.schemes.signed_text import SignedText, Variable, compile_text
from push_relay.core.trust.schemes.spelling import SPELLINGS, Spelling
from push_relay.core.trust.signature_table import VerifyHmac, VerifyPublicKey, VerifySignature, VerifySigned

type SignatureTable = VerifySigned | VerifyPublicKey
type Cover = Literal["body", "form", "field", "nothing"]

if TYPE_CHECKING:
    from push_relay.core.trust.schemes.fetched import FetchedKeySource


class Timestamp(NamedTuple):
    """The place of the moment of signing, its format, and how far it may be from the clock.

    required  whether a request without it is refused
    late      whether it is only read from the signed body, once the proof has held
    """

    place: Place
    format: str
    read: Callable[[str], float]
    tolerance_secs: float
    required: bool
    late: bool


class Description(NamedTuple):
    """A compiled description.

    places        where signatures are; at least one of them has to be there
    list          the grammar of a list of signatures; None if each value is one
    algorithm     `hmac-...` or that of a public key
    key           the form of the key that signs; of a public key only its `secret` is used
    key_name      the name of this form in the table
    each          the steps to the items that have a proof each
    form_field    the field of a form that holds the JSON document
    covers        `body`, `form` (all of its fields), `field` (the one that holds the document), or `nothing`
    delimited     the values that must not contain the text beside them, by their places
    hash_name     the hash function of an HMAC; empty for public keys
    wrapped       the steps to the signature in the JSON object that the value is, in base64
    fetch         where the public key is fetched from, if none is stored
    """

    places: tuple[Place, ...]
    prefix: str
    list: SignatureList | None
    spelling: Spelling
    text: SignedText
    timestamp: Timestamp | None
    algorithm: str
    key: KeyForm
    key_name: str
    is_prehashed: bool
    id: Place | None
    each: tuple[str, ...]
    form_field: str | None
    covers: Cover
    delimited: tuple[tuple[Place, str], ...]
    wrapped: tuple[str, ...] = ()
    fetch: "FetchedKeySource | None" = None
    settings: tuple[str, ...] = ()
    hash_name: str = ""


def describe(table: SignatureTable | VerifyHmac) -> Description:
    """Compile a table. Raises ConfigurationInvalid for what only its text can show."""
    document_field = table.document_field
    if isinstance(table, VerifyHmac):
        table = as_signed(table)
    timestamp_place = read_place(table.timestamp, items=True) if table.timestamp else None
    text = compile_text(table.text, timestamp_place)
    covers = _covers(table, text, document_field)
    return Description(
        places=_places(table),
        prefix=table.prefix,
        list=_list(table, text, timestamp_place),
        spelling=SPELLINGS[table.encoding],
        text=text,
        timestamp=_timestamp(table, text, timestamp_place, covers),
        algorithm=table.algorithm,
        hash_name=_hash_name(table.algorithm),
        key=_key(table),
        key_name=table.key,
        is_prehashed=isinstance(table, VerifyPublicKey) and table.prehash is not None,
        id=read_place(table.id) if table.id else None,
        each=_each(table),
        form_field=document_field,
        covers=covers,
        delimited=_delimited(text),
        **(_of_public_key(table) if isinstance(table, VerifyPublicKey) else {}),
    )


def _hash_name(algorithm: str) -> str:
    return algorithm.removeprefix("hmac-") if algorithm.startswith("hmac-") else ""


def as_signed(table: VerifyHmac) -> VerifySigned:
    """Return the description that a table of the scheme `hmac` is short for."""
    more = {
        "timestamp": f"header:{table.timestamp_header}",
        "timestamp_format": table.timestamp_format,
        "tolerance_secs": table.tolerance_secs,
    }
    return VerifySigned(
        {
            "scheme": "signed",
            "signature": f"header:{table.header}",
            "prefix": table.prefix,
            "algorithm": f"hmac-{table.digest}",
            "encoding": table.encoding,
            "text": table.content,
            **(more if table.timestamp_header else {}),
        }
    )


def _of_public_key(table: VerifyPublicKey) -> dict[str, Any]:
    wrapped = read_place(f"json:{table.wrapped}").steps if table.wrapped else ()
    fetch = None
    if table.fetch:
        # Imported here: few senders publish their keys.
        from push_relay.core.trust.schemes.fetched import FetchedKeySource  # noqa: PLC0415

        fetch = FetchedKeySource(table.fetch, table.key)
    return {"wrapped": wrapped, "fetch": fetch, "settings": table.settings}


def _each(table: SignatureTable) -> tuple[str, ...]:
    each = table.each if isinstance(table, VerifySigned) else None
    return read_place(f"json:{each}").steps if each else ()


def _places(table: VerifySignature) -> tuple[Place, ...]:
    first = read_place(table.signature) if table.signature else None
    also = [place for text in table.also for place in read_places(text)]
    return tuple(place for place in (first, *also) if place)


def _key(table: SignatureTable) -> KeyForm:
    if isinstance(table, VerifyPublicKey):
        # Imported here: a relay whose senders sign with a secret has no public keys.
        from push_relay.core.trust.schemes.public_key import public_key_form  # noqa: PLC0415

        return KeyForm(public_key_form(table.key, table.algorithm), bytes)
    return key_form(
        table.key,
        strip=table.key_strip,
        append=table.key_append,
        derive=table.key_derive,
        begins=table.key_begins,
    )


def _list(table: SignatureTable, text: SignedText, timestamp: Place | None) -> SignatureList | None:
    if not table.split:
        return None
    first = Place(ITEM, "")
    return SignatureList(
        split=table.split,
        groups=table.groups,
        item=table.item,
        # A secret of Standard Webhooks may also be a public key, with items of its own: `v1` and `v1a`.
        public_item=f"{table.item}a" if table.key == "whsec" else "",
        joint=table.joint,
        quoted=table.quoted,
        first_plain=timestamp == first or text.reads(first),
        spaced=table.spaced,
        pattern=item_pattern(table.joint, quoted=table.quoted),
    )


def _timestamp(
    table: VerifySignature, text: SignedText, place: Place | None, covers: Cover
) -> Timestamp | None:
    if place is None:
        return None
    late = place.kind == "json" and covers == "body" and not text.reads(place)
    return Timestamp(
        place,
        table.timestamp_format,
        FORMATS[table.timestamp_format],
        table.tolerance_secs,
        required=table.timestamp_required,
        late=late,
    )


def _covers(table: VerifySignature, text: SignedText, document_field: str | None) -> Cover:
    """Return which part of the content is signed. Raises ConfigurationInvalid for an unstated none."""
    variables = text.variables
    if table.content == "unsigned":
        return "nothing"
    if any(variable.covers_body for variable in variables) or text.names("http-signature-lines"):
        return "body"
    if any(variable.covers_form for variable in variables):
        return "form"
    if document_field and text.reads(Place("form", document_field)):
        return "field"
    raise ConfigurationInvalid(
        "does not contain the content, so that anybody who has seen one request can send another content: "
        'add `{body}`, or state `content = "unsigned"` if the sender signs nothing else'
    )


def _delimited(text: SignedText) -> tuple[tuple[Place, str], ...]:
    """Return the values that begin or end at a text, with this text: a value must not contain it.

    Otherwise it could end elsewhere. A timestamp cannot contain it, and the body may.
    """
    found = []
    pieces = text.flat
    for position, piece in enumerate(pieces):
        if not isinstance(piece, Variable) or piece.place is None or piece.name == "timestamp":
            continue
        found += [
            (piece.place, beside.decode())
            for beside in (*pieces[max(position - 1, 0) : position], *pieces[position + 1 : position + 2])
            if isinstance(beside, bytes) and _has_variable(pieces, position, beside)
        ]
    return tuple(found)


def _has_variable(pieces: "list[bytes | Variable]", position: int, beside: bytes) -> bool:
    """Return whether the text beside a variable separates it from another one."""
    other = position + 2 if pieces[position + 1 : position + 2] == [beside] else position - 2
    return 0 <= other < len(pieces)
