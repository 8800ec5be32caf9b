"""The directory of authorities: OpenSSL finds them there, and the vendor's count for the vendor alone."""

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest

from push_relay.adapters import tls
from raw_server import raw
from relayctl import artifact
from relayctl.authorities import InvalidAuthoritiesError, write_authorities, write_trusted
from tls_authority import Authority


def is_trusted(client: ssl.SSLContext, of_server: ssl.SSLContext) -> bool:
    """Return whether a client's handshake with a server succeeds."""
    with raw(lambda _server, _connection: True, of_server) as server:
        address = ("127.0.0.1", urlsplit(server.address).port)
        with socket.create_connection(address, 20) as connection:
            try:
                client.wrap_socket(connection, server_hostname="127.0.0.1").close()
            except ssl.SSLCertVerificationError:
                return False
            return True


def test_a_server_is_trusted_whose_authority_is_in_the_directory(tmp_path: Path) -> None:
    """And no other, also not one that the system trusts."""
    authority = Authority(tmp_path)
    write_authorities(authority.file, tmp_path / tls.AUTHORITIES)
    (tmp_path / "other").mkdir()
    assert is_trusted(tls._context(tmp_path), authority.server())
    assert not is_trusted(tls._context(tmp_path), Authority(tmp_path / "other").server())


def test_the_deployers_authorities_count_for_the_vendor_alone(tmp_path: Path) -> None:
    """Its holder cannot pose as AWS. The public authorities count for the vendor too."""
    (tmp_path / "own").mkdir()
    public, own = Authority(tmp_path), Authority(tmp_path / "own", "own")
    write_authorities(public.file, tmp_path / tls.AUTHORITIES)
    assert tls._vendor_context(tmp_path) is None
    write_authorities(own.file, tmp_path / tls.VENDOR_AUTHORITIES)
    vendor = tls._vendor_context(tmp_path)
    assert vendor
    assert is_trusted(vendor, own.server())
    assert is_trusted(vendor, public.server())
    assert not is_trusted(tls._context(tmp_path), own.server())


def test_all_public_authorities_are_written(tmp_path: Path) -> None:
    """Two of the same subject have two numbers."""
    write_trusted(tmp_path / "all")
    count = Path(certifi.where()).read_text("utf-8").count("-----BEGIN CERTIFICATE-----")
    assert len([*(tmp_path / "all").iterdir()]) == count
    twice = tmp_path / "twice.pem"
    twice.write_bytes(Authority(tmp_path).file.read_bytes() * 2)
    write_authorities(twice, tmp_path / "twice")
    assert sorted(path.suffix for path in (tmp_path / "twice").iterdir()) == [".0", ".1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not end with a certificate"),
        (b"planted", "does not end with a certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\nplanted\n-----END CERTIFICATE-----\n",
            "certificate 1 cannot be read",
        ),
    ],
)
def test_a_build_refuses_a_file_without_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    """The error names the file, and quotes none of it."""
    (tmp_path / artifact.VENDOR_FILE).write_bytes(content)
    with pytest.raises(InvalidAuthoritiesError, match=reason):
        write_authorities(tmp_path / artifact.VENDOR_FILE, tmp_path / "into")
    monkeypatch.setenv(artifact.CONFIG_VARIABLE, str(tmp_path / "relay.toml"))
    with pytest.raises(artifact.BuildFailedError, match=artifact.VENDOR_FILE):
        artifact._write_authorities(tmp_path / "built")
