"""Write certificates as a directory in which OpenSSL finds the one that it needs (`adapters/tls.py`).

Each certificate has a file that is named by a hash of its subject: `eed8c118.0`, and `eed8c118.1` for another
one of the same subject. https://docs.openssl.org/3.0/man1/openssl-rehash/
"""

from collections import Counter
from pathlib import Path

#: The end of a certificate in a PEM file.
_END = b"-----END CERTIFICATE-----"


class InvalidAuthoritiesError(Exception):
    """A file has something else than certificates. The text names the file."""


def write_trusted(directory: Path) -> None:
    """Write the certificates of the authorities that Mozilla trusts."""
    import certifi

    write_authorities(Path(certifi.where()), directory)


def write_authorities(file: Path, directory: Path) -> None:
    """Write the certificates of a PEM file into a directory. Raises InvalidAuthoritiesError."""
    from OpenSSL import crypto

    directory.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    *parts, rest = file.read_bytes().split(_END)
    if not parts or rest.strip():
        raise InvalidAuthoritiesError(f"{file.name} does not end with a certificate in PEM")
    for number, part in enumerate(parts, start=1):
        try:
            certificate = crypto.load_certificate(crypto.FILETYPE_PEM, part + _END)
        except crypto.Error:
            raise InvalidAuthoritiesError(f"{file.name}: certificate {number} cannot be read") from None
        name = f"{certificate.subject_name_hash():08x}"
        pem = crypto.dump_certificate(crypto.FILETYPE_PEM, certificate)
        (directory / f"{name}.{counts[name]}").write_bytes(pem)
        counts[name] += 1
