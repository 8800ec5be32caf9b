"""How a source's webhooks are admitted: its scheme, its handshake and the format of its bodies.

Only `receive` uses this. `event_rules.py` has the rules for the events of an admitted request.
"""

from dataclasses import replace
from typing import NamedTuple

from push_relay.core.inbound.body import ALL_FIELDS, BodyFormat
from push_relay.core.inbound.request import CORRELATION_HEADERS
from push_relay.core.rules.answer import FixedAnswer, read_answer
from push_relay.core.rules.expression import NO_FIELDS, Expression, read_expression
from push_relay.core.rules.source_file import EventTable, SourceFile
from push_relay.core.trust.handshakes.base import Handshake
from push_relay.core.trust.handshakes.registry import HANDSHAKES, NO_HANDSHAKE
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
    _check_jwt(file)
    verify = _scheme(file.verify, body_format) if file.verify else None
    each = read_expression(file.event, "each", file.verify.proof if file.verify else NO_FIELDS)
    return Admission(verify, _handshake(file), body_format, each, read_answer(file.answer))


def _body_format(event: EventTable) -> BodyFormat:
    if "form_field_encoding" in event and event.form_field in (None, ALL_FIELDS):
        event.wrong("form_field_encoding", "has no effect without the name of a `form_field`")
    if event.format == "ndjson" and "each" in event:
        event.wrong("each", "has no effect with the format `ndjson`, in which each line is an event")
    return BodyFormat(event.format, event.form_field, event.form_field_encoding)


def _check_jwt(file: SourceFile) -> None:
    """Refuse a JWT as the document if no proof can cover it: every request would be rejected."""
    verify = file.verify
    if file.event.format == "jwt" and verify and not verify.is_wrong and not verify.signs_content:
        file.event.wrong("format", f"`jwt` needs a scheme that covers the body, not `{verify.scheme}`")


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
    if file.handshake is None:
        return NO_HANDSHAKE
    handshake = HANDSHAKES[file.handshake]
    if handshake.scheme not in (None, file.verify and file.verify.scheme):
        file.wrong("handshake", f"`{file.handshake}` is only safe with the scheme `{handshake.scheme}`")
    return handshake
