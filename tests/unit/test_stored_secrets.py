"""Secrets as people store them: accepted in the usual variants, and otherwise refused without being shown."""

import json
from base64 import b64encode
from collections.abc import Callable

import pytest

from fake_client import FakeClient
from ports import CREDENTIALS, Clock
from push_relay.adapters.secrets import read_secret
from push_relay.core.delivery.credentials import StoredPushCredentials
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.secret import MIN_REFETCH_SECS, CachedSecret
from push_relay.core.trust.signing_secrets import StoredSigningSecrets


@pytest.fixture(name="client")
def _client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Replace every AWS client."""
    return FakeClient.install(monkeypatch)


def secret(read: Callable[[], str]) -> CachedSecret:
    """Return a cached secret that this function reads."""
    return CachedSecret(read, lambda: 1000.5, lambda: 1000.5)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": "x"}', [b"x"]),
        ('{"a": ["new", "old"]}', [b"new", b"old"]),
        ('{"a": ["x", ""]}', [b"x", b""]),
        ('{"a": ["x", null, 1.5]}', [b"x", b"", b""]),
        ('{"a": 47}', [b"47"]),
        ('{"a": [47, "x"]}', [b"47", b"x"]),
        ('{"a": " x\\n"}', [b" x\n"]),
        ('\ufeff{"a": "x"}\r\n', [b"x"]),
        ('\'{"a": "x"}\'', [b"x"]),
        ('"{\\"a\\": \\"x\\"}"', [b"x"]),
        ('{" A\u00a0": "x"}', [b"x"]),
        ('{"A": "y", "a": "x"}', [b"x"]),
    ],
)
def test_a_source_has_one_or_several_signing_secrets(text: str, found: list[bytes]) -> None:
    """There are two during a rotation. Quotes and byte order marks around the JSON are ignored."""
    assert StoredSigningSecrets(secret(lambda: text)).of("a") == found


@pytest.mark.parametrize(
    ("stored", "secrets", "settings"),
    [
        ('{"secret": "s", "verify-token": "t"}', [b"s"], {"verify-token": "t"}),
        ('{"secret": ["new", "old"], "id": 4711}', [b"new", b"old"], {"id": "4711"}),
        ('{" Secret": "s", "none": null, "list": ["x"], "empty": ""}', [b"s"], {}),
        ('"s"', [b"s"], {}),
    ],
)
def test_a_source_may_have_settings_beside_its_secret(
    stored: str, secrets: list[bytes], settings: dict[str, str]
) -> None:
    """Only the member `secret` is ever tried as a secret."""
    held = StoredSigningSecrets(secret(lambda: f'{{"a": {stored}}}'))
    assert (held.of("a"), held.settings("a")) == (secrets, settings)
    assert held.settings("b") == {}


KEY = {"kty": "EC", "crv": "P-256", "x": "planted"}
KEYS = {"keys": [KEY]}


@pytest.mark.parametrize(
    ("stored", "secrets", "settings"),
    [
        (KEY, [KEY], {}),
        (KEYS, [KEYS], {}),
        ([KEY, KEYS], [KEY, KEYS], {}),
        ({"secret": KEYS, "audience": "a"}, [KEYS], {"audience": "a"}),
        ({"Secret": [KEYS, KEY], "audience": "a"}, [KEYS, KEY], {"audience": "a"}),
    ],
)
def test_a_web_key_may_be_stored_as_an_object(
    stored: object, secrets: list[object], settings: dict[str, str]
) -> None:
    """People paste it as it is. It has the reading of its JSON text."""
    held = StoredSigningSecrets(secret(lambda: json.dumps({"a": stored})))
    assert [json.loads(found) for found in held.of("a")] == secrets
    assert (held.settings("a"), held.has("a")) == (settings, True)


def test_an_object_without_key_members_is_not_a_secret() -> None:
    """A member `keys` beside a secret is a setting, and an object without key members never is a secret."""
    held = StoredSigningSecrets(
        secret(lambda: '{"a": {"secret": "s", "keys": "k"}, "b": {"secret": {"x": "s"}}}')
    )
    assert (held.of("a"), held.settings("a")) == ([b"s"], {"keys": "k"})
    with pytest.raises(CredentialsUnavailable):
        held.of("b")


def test_settings_alone_verify_nothing() -> None:
    """A source that only has settings cannot verify anything, and an unreadable secret has no settings."""
    held = StoredSigningSecrets(secret(lambda: '{"a": {"verify-token": "planted"}}'))
    with pytest.raises(CredentialsUnavailable) as refused:
        held.of("a")
    assert "planted" not in str(refused.value)
    assert "hold settings of `a`, and not the member `secret`" in refused.value.detail
    assert held.settings("a") == {"verify-token": "planted"}
    assert StoredSigningSecrets(secret(lambda: "not json")).settings("a") == {}


@pytest.mark.parametrize(
    "text",
    ["", "planted", "[]", "null", "{}", '{"b": "planted"}']
    + [
        f'{{"a": {value}}}'
        for value in ('""', "[]", '[""]', "[7.5]", "true", "{}", "null", '"planted\\ud800"')
    ]
    + ['{"A": "planted", " a": "planted"}', "'planted'", '"planted"', "[" * 100_000],
)
def test_malformed_signing_secrets_are_refused(text: str) -> None:
    """Every request is then rejected, and the error's text shows no part of the secrets."""
    with pytest.raises(CredentialsUnavailable) as refused:
        StoredSigningSecrets(secret(lambda: text)).of("a")
    assert "planted" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    ["planted", "[]", "{}"]
    + [
        json.dumps({"CompanyId": c, "IntegrationKey": k})
        for c, k in (("planted", "k"), ("", "k"), (True, "k"), (1.5, "k"), (1, ""), (1, "\n"), (1, None))
    ],
)
def test_malformed_push_credentials_are_unavailable(text: str) -> None:
    """Pushes are parked until the deployer has fixed them."""
    with pytest.raises(CredentialsUnavailable) as refused:
        StoredPushCredentials(secret(lambda: text)).current()
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"CompanyId": "4711", "IntegrationKey": "k"}',
        '{"CompanyId": " 4711\\n", "IntegrationKey": "k\\n"}',
        '\ufeff{"CompanyId": 4711, "IntegrationKey": "\ufeffk "}',
        '{"companyID": 4711, " integrationkey": "k"}',
        '\'{"CompanyId": 4711, "IntegrationKey": "k"}\'\n',
    ],
)
def test_push_credentials_may_have_spaces_quotes_and_other_capitals(text: str) -> None:
    """People paste them with spaces and line breaks, and write the number in quotes."""
    held = StoredPushCredentials(secret(lambda: text))
    assert held.current() == Credentials(4711, "k")


