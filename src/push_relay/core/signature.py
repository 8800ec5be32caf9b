"""Verify that a webhook comes from whoever holds the source's secret.

A scheme is one pure function over the request as it was received, byte for byte: it returns the bytes
that the proof covers, or raises. A source names its scheme; SCHEMES is the place for the next ones.
Everything here fails closed: no secret, no header, an unknown scheme are a rejection.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from push_relay.core.errors import ConfigurationInvalid, SignatureInvalid, SignatureMissing


class SignedRequest(Protocol):
    """What a scheme may look at: header names are lower-case, the body is as it was received."""

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102


#: (request, secrets of which any may fit, seconds since the epoch) -> the bytes that the proof covers.
type Scheme = Callable[[SignedRequest, Sequence[bytes], float], bytes]

#: Characters of a header that carries a proof; no provider's is longer.
MAX_PROOF = 4096


def scheme(name: str, options: Mapping[str, object]) -> Scheme:
    """Return the scheme that a source's `[verify]` names. Raises ConfigurationInvalid."""
    if name not in SCHEMES:
        raise ConfigurationInvalid(f"verify.scheme `{name}` does not exist; there are: {', '.join(SCHEMES)}")
    if options:
        raise ConfigurationInvalid(f"verify.scheme `{name}` takes no option `{next(iter(options))}`")
    return SCHEMES[name]


def github(request: SignedRequest, secrets: Sequence[bytes], _now: float) -> bytes:
    """`X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 of the body.

    Covers the body alone, so the delivery id in the headers proves nothing.
    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """
    proof = _proof(request, "x-hub-signature-256")
    _require(any(hmac.compare_digest(proof, b"sha256=" + _hex_hmac(key, request.body)) for key in secrets))
    return request.body


def grafana(request: SignedRequest, secrets: Sequence[bytes], _now: float) -> bytes:
    """`X-Grafana-Alerting-Signature: <hex>`, HMAC-SHA256 of the body.

    https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    """
    proof = _proof(request, "x-grafana-alerting-signature")
    _require(any(hmac.compare_digest(proof, _hex_hmac(key, request.body)) for key in secrets))
    return request.body


SCHEMES: dict[str, Scheme] = {"github": github, "grafana": grafana}


def _proof(request: SignedRequest, name: str) -> bytes:
    """Return the header that carries the proof. Raises SignatureMissing, or SignatureInvalid for nonsense."""
    value = request.headers.get(name)
    if value is None:
        raise SignatureMissing("the request is not signed")
    _require(0 < len(value) <= MAX_PROOF and value.isascii())
    return value.encode("ascii")


def _hex_hmac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, hashlib.sha256).hex().encode("ascii")


def _require(genuine: bool) -> None:  # noqa: FBT001
    # One sentence for every cause: an answer never says which part failed.
    if not genuine:
        raise SignatureInvalid("the signature does not fit the request")
