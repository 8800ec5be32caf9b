"""An authority for certificates, and servers whose certificates it has issued."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def name(text: str) -> x509.Name:
    """Return a name."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def issued(
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    authority: bool,
    address: str,
) -> x509.Certificate:
    """Return a certificate of a key: an authority's own, or a server's at an address."""
    now = dt.datetime.now(dt.UTC)
    signs = x509.KeyUsage(True, False, False, False, False, authority, authority, False, False)  # noqa: FBT003
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(issuer if authority else "server"))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not authority:
        names = [x509.IPAddress(ipaddress.ip_address(address))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key in PEM format."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """An authority whose certificate the machine trusts."""

    def __init__(self, folder: Path, subject: str = "authority") -> None:
        """Make its certificate."""
        self._folder, self._subject = folder, subject
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = issued(self._key, self._key, subject, authority=True, address="")
        self.file = folder / "authority.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def server(self, address: str = "127.0.0.1") -> ssl.SSLContext:
        """Return the context of a server at an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issued(key, self._key, self._subject, authority=False, address=address)
        chain = self._folder / "server.pem"
        chain.write_bytes(pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context
