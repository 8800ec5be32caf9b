"""Build what Lambda gets: the relay, its sources and configuration, and the packages that it needs.

The same inputs give the same bytes, wherever they are built: no path of this machine, no time, no file
mode of whoever builds.
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

from relayctl.project import ROOT, UV

TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks an artifact; tracebacks name files there."""
AWS_SERVICES: Final = frozenset({"dynamodb", "secretsmanager", "sqs", "sts"})
"""Of the four hundred that botocore describes, those that the relay calls."""
_PYTHON: Final = "3.13"
_REQUIREMENTS: Final = ROOT / "requirements/runtime.txt"
_STORE: Final = ROOT / ".aws-sam/packages"
"""Installed and compiled packages by what went into them: both functions, and the next build, share one."""
_LONG_AGO: Final = 1_577_836_800
"""2020-01-01; a zip file can't hold a time before 1980."""
CONFIG_VARIABLE: Final = "RELAYCTL_BUILD_CONFIG"
SOURCES_VARIABLE: Final = "RELAYCTL_BUILD_SOURCES"
"""Name another relay.toml and other source folders to build with: the tests have their own."""
_UNUSED: Final = (
    "bin",
    "boto3/data",  # of boto3's resources; the relay uses clients
    "boto3/examples",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/uv_*",
    "**/*.pyi",
    ".lock",
)


class BuildFailedError(Exception):
    """The artifact can't be built; the text says why."""


def build(platform: str, into: Path) -> None:
    """Fill the directory with the artifact for the platform, named as uv names it.

    Raises BuildFailedError.
    """
    packages = _packages(platform)
    into.mkdir(parents=True, exist_ok=True)
    shutil.copytree(packages, into, dirs_exist_ok=True)
    cut = shutil.ignore_patterns("__pycache__", "examples")
    shutil.copytree(ROOT / "src/push_relay", into / "push_relay", dirs_exist_ok=True, ignore=cut)
    shutil.copytree(sources_directory(), into / "sources", dirs_exist_ok=True, ignore=cut)
    (into / "config").mkdir(exist_ok=True)
    shutil.copyfile(config_file(), into / "config/relay.toml")
    _compile(into / "push_relay", into)
    _level(into)


def sources_directory() -> Path:
    """Return the directory of the source folders to build with."""
    return Path(os.environ.get(SOURCES_VARIABLE, ROOT / "src/sources"))


def config_file() -> Path:
    """Return the relay.toml to build with."""
    return Path(os.environ.get(CONFIG_VARIABLE, ROOT / "config/relay.toml"))


def _packages(platform: str) -> Path:
    """Find the packages in the store, or install them there."""
    wanted = hashlib.sha256()
    for part in (
        platform.encode(),
        sys.version.encode(),
        _REQUIREMENTS.read_bytes(),
        Path(__file__).read_bytes(),
    ):
        wanted.update(hashlib.sha256(part).digest())
    stored = _STORE / wanted.hexdigest()[:16]
    if stored.is_dir():
        return stored
    _STORE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_STORE, prefix=".new-") as directory:
        fresh = Path(directory) / "packages"
        _install(platform, fresh)
        _prune(fresh)
        _compile(fresh, fresh)
        try:
            fresh.rename(stored)
        except OSError:
            if not stored.is_dir():  # else another build was quicker
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
        raise BuildFailedError("uv is missing; run 'make setup' first") from exc
    if done.returncode:
        raise BuildFailedError(f"uv can't install requirements/runtime.txt:\n{done.stderr.strip()}")


def _prune(packages: Path) -> None:
    """Remove what no invocation reads. Licences and the packages' metadata stay."""
    unused = [path for pattern in _UNUSED for path in packages.glob(pattern)]
    for path in [*unused, *_foreign_services(packages / "botocore/data")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _foreign_services(data: Path) -> Iterator[Path]:
    """List the descriptions of services that the relay never calls; files beside them serve every one."""
    for path in data.iterdir():
        if path.is_dir() and path.name not in AWS_SERVICES:
            yield path
    for service in AWS_SERVICES:
        yield from (data / service).glob("*/examples-1.json*")


def _compile(tree: Path, root: Path) -> None:
    """Compile ahead: Lambda's disk is read-only, so it would compile anew at each cold start.

    Unchecked: zip times say nothing about whether a source changed.
    """
    compiled = compileall.compile_dir(
        tree,
        quiet=2,
        force=True,
        stripdir=str(root),
        prependdir=TASK_ROOT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise BuildFailedError(f"a module in {tree.name} is no valid Python {_PYTHON}")


def _level(artifact: Path) -> None:
    """Give every file the same time and mode, so that only contents tell artifacts apart."""
    for path in [artifact, *artifact.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_LONG_AGO, _LONG_AGO))
