"""The certificates that the measured programs trust: the public ones, and that of the loopback server."""

from pathlib import Path

import certifi

from push_relay.adapters.tls import AUTHORITIES
from relayctl.authorities import write_authorities

#: The variable from which the floor reads the file of its certificates.
BUNDLE_VARIABLE = "BENCH_CERTIFICATES"


def trust(artifact: Path, authority: Path) -> dict[str, str]:
    """Make a function trust an authority; return the environment variables that this needs.

    artifact   the directory of the built artifact
    authority  the file of the authority's certificate
    """
    write_authorities(authority, artifact / AUTHORITIES)
    return {}


def trust_of_peers(authority: Path) -> dict[str, str]:
    """Return the environment variables by which the peers trust an authority."""
    bundle = str(bundle_with(authority))
    return {"SSL_CERT_FILE": bundle, "AWS_CA_BUNDLE": bundle, "REQUESTS_CA_BUNDLE": bundle}


def bundle_with(authority: Path) -> Path:
    """Return a file of the public authorities and this one.

    A program loads as many certificates as on Lambda, which a file with one of them would not show.
    """
    bundle = authority.with_name("bundle.pem")
    if not bundle.exists():
        bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.read_bytes())
    return bundle
