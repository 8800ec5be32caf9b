"""The relay behaves as its OpenAPI document specifies: schemathesis tests the real handler with it.

Coverage cases follow from the document, one for each boundary. Other cases are generated, the same each time.
"""

import atexit
import json
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import Case, CheckFunction, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fakes import ROOT, SHIPPED, SHIPPED_ROUTES, World
from gateway import SIGN_HERE, Gateway
from push_relay.core.errors import CODES, VENDOR_CODES, NotNow, RelayError, SchemaViolation, Violation
from push_relay.core.outcomes import verdict
from push_relay.core.strict_json import JsonObject
from push_relay.settings import DeliveryMode
from relayctl.openapi.document import build
from signers import CASES
from signers import Case as Sender

#: Sources whose operations differ: a form or JSON, a schema with types, both content modes, several proofs.
#: The other sources have operations of the same kinds.
TRIED = ("cloudevents", "github", "grafana", "push", "webhook")


def tried(parent: Path) -> Path:
    """Return a directory with the sources that are tried."""
    for name in TRIED:
        (parent / name).symlink_to(SHIPPED / name)
    return parent


SOURCES = tried(Path(tempfile.mkdtemp(prefix="push-relay-openapi-")))
atexit.register(shutil.rmtree, SOURCES, ignore_errors=True)
DOCUMENT = build(SOURCES)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
#: CloudEvents' preflight is rejected with 405 only, even if it does not name the origin of the sender.
SCHEMA.config.checks.missing_required_header.expected_statuses = [400, 401, 403, 405, 415, 422]
#: A list with more items than a request may have gets 413.
SCHEMA.config.checks.negative_data_rejection.expected_statuses = [
    *("400", "401", "403", "404", "405", "413", "415", "422")
]
#: No values are taken from constants in the code, so that each run is the same as the one before.
SCHEMA.config.analysis.constants.enabled = False
WEBHOOKS = [path for path in DOCUMENT["paths"] if path.startswith("/webhooks/")]


def verifications(source: str) -> list[JsonObject]:
    """Return a source's `[verify]` table, or its alternatives, with header names in lower case."""
    table = tomllib.loads((SHIPPED / source / "source.toml").read_text("utf-8"))["verify"]
    return [normal(each) for each in table.get("alternative", [table])]


def normal(table: Any) -> JsonObject:
    """Return a `[verify]` table with its values in lower case, because header names have no case."""
    return {key: str(value).lower() for key, value in table.items()}


def sender(source: str) -> Sender:
    """Return the independent sender that signs as the source's folder specifies."""
    for case in CASES:
        if normal(case.verify) in verifications(source):
            return case
    pytest.fail(f"tests/signers.py has no sender that signs as src/sources/{source} requires")


SENDERS = {path.rpartition("/")[2]: sender(path.rpartition("/")[2]) for path in WEBHOOKS}


@SCHEMA.auth()
class Proof:
    """Mark every request that has to be signed. The gateway signs it when its body is known."""

    def get(self, _case: Case, _context: Any) -> str:
        """Return the mark that the gateway looks for."""
        return SIGN_HERE

    def set(self, case: Case, proof: str, _context: Any) -> None:
        """Write it into each header in which the document has a proof."""
        schemes = DOCUMENT["components"]["securitySchemes"]
        gateway_ = case.operation.definition.raw["security"]
        names = [schemes[name].get("name", "authorization") for both in gateway_ for name in both]
        case.headers.update(dict.fromkeys(names, proof))


def world(mode: DeliveryMode = DeliveryMode.QUEUE) -> World:
    """Return a relay with the shipped sources and routes."""
    made = World(mode=mode, sources=SOURCES, routes=SHIPPED_ROUTES)
    made.secrets.by_source = {source: (case.secret,) for source, case in SENDERS.items()}
    return made


def gateway(mode: DeliveryMode = DeliveryMode.QUEUE) -> Gateway:
    """Return the gateway with a new relay."""
    GATEWAY.world = world(mode)
    GATEWAY.answers.clear()
    return GATEWAY


STRUCTURED = ("application/cloudevents+json", "application/cloudevents-batch+json")
GATEWAY = Gateway(world(), SENDERS)
SCHEMA.app = GATEWAY
OPERATIONS = {operation.label: operation for operation in (r.ok() for r in SCHEMA.get_all_operations())}


def one_content_mode(case: Case) -> Case:
    """Make a CloudEvent structured or binary, because OpenAPI cannot express that one excludes the other."""
    if not case.path.endswith("/cloudevents") or case.method != "POST":
        return case
    if case.media_type in STRUCTURED and case.body is not NOT_SET:
        for name in [name for name in case.headers if name.lower().startswith("ce-")]:
            del case.headers[name]
    else:
        attributes = {"ce-id": "1", "ce-source": "/", "ce-specversion": "1.0", "ce-type": "t"}
        case.headers.update({name: value for name, value in attributes.items() if name not in case.headers})
    return case


def conforms(case: Case, *but: CheckFunction) -> Response:
    """Send a case, and check the answer with the document, except for some checks."""
    # A form field that contains JSON is generated as any text.
    unfit = (positive_data_acceptance,) if case.media_type == "application/x-www-form-urlencoded" else ()
    return one_content_mode(case).call_and_validate(excluded_checks=[*but, *unfit])


