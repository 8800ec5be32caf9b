"""An organisation's credentials at the vendor, as they are stored. `core/secret.py` has their forms."""

import re

from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import CachedSecret, read_member, read_object, read_text
from push_relay.core.secret_text import visible

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


class StoredPushCredentials:
    """The credentials of one account, in one stored secret."""

    def __init__(self, secret: CachedSecret) -> None:
        self._secret = secret

    def current(self) -> Credentials:
        """Return the credentials. Raises CredentialsUnavailable, also if the secret has another form."""
        return _credentials(self._secret.text())

    def refreshed(self) -> Credentials:
        """Return the credentials as they are now, read again at most once in a minute."""
        return _credentials(self._secret.refetched())


def _credentials(text: str) -> Credentials:
    value = read_object(text, "push credentials", '{"CompanyId": 1234, "IntegrationKey": "<key>"}')
    company_id, key = (
        visible(read_text(read_member(value, name))) for name in ("CompanyId", "IntegrationKey")
    )
    if not _WHOLE_NUMBER.fullmatch(company_id):
        raise CredentialsUnavailable("the push credentials' CompanyId is not a whole number")
    if not key:
        raise CredentialsUnavailable("the push credentials' IntegrationKey is not a text, or is empty")
    return Credentials(int(company_id), key)
