"""The artifact of `sam build` is complete, small and reproducible, and runs under the real runtime."""

import ast
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import pytest

import boto_clients
from fakes import SHIPPED, SHIPPED_ROUTES
from local_aws import LocalAws
from push_relay.adapters.catalog import read_configuration, read_routing_file
from push_relay.adapters.tls import AUTHORITIES, VENDOR_AUTHORITIES
from relayctl import artifact as building
from relayctl.deploy import host_architecture
from relayctl.project import ROOT
from relayctl.slimming import blank_symbols
from rie import lambda_function
from sandbox import Account, SandboxServer
from sandbox_client import COMPANY_ID, KEY

_PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_ELF_MACHINES = {"x86_64": 62, "arm64": 183}
_UNCHECKED_HASH = 0b01
_SERVICES = {"dynamodb", "secretsmanager", "sqs", "sts"}
_RUNTIME_CLIENT = {"awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"}
#: The secret of GitHub's own example, with which the webhooks in events/ are signed.
_SIGNING_SECRET = "It's a Secret to Everybody"
_SLOW_START_SECS = 60  # a cold start on a machine that is busy with other things
_HEALTH = {
    "version": "2.0",
    "routeKey": "GET /health",
    "rawPath": "/health",
    "rawQueryString": "",
    "headers": {"host": "relay.example.com"},
    "requestContext": {
        "http": {"method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
        "requestId": "health-1",
        "stage": "$default",
        "timeEpoch": 0,
    },
    "isBase64Encoded": False,
}


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build for this machine, as `make run` does, with the shipped sources and routes for them."""
    directory = tmp_path_factory.mktemp("artifact") / "built"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(building.SOURCES_VARIABLE, str(SHIPPED))
        environment.setenv(building.CONFIG_VARIABLE, str(SHIPPED_ROUTES))
        building.build(_PLATFORMS[host_architecture()], directory)
    return directory


def _isolated(artifact: Path, code: str) -> str:
    """Run code that can import from the artifact only, and return its output."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(artifact)!r}); {code}"],
        capture_output=True, text=True, timeout=60, check=False,
        env={"AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_artifact_contains_the_relay_its_sources_and_its_configuration(artifact: Path) -> None:
    """The relay looks for its sources and its configuration beside its package."""
    assert (artifact / "push_relay/deliver.py").is_file()
    assert [path.name for path in (artifact / "config").iterdir()] == ["relay.json"]
    routing = read_configuration(artifact / "config/relay.json")
    assert routing.routes.entries == read_routing_file(SHIPPED_ROUTES).routes.entries
    folders = [path.name for path in SHIPPED.iterdir()]
    files = {path.relative_to(artifact / "sources") for path in artifact.glob("sources/*/*")}
    assert files == {Path(name, file) for name in folders for file in ("source.json", "schema.json")}
    assert {path.name for path in (artifact / "sources").iterdir()} == {*folders, "index.json"}


def test_a_deployers_build_contains_their_own_sources_and_configuration() -> None:
    """The environment can select other directories, which only the tests do."""
    assert building.sources_directory() == ROOT / "src/sources"
    assert building.config_file() == ROOT / "config/relay.toml"


def test_the_artifact_has_no_examples_and_no_files_that_only_installers_read(artifact: Path) -> None:
    """Files that no invocation reads would cost start-up time and upload time."""
    unwanted = {"examples", "page.toml", "routes.toml", "RECORD", "INSTALLER", "bin", ".lock"}
    assert [path for path in artifact.rglob("*") if path.name in unwanted] == []


def test_the_artifact_contains_the_licences(artifact: Path) -> None:
    """Licences require it. Each that is installed here with its package must be in the artifact as well."""
    installed = ROOT / ".venv/lib/python3.13/site-packages"
    licences = {
        path.relative_to(installed)
        for package in artifact.glob("*.dist-info")
        for path in (installed / package.name).rglob("LICEN[CS]E*")
    }
    assert licences
    assert [path for path in licences if not (artifact / path).exists()] == []


@pytest.mark.parametrize("service", sorted(_SERVICES))
def test_botocore_finds_a_special_endpoint_without_the_other_descriptions(
    artifact: Path, service: str
) -> None:
    """Most of botocore's data is left out. The rest is enough for the cases that are left to botocore."""
    code = f"""
import os
os.environ["AWS_USE_FIPS_ENDPOINT"] = "true"
from push_relay.adapters import aws_place
print(aws_place.endpoint("{service}", "us-east-1"))
"""
    assert f"{service}-fips.us-east-1.amazonaws.com" in _isolated(artifact, f"exec({code!r})")


def test_the_artifact_trusts_the_authorities_that_mozilla_trusts(artifact: Path) -> None:
    """Each is found by the hash of its subject, and read only then."""
    code = "from push_relay.adapters import tls; print(len(tls.context().get_ca_certs()))"
    assert _isolated(artifact, code).strip() == "0"
    assert len([*(artifact / AUTHORITIES).iterdir()]) > 100
    assert not (artifact / VENDOR_AUTHORITIES).exists()


def test_no_other_service_is_described(artifact: Path) -> None:
    """Thus the clients above work with these descriptions, and not with one that was left in by mistake."""
    described = {path.name for path in (artifact / "botocore/data").iterdir() if path.is_dir()}
    assert described == _SERVICES


def test_every_module_is_compiled_for_a_read_only_disk(artifact: Path) -> None:
    """The modules are `unchecked`: Python then ignores the source's time, which a zip file does not keep."""
    for source in artifact.rglob("*.py"):
        compiled = source.parent / f"__pycache__/{source.stem}.cpython-313.pyc"
        header = compiled.read_bytes()[:8]
        assert header[:4] == MAGIC_NUMBER
        assert int.from_bytes(header[4:], "little") == _UNCHECKED_HASH


def test_packages_are_compiled_and_have_no_symbols_for_debuggers(artifact: Path) -> None:
    """The relay's own modules keep their sources, for people."""
    sources = {path.relative_to(artifact).parts[0] for path in artifact.rglob("*.py")}
    assert sources == {"push_relay"}
    for library in artifact.rglob("*.so"):
        again = artifact.with_name(library.name)
        again.write_bytes(library.read_bytes())
        blank_symbols(again)
        assert again.read_bytes() == library.read_bytes()


def test_the_artifact_contains_no_path_of_this_machine(artifact: Path) -> None:
    """A traceback shows the path that a file has in Lambda."""
    here = [str(ROOT).encode(), str(artifact).encode()]
    for path in artifact.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [place for place in here if place in content], path
    assert (
        b"/var/task/push_relay/deliver.py"
        in next(artifact.glob("push_relay/__pycache__/deliver.*")).read_bytes()
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("architecture", _PLATFORMS)
def test_two_clean_builds_are_identical_byte_for_byte(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thus a deployment changes a function only if its code has changed."""
    builds = []
    for name in ("one", "two"):
        monkeypatch.setattr(building, "_STORE", tmp_path / f"store-{name}")
        building.build(_PLATFORMS[architecture], tmp_path / name)
        builds.append(tmp_path / name)
    one, two = (_contents(built) for built in builds)
    assert [path for path in one.keys() | two.keys() if one.get(path) != two.get(path)] == []


def _contents(built: Path) -> dict[Path, tuple[float, int, bytes]]:
    """Return the time, mode and bytes of every file."""
    return {
        path.relative_to(built): (
            path.stat().st_mtime,
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in built.rglob("*")
    }


@pytest.mark.parametrize("architecture", _PLATFORMS)
def test_native_code_is_for_the_requested_architecture(architecture: str, tmp_path: Path) -> None:
    """An arm64 artifact can be built on any machine."""
    building.build(_PLATFORMS[architecture], tmp_path / "built")
    libraries = list((tmp_path / "built").rglob("*.so"))
    assert libraries
    for library in libraries:
        assert int.from_bytes(library.read_bytes()[18:20], "little") == _ELF_MACHINES[architecture]


def test_a_build_that_cannot_install_packages_shows_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sam build` shows this text to the deployer."""
    monkeypatch.setattr(building, "_STORE", tmp_path / "store")
    with pytest.raises(building.BuildFailedError, match=r"cannot install requirements/runtime\.txt"):
        building.build("no-such-platform", tmp_path / "built")
    assert list((tmp_path / "store").iterdir()) == []


def test_the_artifact_answers_under_the_real_runtime_client(artifact: Path, tmp_path: Path) -> None:
    """This shows that the artifact contains everything that is imported at start-up."""
    variables = {"DELIVERY_MODE": "queue", "QUEUE_URL": "http://127.0.0.1:1/queue"}
    with lambda_function(artifact, "push_relay.receive.handler", variables, tmp_path) as receive:
        answers = [receive.invoke(_HEALTH) for _ in range(2)]
    assert [answer["statusCode"] for answer in answers] == [200, 200]
    assert json.loads(answers[0]["body"])["status"] == "ok"
    assert "INIT REPORT" in receive.log()


@pytest.mark.timeout(300)
def test_deliver_sends_a_push_to_the_vendor(
    artifact: Path, local_stores: LocalAws, sandbox: SandboxServer, tmp_path: Path
) -> None:
    """This shows that the artifact contains everything that is imported on the way, such as the AWS clients.

    Lambda's own boto3, which would be later in the path, is missing under the emulator.
    """
    variables = _account(local_stores) | {"PUSH_BASE_URL": sandbox.address}
    handler = "push_relay.deliver.handler"
    with lambda_function(artifact, handler, variables, tmp_path, timeout_secs=_SLOW_START_SECS) as deliver:
        answer = deliver.invoke(_batch("\N{BREAD}" * 101))
    assert answer == {"batchItemFailures": []}, deliver.log()
    counts = sandbox.record.counts
    assert (counts.calls, counts.valid, counts.accepted) == (1, 1, 1), deliver.log()
    (push,) = sandbox.record.pushes()
    assert (push["UserId"], push["Title"]) == ("u-17", "\N{BREAD}" * 99 + "…")


@pytest.mark.timeout(300)
def test_receive_queues_a_signed_webhook(artifact: Path, local_stores: LocalAws, tmp_path: Path) -> None:
    """The signing secret is read and the event is queued by code from the artifact."""
    variables = _account(local_stores)
    handler = "push_relay.receive.handler"
    with lambda_function(artifact, handler, variables, tmp_path, timeout_secs=_SLOW_START_SECS) as receive:
        answer = receive.invoke(_envelope("apigateway-v1"))
    assert answer["statusCode"] == 202, receive.log()
    (queued,) = local_stores.received(variables["QUEUE_URL"])
    assert queued["messageAttributes"]["source"]["stringValue"] == "github"
    assert json.loads(queued["body"])["id"] == "72d3162e-cc78-11e3-81ab-4c9367dc0958"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """Run the sandbox of the vendor."""
    with SandboxServer(Account(COMPANY_ID, KEY)) as running:
        yield running


def _account(stores: LocalAws) -> dict[str, str]:
    """Make what the functions use in an account, and return the variables that the template would set."""

    def secret(content: dict[str, Any]) -> str:
        made = boto_clients.secretsmanager().create_secret(
            Name=uuid.uuid4().hex, SecretString=json.dumps(content)
        )
        return made["ARN"]

    return stores.environment | {
        "DELIVERY_MODE": "queue",
        "QUEUE_URL": stores.queue(),
        "DEAD_LETTER_QUEUE_URL": stores.queue(),
        "SIGNING_SECRETS_ARN": secret({"github": _SIGNING_SECRET}),
        "PUSH_CREDENTIALS_ARN": secret({"CompanyId": COMPANY_ID, "IntegrationKey": KEY}),
        "LEDGER_TABLE": stores.table().name,
        "BACKLOG_TABLE": stores.backlog_table().name,
    }


def _envelope(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / f"events/{name}.json").read_text("utf-8"))
    return read


def _batch(title: str) -> dict[str, Any]:
    """Return a batch of one push that is sent now, because an old one would expire."""
    batch = _envelope("sqs-plain")
    (record,) = batch["Records"]
    record["body"] = json.dumps(json.loads(record["body"]) | {"Title": title})
    record["attributes"]["SentTimestamp"] = str(int(time.time() * 1000))
    return batch


def test_the_artifact_contains_every_package_that_the_relay_imports(artifact: Path) -> None:
    """This includes imports that only a rare event needs, such as a certificate of SNS or a time zone."""
    wanted = {wanted for module in artifact.glob("push_relay/**/*.py") for wanted in _foreign_imports(module)}
    assert [named for named in wanted if "load_der_x509_certificate" in named]
    _isolated(artifact, "; ".join(sorted(wanted)))
    zones = "import zoneinfo; zoneinfo.reset_tzpath(to=()); zoneinfo.ZoneInfo('Europe/Berlin')"
    _isolated(artifact, zones)


def _foreign_imports(module: Path) -> Iterator[str]:
    """Yield a module's imports of other packages, at any depth, except those for the type checker."""
    nodes = list(ast.walk(ast.parse(module.read_text("utf-8"))))
    typing = [
        node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    unread = {inner for node in typing for inner in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in unread:
            name = (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
            if name.partition(".")[0] not in {"push_relay", *sys.stdlib_module_names}:
                yield ast.unparse(node)


def test_only_the_runtime_client_is_available_from_the_development_environment(tmp_path: Path) -> None:
    """Thus the tests above cannot use a package that is missing from the artifact."""
    installed = sorted(filter(str.isidentifier, packages_distributions()))
    assert {"aws_lambda_powertools", "boto3", "pytest", "urllib3"} < set(installed)
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/probe.py").write_text(
        "from importlib.util import find_spec\n"
        "def handle(event, context): return [name for name in event['names'] if find_spec(name)]\n"
    )
    with lambda_function(tmp_path / "artifact", "probe.handle", {}, tmp_path) as probe:
        found = probe.invoke({"names": installed})
    assert set(found) <= _RUNTIME_CLIENT


def test_a_missing_package_is_missing_under_the_emulator_too(tmp_path: Path) -> None:
    """The emulator must not make packages of the development environment available."""
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/probe.py").write_text("import boto3\ndef handle(event, context): return 1\n")
    with lambda_function(tmp_path / "artifact", "probe.handle", {}, tmp_path) as probe:
        answer = probe.invoke({})
    assert answer["errorType"] == "Runtime.ImportModuleError"


def test_the_emulator_has_the_functions_deadline(tmp_path: Path) -> None:
    """The relay schedules its calls by the time that the invocation has left."""
    (tmp_path / "artifact").mkdir()
    code = "def handle(event, context): return context.get_remaining_time_in_millis()\n"
    (tmp_path / "artifact/probe.py").write_text(code)
    with lambda_function(tmp_path / "artifact", "probe.handle", {}, tmp_path, timeout_secs=7) as probe:
        remaining = probe.invoke({})
    assert 5_000 < remaining <= 7_000
