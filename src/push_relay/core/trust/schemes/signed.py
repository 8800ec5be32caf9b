"""The engine: verifies the signature that a description describes, by HMAC or by a public key."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, SignatureMissing
from push_relay.core.strict_json import parse
from push_relay.core.trust.schemes.description import Description, SignatureTable, Timestamp, describe
from push_relay.core.trust.schemes.description_check import check
from push_relay.core.trust.schemes.key_form import PUBLIC_PREFIX, decoded_standard
from push_relay.core.trust.schemes.moment import require_fresh
from push_relay.core.trust.schemes.proof import (
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    fits,
    from_base64,
    keys,
    no_fit,
    require,
    require_settings,
)
from push_relay.core.trust.schemes.signature_list import Offered
from push_relay.core.trust.schemes.values import NO_ITEMS, Values, checked, pointed, reader, text_of
from push_relay.core.trust.signature_table import VerifyHmac

if TYPE_CHECKING:
    from push_relay.core.trust.public_keys import PublicKey

#: Groups of all lists of a request. Each may have a timestamp, and so a text of its own that is hashed.
MAX_GROUPS = 4
#: Signatures by a public key in a request: each costs a verification of the whole text.
MAX_SIGNATURES = 4
#: An id that is signed. No comma or space, because two joined headers are not an id.
_ID = re.compile(r"[!-+\--~]{1,256}")


def make(table: SignatureTable | VerifyHmac) -> Scheme:
    """Make the scheme that a table describes; its mistakes go to its report. Raises ConfigurationInvalid."""
    description = describe(table)
    if not isinstance(table, VerifyHmac):
        check(table, description)
    return Signed(description).scheme()


class Offer(NamedTuple):
    """Signatures of one text.

    texts   the signatures, in their usual spelling
    public  those of the kind of public keys of Standard Webhooks
    signed  the text
    moment  when it was signed, if there is a timestamp
    """

    texts: Sequence[str]
    public: Sequence[str]
    signed: bytes
    moment: float | None


class Signed:
    """Verifies requests by a description.

    Everything that depends on the description alone is done once, when it is made.
    """

    def __init__(self, description: Description) -> None:
        self.description = description
        self._signatures = tuple(map(reader, description.places))
        self._id_at = reader(description.id) if description.id else None
        timestamp = description.timestamp
        self._moment_at = reader(timestamp.place) if timestamp and not timestamp.late else None
        self._delimited = [(reader(place), delimiter) for place, delimiter in description.delimited]
        self._lasting = description.text.lasting if description.covers == "form" else None
        self._is_spelt = description.spelling.pattern.fullmatch
        # A secret may also be a public key of Standard Webhooks, with items of its own.
        self._has_public_kind = description.key_name == "whsec"

    def scheme(self) -> Scheme:
        """Return it as a scheme."""
        return Scheme(self, secret=self.description.key.secret, fetches=self.description.fetch is not None)

    def __call__(self, request: SignedRequest, evidence: Evidence) -> Verified:
        """Verify a request. Raises SignatureMissing, SignatureInvalid, Stale, PayloadTooLarge."""
        description = self.description
        require_settings(evidence, description.settings)
        values = Values(request, evidence.settings, description.form_field)
        parts = [self._offers(values) for _ in values.parts(description.each)]
        event_id = self._id(values)
        known = keys(evidence)
        if description.fetch and not known:
            secret, fitting = b"", self._fetched_fitting(parts, values, evidence)
        else:
            secret, fitting = self._fitting(parts, known)
        if evidence.is_signed_for_anybody:
            require(not any(evidence.is_signed_for_anybody(offer.signed) for offer in fitting))
        self._require_fresh(fitting, request.body, evidence)
        content = self._content(values, fitting)
        return Verified(content, event_id, content=description.covers != "nothing", secret=secret)

    def _require_fresh(self, offers: Sequence[Offer], body: bytes, evidence: Evidence) -> None:
        timestamp = self.description.timestamp
        if timestamp is None:
            return
        for offer in offers:
            moment = _late_moment(timestamp, body) if timestamp.late else offer.moment
            if moment is not None:
                require_fresh(moment, evidence.now, timestamp.tolerance_secs)

    def _content(self, values: Values, fitting: Sequence[Offer]) -> bytes:
        """Return what is the same in each attempt to deliver an event."""
        description = self.description
        if description.each:
            return b"\n".join(offer.signed for offer in fitting)
        if self._lasting:
            return self._lasting.fill(values)
        if description.covers == "field":
            return (values.field(description.form_field or "") or "").encode()
        return values.request.body

    def _id(self, values: Values) -> str | None:
        if self._id_at is None:
            return None
        event_id = self._id_at(values)
        if event_id is None:
            raise SignatureMissing("the request is not signed")
        require(_ID.fullmatch(event_id) is not None)
        return event_id

    # --- what is offered ---------------------------------------------------------------------------

    def _offers(self, values: Values) -> list[Offer]:
        written = [value for read in self._signatures if (value := read(values)) is not None]
        if not written:
            raise SignatureMissing("the request is not signed")
        groups = self._groups([self._bare(checked(value)) for value in written], values)
        offers = [self._offer(group, values) for group in groups]
        if not self.description.hash_name:
            require(sum(len(offer.texts) for offer in offers) <= MAX_SIGNATURES)
        return offers

    def _bare(self, value: str) -> str:
        """Return a value without what is around its signatures."""
        description = self.description
        require(value.startswith(description.prefix))
        bare = value.removeprefix(description.prefix)
        return _unwrapped(bare, description.wrapped) if description.wrapped else bare

    def _groups(self, bare: Sequence[str], values: Values) -> Sequence[Offered]:
        """Return the groups of signatures. Each has a text of its own, which costs a hash of the body.

        There are few, however many headers a stranger sends: without lists, the signatures of all headers are
        of one text. Raises SignatureInvalid if there are more.
        """
        grammar = self.description.list
        if grammar is None:
            return (Offered(bare, NO_ITEMS),)
        groups: list[Offered] = []
        for value in bare:
            groups += grammar.read(value, values.settings)
            require(len(groups) <= MAX_GROUPS)
        return groups

    def _offer(self, group: Offered, values: Values) -> Offer:
        description = self.description
        for text in (*group.texts, *group.public):
            require(self._is_spelt(text) is not None)
        values.items = group.items
        moment = self._moment(values)
        for read, delimiter in self._delimited:
            require(delimiter not in (read(values) or ""))
        signed = description.text.fill(values)
        if values.listed and description.timestamp:
            require(description.timestamp.place.name in values.listed)
        if description.is_prehashed:
            signed = hashlib.sha256(signed).digest()
        return Offer([description.spelling.usual(text) for text in group.texts], group.public, signed, moment)

    def _moment(self, values: Values) -> float | None:
        timestamp = self.description.timestamp
        if timestamp is None or self._moment_at is None:
            return None
        text = self._moment_at(values)
        if text is None and not timestamp.required:
            return None
        if text is None and timestamp.place.kind != "item":
            raise SignatureMissing("the request is not signed")
        return timestamp.read(checked(text or ""))

    # --- what fits -----------------------------------------------------------------------------------

    def _fitting(
        self, parts: Sequence[Sequence[Offer]], secrets: Sequence[bytes]
    ) -> tuple[bytes, list[Offer]]:
        """Return the first secret that fits each part, and what it fits. Raises SignatureInvalid."""
        for secret in secrets:
            found = [offer for offers in parts if (offer := self._first_fit(offers, secret))]
            if len(found) == len(parts):
                return secret, found
        raise no_fit()

    def _fetched_fitting(
        self, parts: Sequence[Sequence[Offer]], values: Values, evidence: Evidence
    ) -> list[Offer]:
        """Return what a fetched key fits. Raises SignatureInvalid, Stale, CredentialsUnavailable.

        Everything that a stranger can be refused for is checked before a key is fetched.
        """
        description = self.description
        (offers,) = parts
        self._require_fresh(offers, values.request.body, evidence)

        signed: list[Offer] = []

        def signed_by(found: "Sequence[PublicKey]") -> bool:
            valid = [key for key in found if key.is_valid(evidence.now)]
            signed[:] = [offer for offer in offers if self._fits_one(offer, valid)]
            return bool(signed)

        require(
            description.fetch is not None
            and description.fetch.fits(values, evidence, signed_by, lambda _known: True)
        )
        return signed

    def _fits_one(self, offer: Offer, found: "Sequence[PublicKey]") -> bool:
        read = [self.description.spelling.read(text) for text in offer.texts]
        return any(
            key.fits(self.description.algorithm, signature, offer.signed)
            for key in found
            for signature in read
            if signature
        )

    def _first_fit(self, offers: Sequence[Offer], secret: bytes) -> Offer | None:
        for offer in offers:
            if self._fits(offer, secret):
                return offer
        return None

    def _fits(self, offer: Offer, secret: bytes) -> bool:
        description = self.description
        if not description.hash_name:
            stored = _stored_keys(description.key_name, description.algorithm, secret)
            return self._fits_one(offer, stored)
        if self._has_public_kind and secret.startswith(PUBLIC_PREFIX):
            return _is_standard_signed(offer, secret)
        key = description.key.key(secret)
        if not key:
            return False
        mac = hmac.digest(key, offer.signed, description.hash_name)
        return fits(offer.texts, (description.spelling.write(mac),))


def _is_standard_signed(offer: Offer, secret: bytes) -> bool:
    """Return whether an Ed25519 signature of Standard Webhooks fits its public key."""
    found = [value for text in offer.public if (value := from_base64(text))]
    require(len(found) <= MAX_SIGNATURES)
    raw = decoded_standard(secret.removeprefix(PUBLIC_PREFIX))
    return any(
        key.fits("ed25519", value, offer.signed)
        for key in _stored_keys("hex", "ed25519", raw.hex().encode())
        for value in found
    )


def _stored_keys(form: str, algorithm: str, secret: bytes) -> "Sequence[PublicKey]":
    # Imported here, so that only a relay with such a source pays for it.
    from push_relay.core.trust.public_keys import ALGORITHMS, read_stored_keys  # noqa: PLC0415

    return read_stored_keys(form, secret, (ALGORITHMS[algorithm].family,))


def _unwrapped(value: str, steps: Sequence[str]) -> str:
    """Return the signature in the JSON object that a value is, in base64."""
    wrapped = from_base64(value)
    require(wrapped is not None)
    try:
        signature = pointed(parse(wrapped or b""), steps)
    except (MalformedRequest, PayloadTooLarge):
        signature = None
    require(isinstance(signature, str))
    return checked(str(signature))


def _late_moment(timestamp: Timestamp, body: bytes) -> float | None:
    """Return the moment in the signed body, in the reading that its event will have."""
    try:
        text = text_of(pointed(parse(body, lenient=True), timestamp.place.steps))
    except (MalformedRequest, PayloadTooLarge):
        text = None
    if text is None:
        require(not timestamp.required)
        return None
    return timestamp.read(checked(text))
