"""The secrets that senders sign with, as they are stored. `core/secret.py` has their forms."""

from collections.abc import Mapping, Sequence

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import CachedSecret, read_member, read_object, read_text


class StoredSigningSecrets:
    """The signing secrets of all sources, in one stored secret."""

    def __init__(self, secret: CachedSecret) -> None:
        self._secret = secret

    def of(self, source: str) -> Sequence[bytes]:
        """Return a source's secrets. Raises CredentialsUnavailable if there is none."""
        return _secrets_of(source, self._secret.text())

    def refreshed(self, source: str) -> Sequence[bytes]:
        """Return a source's secrets as they are now, read again at most once in a minute."""
        return _secrets_of(source, self._secret.refetched())

    def settings(self, source: str) -> Mapping[str, str]:
        """Return a source's settings, empty if it has none. Raises CredentialsUnavailable."""
        value = read_member(read_object(self._secret.text(), "signing secrets", "{}"), source)
        given = value if isinstance(value, dict) else {}
        return {name: read_text(text) for name, text in given.items() if name != "secret"}


def _secrets_of(source: str, text: str) -> Sequence[bytes]:
    """Return a source's secrets as they are stored. One that is not a text becomes empty and never fits."""
    value = read_member(read_object(text, "signing secrets", '{"<source>": "<secret>"}'), source)
    if isinstance(value, dict):
        value = value.get("secret")
    stored = value if isinstance(value, list) else [value]
    texts = [read_text(secret) for secret in stored]
    if value is None or not stored:
        raise CredentialsUnavailable(f'the signing secrets hold none for this source: add "{source}" to them')
    if not any(texts):
        raise CredentialsUnavailable(f"the signing secret of `{source}` is not a text, or is empty")
    return [secret.encode("utf-8") for secret in texts]
