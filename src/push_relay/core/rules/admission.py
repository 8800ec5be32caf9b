"""How a source's webhooks are admitted: its scheme, its handshake and the format of its bodies.

Only `receive` uses this. `event_rules.py` has the rules for the events of an admitted request.
"""

from typing import NamedTuple

from push_relay.core.inbound.body import ALL_FIELDS, BodyFormat
from push_relay.core.inbound.request import CORRELATION_HEADERS
from push_relay.core.quick_dataclass import replace
from push_relay.core.rules.answer import FixedAnswer, read_answer
from push_relay.core.rules.expression import NO_FIELDS, Expression, read_expression
from push_relay.core.rules.source_file import EventTable, SourceFile
from push_relay.core.trust.handshakes.base import Handshake
from push_relay.core.trust.handshakes.registry import NO_HANDSHAKE, handshake_named
from push_relay.core.trust.jwt_table import VerifyJwt
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.schemes.registry import make_scheme
from push_relay.core.trust.verify_table import Verify


class Admission(NamedTuple):
    """How webhooks of one source are verified and read.

    verify     None if the source takes no webhooks, because AWS delivers its events
    handshake  answers what the sender asks before it sends events
    each       the expression for the items of a request with several events
    answer     how accepted requests are answered
    """

    verify: Scheme | None
    handshake: Handshake
    body_format: BodyFormat
    each: Expression | None
    answer: FixedAnswer


def read_admission(file: SourceFile) -> Admission:
    """Compile the first part of a source. Mistakes are added to the file's report."""
    body_format = _body_format(file.event)
    if file.verify is None and "each" in file.event:
        file.event.wrong(
            "each", "has no effect without `[verify]`: only webhooks are split, and no event from AWS"
        )
    _check_jwt(file)
    verify = _scheme(file.verify, body_format) if file.verify else None
    each = read_expression(file.event, "each", file.verify.proof if file.verify else NO_FIELDS)
    handshake = _handshake(file)
    if verify and handshake.signs:
        _check_alphabet(file, verify, handshake)
    return Admission(verify, handshake, body_format, each, read_answer(file.answer))


def _body_format(event: EventTable) -> BodyFormat:
    if "form_field_encoding" in event and event.form_field in (None, ALL_FIELDS):
        event.wrong("form_field_encoding", "has no effect without the name of a `form_field`")
    if event.format == "ndjson" and "each" in event:
        event.wrong("each", "has no effect with the format `ndjson`, in which each line is an event")
    return BodyFormat(event.format, event.form_field, event.form_field_encoding)


def _check_jwt(file: SourceFile) -> None:
    """Refuse a JWT as the document if no proof can cover it, and another document beside a JWT in the body.

    A token in the body covers its claims alone: anybody could have written the rest.
    """
    verify, event = file.verify, file.event
    if verify is None or verify.is_wrong:
        return
    if event.format == "jwt" and not verify.signs_content:
        event.wrong("format", f"`jwt` needs a scheme that covers the body, not `{verify.scheme}`")
    if not verify.signs_content or not isinstance(verify, VerifyJwt) or verify.detached:
        return
    if verify.is_body and (event.format != "jwt" or event.form_field):
        event.wrong("format", "must be `jwt`, without a `form_field`: the token is the body")
    for place in (place for key, place in verify.proof_places if key == "token"):
        name = place.name.removeprefix("/")
        if place.kind == "json" and "/" in name:
            verify.wrong("token", "is inside a member of the body: name a member of the whole body")
            continue
        if place.kind in ("form", "json") and (event.format != "jwt" or event.form_field != name):
            event.wrong("format", f'must be `jwt`, with `form_field = "{name}"`: the token is in that field')


def _scheme(verify: Verify, body_format: BodyFormat) -> Scheme | None:
    if verify.is_wrong:
        return None
    for key, place in verify.proof_places:
        if place.kind == "header" and place.name in CORRELATION_HEADERS:
            verify.wrong(key, f"`{place.name}` would be logged, and returned: name another")
        if place.kind == "header" and body_format.format.becomes_data(place.name):
            verify.wrong(key, f"`{place.name}` would become a part of the event: name another")
    verify.form_field = body_format.form_field
    scheme = make_scheme(verify)
    if body_format.field and scheme.form_verify:
        return replace(scheme, verify=scheme.form_verify)
    return scheme


def _handshake(file: SourceFile) -> Handshake:
    verify, name = file.verify, file.handshake_name
    if name is None:
        return NO_HANDSHAKE
    if verify is None:
        file.wrong("handshake", "has no effect without `[verify]`: the source takes no webhooks")
        return NO_HANDSHAKE
    handshake = handshake_named(name, proven_by_url=verify.is_proven_by_url)
    if handshake.scheme not in (None, verify.scheme):
        file.wrong("handshake", f"`{name}` is only safe with the scheme `{handshake.scheme}`")
    if handshake.signs and not verify.has_key:
        file.wrong("handshake", f"`{name}` signs its answers with a key, and the scheme has none")
    return handshake


def _check_alphabet(file: SourceFile, verify: Scheme, handshake: Handshake) -> None:
    """Refuse a scheme whose signed texts could all be challenges that the handshake signs for anybody."""
    from push_relay.core.trust.schemes.description_check import characters  # noqa: PLC0415 (few sources sign)
    from push_relay.core.trust.schemes.signed import Signed  # noqa: PLC0415 (as above)

    possible = characters(verify.verify.description) if isinstance(verify.verify, Signed) else None
    if possible is not None and handshake.is_signed_for_anybody(possible):
        file.wrong(
            "handshake",
            "signs every text of the characters that the scheme's `text` has, so that all events would be "
            'refused: put the body itself into `text`, or set `handshake = "none"`',
        )
