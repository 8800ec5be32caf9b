"""The certificates of the loopback server, and how the functions are made to trust them."""

from pathlib import Path

import certifi


def trust(artifact: Path, authority: Path) -> dict[str, str]:
    """Make a function trust an authority; return the environment variables that this needs.

    The authority is added to the public ones instead of replacing them, because a function on Lambda loads
    all of these too.

    artifact   the directory of the built artifact
    authority  the file of the authority's certificate
    """
    del artifact  # the functions trust what the environment names
    bundle = authority.with_name("bundle.pem")
    if not bundle.exists():
        bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.read_bytes())
    return {"SSL_CERT_FILE": str(bundle), "AWS_CA_BUNDLE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle)}
