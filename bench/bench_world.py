"""The parts that all measurements share: the built artifact, the server with TLS, and the environment."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loopback import PUSH_CREDENTIALS, SIGNING_SECRETS, Loopback, loopback
from relayctl import artifact
from relayctl.deploy import host_architecture
from relayctl.project import ROOT
from tls_authority import Authority
from trust import BUNDLE_VARIABLE, bundle_with, trust, trust_of_peers

#: Takes a line about the progress.
type Report = Callable[[str], None]

_PLATFORMS: Final = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_SHIPPED_ROUTES: Final = ROOT / "tests/samples/shipped-routes.toml"
_ACCOUNT: Final = "[account.default]\n"
#: The events of all rounds are more than the calls of a day.
MANY_CALLS: Final = "daily_calls = 1_000_000_000\n"


@dataclass(frozen=True, slots=True)
class Bench:
    """The shared parts. `artifact`: with the shipped sources and the routes of the tests."""

    directory: Path
    built: Path
    artifact: Path
    server: Loopback

    def environment(self, built: Path | None = None) -> dict[str, str]:
        """Return the environment of a function whose AWS and vendor are the loopback server.

        built  the artifact, if it is not the shared one
        """
        return self._resources() | trust(built or self.artifact, self.server.authority)

    def environment_of_peers(self) -> dict[str, str]:
        """Return the environment of a peer, which has the same AWS and the same vendor."""
        return self._resources() | trust_of_peers(self.server.authority)

    def _resources(self) -> dict[str, str]:
        address = self.server.address
        return {
            "POWERTOOLS_SERVICE_NAME": "push-relay",
            "POWERTOOLS_METRICS_NAMESPACE": "PushRelay",
            "PUSH_BASE_URL": address,
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "LEDGER_TABLE": "bench",
            "BACKLOG_TABLE": "bench",
            "QUEUE_URL": f"{address}/000000000000/bench",
            "DEAD_LETTER_QUEUE_URL": f"{address}/000000000000/bench-dead",
            "SIGNING_SECRETS_ARN": SIGNING_SECRETS,
            "PUSH_CREDENTIALS_ARN": PUSH_CREDENTIALS,
            BUNDLE_VARIABLE: str(bundle_with(self.server.authority)),
        }

    def variant(self, name: str, sources: Path, config: str) -> Path:
        """Return an artifact with other sources and another relay.toml, as the build writes them."""
        return _variant(self.built, self.directory / name, sources, config)


@contextmanager
def bench_world(report: Report) -> Iterator[Bench]:
    """Build the artifact and start the server; stop it at the end of the block."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        report("building the artifact")
        built = directory / "built"
        artifact.build(_PLATFORMS[host_architecture()], built)
        routes = _SHIPPED_ROUTES.read_text("utf-8").replace(_ACCOUNT, _ACCOUNT + MANY_CALLS)
        authority = Authority(directory)
        authority.server()
        with loopback(authority.file, directory / "server.pem") as server:
            shipped = _variant(built, directory / "shipped", ROOT / "src/sources", routes)
            yield Bench(directory, built, shipped, server)


def _variant(built: Path, into: Path, sources: Path, config: str) -> Path:
    into.mkdir()
    for path in built.iterdir():
        # A copy, because the settings look for the configuration beside the package's real place.
        if path.name == "push_relay":
            shutil.copytree(path, into / path.name)
        elif path.name not in artifact.CONFIGURATION:
            (into / path.name).symlink_to(path)
    file = into.with_suffix(".toml")
    file.write_text(config, "utf-8")
    artifact.write_configuration(sources, file, into)
    return into