def test_a_secret_is_read_unchanged_by_one_call(client: FakeClient) -> None:
    """The adapter does not cache, because the core decides when a secret is read."""
    client.answer = {"SecretString": "\ufeff{} "}
    assert [read_secret("arn"), read_secret("arn")] == ["\ufeff{} "] * 2
    assert client.calls == [("GetSecretValue", {"SecretId": "arn"})] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_secret_that_was_stored_as_bytes_is_read(encoding: str, client: FakeClient) -> None:
    """Secrets Manager stores texts and bytes. A file that PowerShell has written is UTF-16."""
    client.answer = {"SecretBinary": b64encode('{"a": "é"}'.encode(encoding)).decode()}
    assert StoredSigningSecrets(secret(lambda: read_secret("arn"))).of("a") == ["é".encode()]
    client.answer = {"SecretBinary": b64encode(b'{"a": "planted\xff"}').decode()}
    with pytest.raises(CredentialsUnavailable) as refused:
        read_secret("arn")
    assert refused.value.__suppress_context__


def test_credentials_are_read_again_only_after_an_interval() -> None:
    """Many refused calls to the vendor must not cause as many calls to AWS."""
    clock, reads = Clock(), []
    text = json.dumps({"CompanyId": CREDENTIALS.company_id, "IntegrationKey": CREDENTIALS.integration_key})

    def read() -> str:
        reads.append(clock.time)
        return text

    held = StoredPushCredentials(CachedSecret(read, clock.now, clock.monotonic))
    assert held.current() == held.refreshed() == held.refreshed() == CREDENTIALS
    assert len(reads) == 2
    clock.time += MIN_REFETCH_SECS
    held.refreshed()
    assert len(reads) == 3
