"""The fields of a form, read before a proof holds: strictly and within limits, as anybody can send one."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from push_relay.core.errors import PayloadTooLarge
from push_relay.core.inbound.body import MAX_FIELDS
from push_relay.core.inbound.media_type import FORM, looks_like_json, media_type
from push_relay.core.trust.schemes.proof import no_fit, require

#: Bytes of a form: an SMS has 1,600 characters, a task's attributes 4 KiB.
MAX_FORM_BYTES = 512 * 1024
#: How a field's name begins; what belongs to an address (`/`, `?`, `&`, `=`) begins none.
_NAME = r"[A-Za-z0-9_]"
#: A value in which another pair could begin.
_PAIR_IN_VALUE = r"&[^&=]*="

type Fields = list[tuple[str, str]]


def read_form(headers: Mapping[str, str], body: bytes) -> Fields:
    """Return the fields of a form. Raises SignatureInvalid if it is not one, and PayloadTooLarge.

    The content type and the first character have to agree, as for the document that is made of it.
    """
    require(media_type(headers).name == FORM and not looks_like_json(body))
    if len(body) > MAX_FORM_BYTES:
        raise PayloadTooLarge(f"the form is larger than {MAX_FORM_BYTES} bytes")
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:  # not ASCII, not UTF-8, not a form, too many fields
        raise no_fit() from None


def sorted_text(fields: Fields) -> str:
    """Return names and values, sorted by name, each pair once, with nothing between them.

    At least one field is required, or a signature of the address alone would fit.
    """
    form = sorted(set(fields))
    require(bool(form) and all(name for name, _ in form) and re.match(_NAME, form[0][0]) is not None)
    return "".join(name + value for name, value in form)


def sorted_pairs(fields: Fields, without: Iterable[str]) -> str:
    """Return `name=value` of each field that is not empty, sorted by name and joined by `&`.

    A name that is given twice is refused, and so is a text that could be split in another way.
    """
    left_out = frozenset(without)
    pairs = sorted(field for field in fields if field[0] not in left_out and field[1])
    require(bool(pairs) and len({name for name, _ in fields}) == len(fields))
    require(not any("&" in name or "=" in name or re.search(_PAIR_IN_VALUE, value) for name, value in pairs))
    return "&".join(f"{name}={value}" for name, value in pairs)
