"""How a source's webhooks are admitted: its scheme, its handshake and the format of its bodies.

`receive` alone uses this. What an event is once it has been admitted is in `event_rules.py`.
"""

from dataclasses import dataclass, replace

from push_relay.core.inbound.body import BodyFormat
from push_relay.core.inbound.formats.registry import DEFAULT_FORMAT, FORMATS
from push_relay.core.inbound.request import CORRELATION_HEADERS
from push_relay.core.rules.configuration import TomlTable
from push_relay.core.trust.handshakes.base import Handshake
from push_relay.core.trust.handshakes.registry import HANDSHAKES, NO_HANDSHAKE
from push_relay.core.trust.proofs import Proof
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.schemes.registry import read_scheme


@dataclass(frozen=True, slots=True)
class Admission:
    """How webhooks of one source are verified and read.

    verify     None if the source takes no webhooks, because AWS delivers its events
    handshake  answers what the sender asks before it sends events
    """

    verify: Scheme | None
    handshake: Handshake
    body_format: BodyFormat


def read_admission(source: TomlTable, proof: Proof | None) -> Admission:
    """Compile the first half of source.toml. Raises WrongKey."""
    body_format = _body_format(source.table("event"))
    verify = _scheme(source.table("verify"), proof, body_format) if proof else None
    return Admission(verify, _handshake(source, proof), body_format)


def _body_format(event: TomlTable) -> BodyFormat:
    name = event.text("format", DEFAULT_FORMAT)
    if name not in FORMATS:
        raise event.wrong("format", f"is not one of: {', '.join(FORMATS)}")
    return BodyFormat(name, event.text("form") if "form" in event else None)


def _scheme(verify: TomlTable, proof: Proof, body_format: BodyFormat) -> Scheme:
    scheme = read_scheme(verify)
    header = proof.header or ""
    if header in CORRELATION_HEADERS:
        raise verify.wrong("header", f"`{header}` would be logged, and given back: name another")
    if body_format.format.becomes_data(header):
        raise verify.wrong("header", f"`{header}` would become a part of the event: name another")
    if body_format.form_field and scheme.form_verify:
        return replace(scheme, verify=scheme.form_verify)
    return scheme


def _handshake(source: TomlTable, proof: Proof | None) -> Handshake:
    if "handshake" not in source:
        return NO_HANDSHAKE
    name = source.text("handshake")
    if name not in HANDSHAKES:
        raise source.wrong("handshake", f"is not one of: {', '.join(HANDSHAKES)}")
    handshake = HANDSHAKES[name]
    if handshake.scheme not in (None, proof and proof.scheme):
        raise source.wrong("handshake", f"`{name}` is only safe with the scheme `{handshake.scheme}`")
    return handshake
