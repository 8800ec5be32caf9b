"""The secrets that senders sign with, as they are stored. `core/secret.py` has their forms.

    {"shop": "secret", "bank": ["new", "old"], "meta": {"secret": "s", "verify-token": "t"}}

Only `secret` is ever tried as a secret, and `signing-key` by a source that takes several proofs. The other
members of an object are settings. A JSON Web Key or a key set may be stored as an object in place of its JSON
text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import CachedSecret, read_member, read_object, read_text
from push_relay.core.trust.schemes.proof import SECRET, SIGNING_KEY

#: Seconds between two reads of the secrets while requests fit none of them. A secret that was rotated a
#: moment ago is accepted after this time, however many forgeries arrive. A function that is flooded all day
#: makes 17,280 calls of GetSecretValue, which cost 0.09 USD.
REFETCH_SECS = 5.0
#: The names of the members that hold a secret of each kind, or a list of them.
_NAMES = {SECRET: (SECRET,), SIGNING_KEY: (SIGNING_KEY, "signing_key")}


class StoredSigningSecrets:
    """The signing secrets of all sources, in one stored secret."""

    def __init__(self, secret: CachedSecret) -> None:
        self._secret = secret
        self._read: tuple[str, dict[str, Any]] = ("", {})

    def of(self, source: str, kind: str = SECRET) -> Sequence[bytes]:
        """Return a source's secrets of a kind. Raises CredentialsUnavailable if there is none."""
        return _secrets_of(source, self._stored(source, self._secret.text()), kind)

    def refreshed(self, source: str, kind: str = SECRET) -> Sequence[bytes]:
        """Return a source's secrets as they are now, read again at most once in REFETCH_SECS."""
        return _secrets_of(source, self._stored(source, self._secret.refetched(REFETCH_SECS)), kind)

    def has(self, source: str) -> bool:
        """Return whether a secret is stored for a source. Raises CredentialsUnavailable."""
        stored = self._stored(source, self._secret.text())
        return _secret_in(stored, SECRET) is not None

    def settings(self, source: str) -> Mapping[str, str]:
        """Return what is stored for a source beside its secret; nothing if it cannot be read."""
        try:
            stored = self._stored(source, self._secret.text())
        except CredentialsUnavailable:
            return {}
        if not _has_settings(stored):
            return {}
        texts = {name: read_text(value) for name, value in stored.items() if not _is_secret(stored, name)}
        return {name: text for name, text in texts.items() if text}

    def _stored(self, source: str, text: str) -> object:
        """Return what is stored for a source. The same text is parsed only once."""
        if text != self._read[0]:
            self._read = (text, read_object(text, "signing secrets", '{"<source>": "<secret>"}'))
        return read_member(self._read[1], source)


def _secrets_of(source: str, stored: object, kind: str) -> Sequence[bytes]:
    """Return a source's secrets as they are stored. One that is not a text becomes empty and never fits."""
    value = _secret_in(stored, kind)
    secrets = value if isinstance(value, list) else [value]
    texts = [_text_of(secret) for secret in secrets]
    if (value is None or not secrets) and _has_settings(stored):
        raise CredentialsUnavailable(
            f"the signing secrets hold settings of `{source}`, and not the member `{kind}` that proves its "
            "requests: add it beside them"
        )
    if value is None or not secrets:
        raise CredentialsUnavailable(f'the signing secrets hold none for this source: add "{source}" to them')
    if not any(texts):
        raise CredentialsUnavailable(f"the signing secret of `{source}` is not a text, or is empty")
    return [secret.encode("utf-8") for secret in texts]


def _has_settings(stored: object) -> TypeGuard[dict[str, Any]]:
    """Return whether an object holds a secret and settings: it does unless it is itself a key."""
    return isinstance(stored, dict) and (read_member(stored, SECRET) is not None or not _is_web_key(stored))


def _secret_in(stored: object, kind: str) -> object:
    """Return what is stored of a kind: a text or a list alone is the source's `secret`."""
    if not _has_settings(stored):
        return stored if kind == SECRET else None
    return next((value for name in _NAMES[kind] if (value := read_member(stored, name)) is not None), None)


def _is_web_key(value: Mapping[str, object]) -> bool:
    """Return whether an object is a JSON Web Key or a set of them (RFC 7517)."""
    return isinstance(value.get("kty"), str) or isinstance(value.get("keys"), list)


def _text_of(secret: object) -> str:
    if isinstance(secret, dict) and _is_web_key(secret):
        return json.dumps(secret)
    return read_text(secret)


def _is_secret(stored: Mapping[str, object], name: str) -> bool:
    """Return whether a member may be meant as a secret, in other capitals or with space around it."""
    names = (each for kind in _NAMES.values() for each in kind)
    return any(read_member({name: stored[name]}, each) is not None for each in names)
