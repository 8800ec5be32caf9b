"""Find descriptions that prove nothing, or that can be read in two ways. `make check` refuses them."""

import itertools
import string

from push_relay.core.trust.place import ITEM, Place
from push_relay.core.trust.schemes.description import Description
from push_relay.core.trust.schemes.signed_text import SignedText, Variable
from push_relay.core.trust.signature_table import VerifyPublicKey, VerifySigned

_DIGITS = string.digits.encode()
#: The characters that a filter writes.
_HASHED = {
    "sha256-hex": _DIGITS + b"abcdef",
    "sha256-base64": string.ascii_letters.encode() + _DIGITS + b"+/=",
    "crc32": _DIGITS,
}
_FORGED = "so that a forger can write another one"


def check(table: VerifySigned | VerifyPublicKey, description: Description) -> None:
    """Add the mistakes of a table to its report."""
    _check_signature(table, description)
    _check_timestamp(table, description)
    _check_id(table, description)
    _check_borders(table, description)
    if description.covers == "nothing" and _is_covered(description.text):
        table.wrong(
            "content", "states that the content is not signed, and `text` contains it: remove this key"
        )
    if description.list is None and any(_is_item(variable) for variable in description.text.variables):
        table.wrong("text", "has an `{item:...}`, which is a part of a list: add the key `split`")


def _check_signature(table: VerifySigned | VerifyPublicKey, description: Description) -> None:
    inside = {place.kind for place in description.places} & {"json", "form"}
    covered = description.text.names("body") or description.text.names("form-sorted")
    if inside and covered and not description.each:
        table.wrong(
            "signature",
            "is inside the content that `text` signs, which no sender can write: name the place outside of "
            "the body, or sign single fields such as `{json:/id}`",
        )
    if description.each and (inside != {"json"} or description.text.names("body")):
        table.wrong("each", "needs a `signature` at `json:/POINTER`, and a `text` of fields of the item")


def _check_timestamp(table: VerifySigned | VerifyPublicKey, description: Description) -> None:
    timestamp = description.timestamp
    if timestamp is None:
        return
    key = "timestamp_header" if "timestamp_header" in table else "timestamp"
    if not _signs(description, timestamp.place):
        table.wrong(
            key,
            f"is not signed, {_FORGED}: add `{{timestamp}}` to `text`, or remove this key and its tolerance",
        )
    if not timestamp.required and not timestamp.late:
        table.wrong(
            "timestamp_required",
            "is only for a timestamp that is a part of the signed body (`json:/POINTER`): without that, "
            "everybody can leave it out",
        )


def _check_id(table: VerifySigned | VerifyPublicKey, description: Description) -> None:
    if description.id and not description.text.reads(description.id):
        table.wrong(
            "id", f"is not signed, {_FORGED}: add `{{{description.id}}}` to `text`, or remove this key"
        )


def _check_borders(table: VerifySigned | VerifyPublicKey, description: Description) -> None:
    """Refuse values that follow each other, because the border between them could be moved."""
    if table.adjacent or description.covers == "nothing":
        return
    for left, right in itertools.pairwise(description.text.flat):
        if not isinstance(left, Variable) or not isinstance(right, Variable):
            continue
        if not (_has_fixed_length(left, description) or _has_fixed_length(right, description)):
            table.wrong(
                "text",
                f"has nothing between `{{{left.name}}}` and `{{{right.name}}}`, so that a forger can move "
                "the border between them: put a text there, or give the reason why it is safe as `adjacent`",
            )
    for piece in description.text.pieces:
        if isinstance(piece, SignedText) and not _is_always_there(piece, description):
            table.wrong(
                "text",
                "has a part in `[[ ]]` that a forger can leave out: remove the brackets, or give the reason "
                "why that is safe as `adjacent`",
            )


def _has_fixed_length(piece: Variable, description: Description) -> bool:
    """Return whether a value shows where it ends: a timestamp in its window, a hash, a method."""
    timestamp = description.timestamp
    is_time = timestamp is not None and timestamp.required and piece.place == timestamp.place
    return is_time or piece.name == "method" or any(name.startswith("sha256-") for name in piece.filters[-1:])


def _is_always_there(part: SignedText, description: Description) -> bool:
    timestamp = description.timestamp
    place = timestamp.place if timestamp and timestamp.required else None
    return all(variable.place == place for variable in part.variables)


def _signs(description: Description, place: Place) -> bool:
    text = description.text
    if text.reads(place) or text.names("http-signature-lines"):
        return True
    if place.kind == "header":
        return any(variable.name.startswith("signed-headers") for variable in text.variables)
    if place.kind == "query":
        return text.names("url") or text.names("query")
    if place.kind == "json":
        return description.covers == "body"
    return place.kind == "form" and description.covers in ("body", "form")


def _is_covered(text: SignedText) -> bool:
    return any(variable.covers_body or variable.covers_form for variable in text.variables)


def characters(description: Description) -> bytes | None:
    """Return every character that a signed text can have; None if its values can have any.

    A source whose handshake signs texts of an alphabet refuses events whose text has no others.
    """
    found = [_characters(piece, description) for piece in description.text.flat]
    return None if None in found else b"".join(filter(None, found))


def _characters(piece: bytes | Variable, description: Description) -> bytes | None:
    if isinstance(piece, bytes):
        return piece
    if piece.name == "method":
        return b"POST"
    timestamp = description.timestamp
    if timestamp and piece.place == timestamp.place and not piece.filters:
        return _DIGITS if timestamp.format.startswith("unix") else None
    return _HASHED.get(piece.filters[-1]) if piece.filters else None


def _is_item(variable: Variable) -> bool:
    return variable.place is not None and variable.place.kind == ITEM
