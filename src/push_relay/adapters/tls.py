"""The TLS contexts: which certificates a server may have. Each is made once, and all clients share it.

The build writes the certificates of the authorities that Mozilla trusts into a directory of the artifact, one
file each, named by a hash of its subject. OpenSSL reads only the file that it needs, while the system's one
file with all of them takes as long as the start of an interpreter (`relayctl/authorities.py`).
"""

import ssl
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
#: The authorities that all servers may have their certificates from, and those of the vendor's server alone.
AUTHORITIES, VENDOR_AUTHORITIES = "authorities", "vendor-authorities"


@cache
def context() -> ssl.SSLContext:
    """Return the context for all servers. Without the build's directory, the system's authorities count."""
    return _context(_ROOT)


@cache
def vendor_context() -> ssl.SSLContext:
    """Return the context for the vendor's server: the shared one, unless the deployer adds authorities."""
    return _vendor_context(_ROOT) or context()


def _context(root: Path) -> ssl.SSLContext:
    directory = root / AUTHORITIES
    made = ssl.create_default_context(capath=directory if directory.is_dir() else None)
    made.set_alpn_protocols(["http/1.1"])
    return made


def _vendor_context(root: Path) -> ssl.SSLContext | None:
    directory = root / VENDOR_AUTHORITIES
    if not directory.is_dir():
        return None
    made = _context(root)
    made.load_verify_locations(capath=directory)
    return made
