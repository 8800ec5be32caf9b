"""Regions, endpoints and credentials: what the relay finds is what botocore finds."""

import os
from pathlib import Path

import botocore.session
import pytest

from push_relay.adapters import aws_place
from push_relay.adapters.aws_error import AwsError
from push_relay.adapters.aws_signature import Credentials

SERVICES = ("dynamodb", "sqs", "secretsmanager")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "planted"}
SESSION = botocore.session.Session()
#: botocore's own data, which each session would read again.
LOADER = SESSION.get_component("data_loader")
PARTITIONS = {
    partition: SESSION.get_available_regions("sqs", partition)
    for partition in SESSION.get_available_partitions()
}
#: All regions for one service, and one region of each partition for the others.
REGIONS = [
    (service, region)
    for service in SERVICES
    for regions in PARTITIONS.values()
    for region in (regions if service == "sqs" else regions[:1])
]


@pytest.fixture(autouse=True)
def _no_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove this machine's own configuration of AWS."""
    # Another test of this process may run a local AWS, with an endpoint for all.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws_place._botocore.cache_clear()


def endpoint_of_botocore(service: str, region: str) -> str:
    """Return the URL that botocore would call."""
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return str(session.create_client(service, region_name=region, **keys).meta.endpoint_url)


def test_every_partition_has_a_region_that_is_tried() -> None:
    """Otherwise the next test would leave out China and AWS's closed clouds."""
    begins = {region.split("-")[0] for _, region in REGIONS}
    assert {"eu", "us", "cn"} <= begins
    assert any(region.startswith("us-gov-") for _, region in REGIONS)
    assert any("iso" in region for _, region in REGIONS)


@pytest.mark.parametrize(("service", "region"), [*REGIONS, *((s, "eusc-de-east-1") for s in SERVICES)])
def test_an_endpoint_is_the_one_of_botocore(service: str, region: str) -> None:
    """In all regions of all partitions."""
    assert aws_place.endpoint(service, region, {}) == endpoint_of_botocore(service, region)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "ca-central-1"])
def test_a_special_endpoint_is_botocores(
    monkeypatch: pytest.MonkeyPatch, service: str, variable: str, region: str
) -> None:
    """Its name follows other rules in each partition, so botocore is asked."""
    monkeypatch.setenv(variable, "true")
    assert aws_place.endpoint(service, region) == endpoint_of_botocore(service, region)


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:2"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SQS": "https://queue.example/p"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_USE_FIPS_ENDPOINT": "true"},
    ],
    ids=" ".join,
)
def test_the_environment_sets_endpoints_as_for_botocore(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """For all services or for one."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for service in SERVICES:
        assert aws_place.endpoint(service, "eu-west-1") == endpoint_of_botocore(service, "eu-west-1")


def test_the_credentials_of_a_function_are_in_its_environment() -> None:
    """A role has a token."""
    environment = {**KEYS, "AWS_SESSION_TOKEN": "token"}
    assert aws_place.RoleCredentials(environment)() == Credentials("AKIDEXAMPLE", "planted", "token")
    assert aws_place.RoleCredentials(KEYS)() == Credentials("AKIDEXAMPLE", "planted")


def test_credentials_from_elsewhere_are_botocores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile, say, or the endpoint that a restored snapshot has."""
    text = "[default]\naws_access_key_id = of-a-file\naws_secret_access_key = s\naws_session_token = t\n"
    (tmp_path / "credentials").write_text(text)
    assert aws_place.RoleCredentials()() == Credentials("of-a-file", "s", "t")
    (tmp_path / "config").write_text("[profile there]\nregion = ap-south-1\n")
    monkeypatch.setenv("AWS_PROFILE", "there")
    aws_place._botocore.cache_clear()
    assert aws_place.region() == "ap-south-1"


def test_credentials_that_expire_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore reads the environment again before they expire."""
    for name, value in {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AwsError):
        aws_place.RoleCredentials()()
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2999-01-01T00:00:00Z")
    credentials = aws_place.RoleCredentials()
    assert credentials().access_key == "AKIDEXAMPLE"


def test_without_a_region_or_credentials_the_error_has_botocores_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are looked for again at the next call."""
    with pytest.raises(AwsError, match=r"^NoRegionError$"):
        aws_place.region()
    credentials = aws_place.RoleCredentials()
    with pytest.raises(AwsError, match=r"^NoCredentialsError$"):
        credentials()
    monkeypatch.setenv("AWS_PROFILE", "absent")
    aws_place._botocore.cache_clear()
    with pytest.raises(AwsError, match=r"^ProfileNotFound$"):
        aws_place.region()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    assert credentials().access_key == "AKIDEXAMPLE"


def test_a_region_is_taken_from_the_environment() -> None:
    """Lambda sets both names."""
    assert aws_place.region({"AWS_REGION": "eu-north-1"}) == "eu-north-1"
    assert aws_place.region({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-3"}) == "eu-west-3"
