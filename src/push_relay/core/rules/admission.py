"""How a source's webhooks are admitted: its scheme, its handshake and the format of its bodies.

`receive` alone uses this. What an event is once it has been admitted is in `event_rules.py`.
"""

from dataclasses import dataclass, replace

from push_relay.core.inbound.body import BODY_FORMATS, BodyFormat
from push_relay.core.inbound.request import CORRELATION_HEADERS
from push_relay.core.rules.configuration import TomlTable
from push_relay.core.trust.handshakes import HANDSHAKES, Handshake, no_handshake
from push_relay.core.trust.proofs import Proof
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.schemes.registry import read_scheme


@dataclass(frozen=True, slots=True)
class Admission:
    """How webhooks of one source are verified and read.

    verify            None if the source takes no webhooks, because AWS delivers its events
    answer_handshake  answers what the sender asks before it sends events
    """

    verify: Scheme | None
    answer_handshake: Handshake
    body_format: BodyFormat


def read_admission(source: TomlTable, proof: Proof | None) -> Admission:
    """Compile the first half of source.toml. Raises WrongKey."""
    body_format = _body_format(source.table("event"))
    verify = _scheme(source.table("verify"), proof, body_format) if proof else None
    return Admission(verify, _handshake(source, proof), body_format)


def _body_format(event: TomlTable) -> BodyFormat:
    name = event.text("format", BODY_FORMATS[0])
    if name not in BODY_FORMATS:
        raise event.wrong("format", f"is not one of: {', '.join(BODY_FORMATS)}")
    return BodyFormat(name, event.text("form") if "form" in event else None)


def _scheme(verify: TomlTable, proof: Proof, body_format: BodyFormat) -> Scheme:
    scheme = read_scheme(verify)
    header = proof.header or ""
    if header in CORRELATION_HEADERS:
        raise verify.wrong("header", f"`{header}` would be logged, and given back: name another")
    if body_format.name == "cloudevents" and header.startswith("ce-"):
        raise verify.wrong("header", f"`{header}` would become a part of the event: name another")
    return replace(scheme, verify=scheme.form_verify) if body_format.form and scheme.form_verify else scheme


def _handshake(source: TomlTable, proof: Proof | None) -> Handshake:
    if "handshake" not in source:
        return no_handshake
    name = source.text("handshake")
    if name not in HANDSHAKES:
        raise source.wrong("handshake", f"is not one of: {', '.join(HANDSHAKES)}")
    if name == "sns" and (proof is None or proof.scheme != "sns-http"):
        # Only that scheme proves which topic asks: with any other, whoever calls would say what is fetched.
        raise source.wrong("handshake", "`sns` goes with the scheme `sns-http` alone")
    return HANDSHAKES[name]
