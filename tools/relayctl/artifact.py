"""Build the artifact of the Lambda functions: the relay, its sources and configuration, and its dependencies.

The build is reproducible: the artifact contains no path, no time and no file mode of the machine that builds
it, so the same inputs give the same bytes everywhere.
"""

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from push_relay.adapters.catalog import PREPARED_ROUTING
from push_relay.adapters.tls import AUTHORITIES, VENDOR_AUTHORITIES
from relayctl import slimming
from relayctl.authorities import InvalidAuthoritiesError, write_authorities, write_trusted
from relayctl.prepared_sources import write_prepared, write_routing
from relayctl.project import ROOT, UV
from relayctl.slimming import blank_symbols

#: The directory in which Lambda unpacks an artifact. The compiled modules name their files there, for
#: tracebacks.
TASK_ROOT: Final = "/var/task"
#: The services that the relay calls. botocore contains descriptions of about four hundred.
AWS_SERVICES: Final = frozenset({"dynamodb", "secretsmanager", "sqs", "sts"})
_PYTHON: Final = "3.13"
_REQUIREMENTS: Final = ROOT / "requirements/runtime.txt"
#: Installed and compiled packages, by a hash of their inputs. Both functions and later builds share them.
_STORE: Final = ROOT / ".aws-sam/packages"
#: The deployer's file beside relay.toml with further authorities for the vendor's server alone.
VENDOR_FILE: Final = "vendor-authorities.pem"
#: The directories that `write_configuration` writes.
CONFIGURATION: Final = ("sources", "config")
#: The modification time of every file: 2020-01-01. A zip file cannot contain a time before 1980.
_MTIME_SECS: Final = 1_577_836_800
#: These environment variables name another relay.toml and other source folders to build with. Tests use them.
CONFIG_VARIABLE: Final = "RELAYCTL_BUILD_CONFIG"
SOURCES_VARIABLE: Final = "RELAYCTL_BUILD_SOURCES"
#: Files of the packages that the functions do not need.
_UNUSED: Final = (
    "bin",
    "botocore/cacert.pem",  # the directory of authorities replaces it
    "dateutil/zoneinfo",  # botocore reads no zones
    "tzdata/zoneinfo/tzdata.zi",  # the same zones as a text
    "urllib3/contrib/emscripten",
    # cryptography was built with it, and only needs its module `_cffi_backend`.
    *("cffi", "cffi-*.dist-info", "pycparser", "pycparser-*.dist-info"),
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/uv_*",
    "**/*.pyi",
    ".lock",
)


class BuildFailedError(Exception):
    """The artifact cannot be built. The text contains the reason."""


def build(platform: str, into: Path) -> None:
    """Write the artifact into a directory.

    platform  the target platform, as uv names it

    Raises BuildFailedError.
    """
    packages = _packages(platform)
    into.mkdir(parents=True, exist_ok=True)
    shutil.copytree(packages, into, dirs_exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src/push_relay", into / "push_relay", dirs_exist_ok=True, ignore=ignored)
    write_configuration(sources_directory(), config_file(), into)
    _write_authorities(into)
    _compile(into / "push_relay", into)
    _set_times_and_modes(into)


def write_configuration(sources: Path, config: Path, into: Path) -> None:
    """Write the part of the artifact that changes without the code: the source folders and relay.toml.

    Raises Mistakes for a relay.toml that the relay cannot use.
    """
    write_prepared(sources, into / "sources")
    (into / "config").mkdir(exist_ok=True)
    write_routing(config, into / "config" / PREPARED_ROUTING)


def _write_authorities(into: Path) -> None:
    """Write whose certificates servers may have: Mozilla's authorities, and the deployer's for the vendor."""
    write_trusted(into / AUTHORITIES)
    own = config_file().with_name(VENDOR_FILE)
    if own.is_file():
        try:
            write_authorities(own, into / VENDOR_AUTHORITIES)
        except InvalidAuthoritiesError as exc:
            raise BuildFailedError(str(exc)) from exc


def sources_directory() -> Path:
    """Return the directory of the source folders to build with."""
    return Path(os.environ.get(SOURCES_VARIABLE, ROOT / "src/sources"))


def config_file() -> Path:
    """Return the relay.toml to build with."""
    return Path(os.environ.get(CONFIG_VARIABLE, ROOT / "config/relay.toml"))


def _packages(platform: str) -> Path:
    """Return the directory of the installed packages. They are installed only if the inputs are new."""
    inputs = hashlib.sha256()
    for part in (
        platform.encode(),
        sys.version.encode(),
        _REQUIREMENTS.read_bytes(),
        *(Path(file).read_bytes() for file in (__file__, slimming.__file__)),
    ):
        inputs.update(hashlib.sha256(part).digest())
    stored = _STORE / inputs.hexdigest()[:16]
    if stored.is_dir():
        return stored
    _STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_STORE, prefix=".new-") as directory:
        new = Path(directory) / "packages"
        _install(platform, new)
        _prune(new)
        compile_away(new)
        for library in new.rglob("*.so"):
            blank_symbols(library)
        try:
            new.rename(stored)
        except OSError:
            # A build that runs at the same time may have stored the same packages first. Any other error is
            # raised.
            if not stored.is_dir():
                raise
    return stored


def _install(platform: str, into: Path) -> None:
    command: list[str | Path] = [UV, "pip", "install", "--quiet", "--target", into]
    command += ["--python-platform", platform, "--python-version", _PYTHON, "--only-binary", ":all:"]
    command += ["--link-mode", "copy", "--no-config", "--require-hashes", "-r", _REQUIREMENTS]
    environment = {"UV_CACHE_DIR": str(ROOT / ".tools/cache"), **os.environ}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise BuildFailedError("uv is not installed in this checkout; run `make setup` first") from exc
    if done.returncode:
        raise BuildFailedError(f"uv cannot install requirements/runtime.txt:\n{done.stderr.strip()}")


def _prune(packages: Path) -> None:
    """Remove the files that no invocation reads. Licences and package metadata stay."""
    unused = [path for pattern in _UNUSED for path in packages.glob(pattern)]
    for path in [*unused, *_foreign_services(packages / "botocore/data")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _foreign_services(data: Path) -> Iterator[Path]:
    """Yield the descriptions of services that the relay does not call.

    The files beside them are for all services.
    """
    for path in data.iterdir():
        if path.is_dir() and path.name not in AWS_SERVICES:
            yield path
    for service in AWS_SERVICES:
        yield from (data / service).glob("*/examples-1.json*")


def compile_away(packages: Path) -> None:
    """Replace every module by its compiled form. A traceback then has the file and the line, but no text.

    Raises BuildFailedError.
    """
    _compile(packages, packages, beside_source=True)
    for module in packages.rglob("*.py"):
        module.unlink()


def _compile(tree: Path, root: Path, *, beside_source: bool = False) -> None:
    """Compile a tree of modules, whose file names are given relative to `root`.

    Lambda's disk is read-only, so without compiled modules every cold start would compile them. The compiled
    modules are not checked against their sources, because all files have the same time.

    beside_source  whether a compiled module is where Python finds it without its source
    """
    compiled = compileall.compile_dir(
        tree,
        quiet=2,
        force=True,
        legacy=beside_source,
        stripdir=str(root),
        prependdir=TASK_ROOT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise BuildFailedError(f"a module in {tree.name} is not valid Python {_PYTHON}")


def _set_times_and_modes(artifact: Path) -> None:
    """Give every file the same time and mode, so that artifacts with the same contents are the same."""
    for path in [artifact, *artifact.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_MTIME_SECS, _MTIME_SECS))
