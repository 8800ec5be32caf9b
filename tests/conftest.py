"""Settings for every test: no network except this machine's, and the names that telemetry needs."""

import ipaddress
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# A failed assertion in a contract shows its values, as one in a test does.
pytest.register_assert_rewrite("contracts")

# Examples have no deadline, because a busy machine is not a bug. pytest's timeout limits each test.
settings.register_profile("relay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relay")

os.environ["POWERTOOLS_SERVICE_NAME"] = "push-relay"
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "PushRelay"
os.environ["POWERTOOLS_LOG_LEVEL"] = "INFO"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")

_GUARDED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


class NetworkBlocked(RuntimeError):
    """A test has tried to connect to another machine."""


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse every connection to another machine. Audit events also cover connections by C code (PEP 578)."""
    if event in _RESOLVING:
        host = arguments[0]
    elif event in _GUARDED and isinstance(arguments[1], tuple) and arguments[1]:
        host = arguments[1][0]
    else:
        return
    if not _is_local(host):
        raise NetworkBlocked(f"tests may connect only to this machine, not to {host!r}")


sys.addaudithook(_guard)