def drawn(label: str, mode: GenerationMode, examples: int, check: Callable[[Case], object]) -> None:
    """Check cases that are generated for an operation. They are the same each time."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(OPERATIONS[label].as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        check(case)

    run()


def test_the_committed_document_is_up_to_date_for_the_shipped_sources() -> None:
    """`make openapi` writes it. A deployer's own sources may be in it too."""
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    paths = build(SHIPPED)["paths"]
    assert {path: committed["paths"].get(path) for path in paths} == paths


def test_the_document_is_openapi_3_1() -> None:
    """The OpenAPI Initiative's own schema checks it."""
    SCHEMA.validate()


def coverage(label: str) -> Iterator[Case]:
    """Return the cases that follow from an operation of the document, valid and invalid ones."""
    operation = OPERATIONS[label]
    return SCHEMA.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=SCHEMA.config.generation_for(operation=operation, phase="coverage"),
    )


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_relay_keeps_every_boundary_of_the_document(label: str) -> None:
    """Other methods, missing headers and each keyword of each schema have the documented status and body."""
    gateway()
    cases = 0
    for case in coverage(label):
        conforms(case)
        cases += 1
    assert cases > 5


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize("label", OPERATIONS)
def test_requests_that_the_document_allows_are_accepted(label: str, mode: DeliveryMode) -> None:
    """Signed requests are queued or delivered; those with a wrong proof, or without one, get a 401."""
    gateway_ = gateway(mode)
    drawn(label, GenerationMode.POSITIVE, 40, conforms)
    path = label.partition(" ")[2]
    expected = {202: DeliveryMode.QUEUE, 200: DeliveryMode.DIRECT}
    if path in WEBHOOKS and label.startswith("POST"):
        assert gateway_.statuses(path) >= {401, *(s for s, when in expected.items() if when is mode)}


@pytest.mark.parametrize("path", WEBHOOKS)
def test_requests_that_the_document_forbids_are_rejected_even_if_signed(path: str) -> None:
    """A sender that holds the secret and violates the schema learns where the violation is."""
    gateway_ = gateway()

    def check(case: Case) -> None:
        # The forbidden value may be in a header of the binary mode, which is not read in the structured mode.
        assume(case.media_type not in STRUCTURED or not any(name.startswith("ce-") for name in case.headers))
        conforms(case)

    # Many examples are needed: some schemas reject hardly anything, so few examples violate them.
    drawn(f"POST {path}", GenerationMode.NEGATIVE, 160, check)
    schema = json.loads((SOURCES / path.rpartition("/")[2] / "schema.json").read_text("utf-8"))
    # A schema that requires nothing refuses no document.
    assert gateway_.statuses(path) >= ({400, 422} if "required" in schema else {400})


def failure(error: type[RelayError]) -> RelayError:
    """Return an error of this type."""
    return SchemaViolation((Violation("/a", "type"),)) if error is SchemaViolation else error("planted")


@pytest.mark.parametrize("path", WEBHOOKS)
@pytest.mark.parametrize("code", [code for code, error in CODES.items() if verdict(error).status >= 400])
def test_every_error_has_the_documented_answer(code: str, path: str) -> None:
    """Each error is raised at the queue. The answer's status, code, title and headers must be documented."""
    gateway_ = gateway()
    gateway_.world.messages.error = failure(CODES[code])
    drawn(f"POST {path}", GenerationMode.POSITIVE, 1, lambda case: refused(case, CODES[code]))


@pytest.mark.parametrize("code", sorted(VENDOR_CODES))
def test_every_error_of_the_vendor_has_the_documented_answer(code: str) -> None:
    """In direct mode a failed push is kept, and the answer contains all receipts."""
    gateway_ = gateway(DeliveryMode.DIRECT)
    gateway_.world.vendor.judge = lambda _push, _credentials: failure(CODES[code])

    def check(case: Case) -> None:
        response = conforms(case, not_a_server_error, positive_data_acceptance)
        assert (response.status_code, response.json()["status"]) == (202, verdict(CODES[code]).outcome)

    drawn("POST /webhooks/push", GenerationMode.POSITIVE, 1, check)


def refused(case: Case, error: type[RelayError]) -> None:
    """Check that a valid request is answered with this error, as documented."""
    response = conforms(case, not_a_server_error, positive_data_acceptance)
    assert response.status_code == verdict(error).status
    assert response.json()["code"] == error.code
    assert "retry-after" in response.headers or not issubclass(error, NotNow)


def test_the_document_lists_every_error_code() -> None:
    """No code is missing, and no code is documented that the relay does not have."""
    responses = DOCUMENT["components"]["responses"].values()
    schemas = [response["content"]["application/problem+json"]["schema"] for response in responses]
    documented = [code for schema in schemas for code in schema["properties"]["code"]["enum"]]
    unanswered = {code for code, error in CODES.items() if verdict(error).status < 400}
    assert len(documented) == len(set(documented))
    assert set(documented) == set(CODES) - unanswered | {"method_not_allowed"}
