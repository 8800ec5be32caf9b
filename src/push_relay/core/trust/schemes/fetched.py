"""The public keys of a sender that publishes them: where they are, and when they are fetched.

The schemes `jwt` and `public-key` use it. They ask for keys only after everything else of a request fits.
"""

import re
from collections.abc import Callable, Sequence

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.strict_json import Limits
from push_relay.core.trust.fetch_table import FetchTable
from push_relay.core.trust.jws import read_claims
from push_relay.core.trust.public_keys import MAX_DOCUMENT_BYTES, PublicKey, read_keys
from push_relay.core.trust.schemes.proof import Evidence, no_fit
from push_relay.core.trust.schemes.signed_text import compile_text
from push_relay.core.trust.schemes.values import Values

#: Characters of an address.
MAX_ADDRESS = 512
# No query, no user, no port, no `.` or `..` as a step, nothing escaped: one reading for every client.
_ADDRESS = re.compile(r"https://([a-z0-9-]+(?:\.[a-z0-9-]+)+)((?:/\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*)+)")
_LABEL = r"[a-z0-9-]{1,63}"
_LIMITS = Limits(depth=20, parts=5000, text=MAX_DOCUMENT_BYTES)


class FetchedKeySource:
    """The address of a sender's keys, as its source's table `fetch` describes it."""

    def __init__(self, table: FetchTable, form: str) -> None:
        self._address = compile_text(table.address, None)
        self._hosts = [re.compile(re.escape(host).replace(r"\*", _LABEL)) for host in table.hosts]
        self._path_begins = table.path_begins
        self._steps = (table.pointer or "").split("/")[1:]
        self._form = form
        self._is_named_by_the_request = table.is_named_by_the_request

    def fits(
        self,
        values: Values,
        evidence: Evidence,
        signed_by: Callable[[Sequence[PublicKey]], bool],
        may_be_newer: Callable[[Sequence[PublicKey]], bool],
    ) -> bool:
        """Return whether a request is signed by one of the sender's keys.

        signed_by     returns whether it is signed by one of these keys
        may_be_newer  returns whether a key may be missing among these, so that they are fetched again

        Raises CredentialsUnavailable, and SignatureInvalid if the request names an address elsewhere.
        """
        host, url = self._pinned(values)
        if evidence.keys is None:
            raise CredentialsUnavailable("the sender's key is not stored, and there is no way to fetch it")
        if self._is_named_by_the_request:
            return signed_by(self._read(evidence.keys.named(host, url)))
        keys = self._read(evidence.keys.current(url, self._is_usable))
        if signed_by(keys):
            return True
        return may_be_newer(keys) and signed_by(self._read(evidence.keys.renewed(url, self._is_usable)))

    def _pinned(self, values: Values) -> tuple[str, str]:
        """Return the host and the address, if they are the sender's."""
        written = self._address.fill(values).decode("utf-8", "replace")
        found = _ADDRESS.fullmatch(written) if len(written) <= MAX_ADDRESS else None
        if (
            found is None
            or not any(host.fullmatch(found[1]) for host in self._hosts)
            or not found[2].startswith(self._path_begins)
        ):
            if self._is_named_by_the_request:
                raise no_fit()
            raise CredentialsUnavailable("the settings do not make an address of the sender's keys")
        return found[1], written

    def _is_usable(self, document: bytes) -> bool:
        return bool(self._read(document))

    def _read(self, document: bytes) -> Sequence[PublicKey]:
        if not self._steps:
            return read_keys(self._form, document)
        value: object = read_claims(document, _LIMITS)
        for step in self._steps:
            value = value.get(step) if isinstance(value, dict) else None
        return read_keys(self._form, value.encode()) if isinstance(value, str) else ()
