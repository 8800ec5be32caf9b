"""The relay does what its OpenAPI document says: schemathesis against the real handler, signed or not.

Coverage cases are all that follow from the document, a boundary each; others are drawn, always the same.
"""

import json
import tomllib
from collections.abc import Callable, Iterator
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

DOCUMENT = build(SHIPPED)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
#: CloudEvents' preflight is refused by 405 alone, also where it does not say who asks.
SCHEMA.config.checks.missing_required_header.expected_statuses = [400, 401, 403, 405, 415, 422]
#: What stands in the code by chance is drawn from nowhere: a run is the same as the one before.
SCHEMA.config.analysis.constants.enabled = False
WEBHOOKS = [path for path in DOCUMENT["paths"] if path.startswith("/webhooks/")]


def verification(source: str) -> JsonObject:
    """Return a source's `[verify]` table, header names in lower case."""
    table = tomllib.loads((SHIPPED / source / "source.toml").read_text("utf-8"))["verify"]
    return normal(table)


def normal(table: Any) -> JsonObject:
    """Return a `[verify]` table with what it names in lower case: header names have no case."""
    return {key: str(value).lower() for key, value in table.items()}


def sender(source: str) -> Sender:
    """Return the independent sender that signs as a source's folder says."""
    for case in CASES:
        if normal(case.verify) == verification(source):
            return case
    pytest.fail(f"tests/signers.py has no sender that signs as src/sources/{source} asks for")


SENDERS = {path.rpartition("/")[2]: sender(path.rpartition("/")[2]) for path in WEBHOOKS}


@SCHEMA.auth()
class Proof:
    """Prove every request that is not to be refused: the gateway signs it once its body is known."""

    def get(self, _case: Case, _context: Any) -> str:
        """Return what the gateway looks for."""
        return SIGN_HERE

    def set(self, case: Case, proof: str, _context: Any) -> None:
        """Put it wherever the document says that a proof stands."""
        schemes = DOCUMENT["components"]["securitySchemes"]
        asked = case.operation.definition.raw["security"]
        names = [schemes[name].get("name", "authorization") for both in asked for name in both]
        case.headers.update(dict.fromkeys(names, proof))


def world(mode: DeliveryMode = DeliveryMode.QUEUE) -> World:
    """Return a relay with the shipped sources and routes."""
    made = World(mode=mode, sources=SHIPPED, routes=SHIPPED_ROUTES)
    made.secrets.by_source = {source: (case.secret,) for source, case in SENDERS.items()}
    return made


def gateway(mode: DeliveryMode = DeliveryMode.QUEUE) -> Gateway:
    """Return the gateway, with a new relay behind it."""
    GATEWAY.world = world(mode)
    GATEWAY.answers.clear()
    return GATEWAY


STRUCTURED = "application/cloudevents+json"
GATEWAY = Gateway(world(), SENDERS)
SCHEMA.app = GATEWAY
OPERATIONS = {operation.label: operation for operation in (r.ok() for r in SCHEMA.get_all_operations())}


def one_content_mode(case: Case) -> Case:
    """Make a CloudEvent structured or binary: OpenAPI cannot say that one excludes the other's headers."""
    if not case.path.endswith("/cloudevents") or case.method != "POST":
        return case
    if case.media_type == STRUCTURED and case.body is not NOT_SET:
        for name in [name for name in case.headers if name.lower().startswith("ce-")]:
            del case.headers[name]
    else:
        attributes = {"ce-id": "1", "ce-source": "/", "ce-specversion": "1.0", "ce-type": "t"}
        case.headers.update({name: value for name, value in attributes.items() if name not in case.headers})
    return case


def conforms(case: Case, *but: CheckFunction) -> Response:
    """Send a case and hold the answer against the document, but for some checks."""
    # A form's field that holds JSON is drawn as any text.
    unfit = (positive_data_acceptance,) if case.media_type == "application/x-www-form-urlencoded" else ()
    return one_content_mode(case).call_and_validate(excluded_checks=[*but, *unfit])


def drawn(label: str, mode: GenerationMode, examples: int, check: Callable[[Case], object]) -> None:
    """Check cases that are drawn for an operation: the same ones each time."""

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


def test_the_committed_document_describes_the_shipped_sources_as_the_code_does() -> None:
    """`make openapi` writes it; a deployer's own sources may be in it too."""
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    assert {path: committed["paths"].get(path) for path in DOCUMENT["paths"]} == DOCUMENT["paths"]


def test_the_document_is_openapi_3_1() -> None:
    """By the OpenAPI Initiative's own schema."""
    SCHEMA.validate()


def coverage(label: str) -> Iterator[Case]:
    """Return the cases that follow from an operation of the document, fit and unfit."""
    operation = OPERATIONS[label]
    return SCHEMA.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=SCHEMA.config.generation_for(operation=operation, phase="coverage"),
    )


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_boundary_of_the_document_is_kept(label: str) -> None:
    """Other methods, missing headers, each keyword of each schema: the documented status and body."""
    gateway()
    cases = 0
    for case in coverage(label):
        conforms(case)
        cases += 1
    assert cases > 5


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_document_allows_is_let_in(label: str, mode: DeliveryMode) -> None:
    """Signed, it is queued or delivered; without the proof, or with a wrong one, it is a 401."""
    asked = gateway(mode)
    drawn(label, GenerationMode.POSITIVE, 40, conforms)
    path = label.partition(" ")[2]
    expected = {202: DeliveryMode.QUEUE, 200: DeliveryMode.DIRECT}
    if path in WEBHOOKS and label.startswith("POST"):
        assert asked.statuses(path) >= {401, *(s for s, when in expected.items() if when is mode)}


@pytest.mark.parametrize("path", WEBHOOKS)
def test_what_the_document_forbids_is_refused_although_it_is_signed(path: str) -> None:
    """Whoever holds the secret and breaks the schema reads where."""
    asked = gateway()

    def check(case: Case) -> None:
        # What is forbidden may be a header of the binary mode, which nobody reads in the structured one.
        assume(case.media_type != STRUCTURED or not any(name.startswith("ce-") for name in case.headers))
        conforms(case)

    # Many, because a schema that refuses nothing that its sender may send leaves few ways to break it.
    drawn(f"POST {path}", GenerationMode.NEGATIVE, 160, check)
    assert asked.statuses(path) >= {400, 422}


def failure(error: type[RelayError]) -> RelayError:
    """Return an error of a type."""
    return SchemaViolation((Violation("/a", "type"),)) if error is SchemaViolation else error("planted")


@pytest.mark.parametrize("path", WEBHOOKS)
@pytest.mark.parametrize("code", [code for code, error in CODES.items() if verdict(error).status >= 400])
def test_every_error_is_answered_as_the_document_says(code: str, path: str) -> None:
    """Raised where the event is queued: status, code, title and headers are those of the document."""
    asked = gateway()
    asked.world.messages.error = failure(CODES[code])
    drawn(f"POST {path}", GenerationMode.POSITIVE, 1, lambda case: refused(case, CODES[code]))


@pytest.mark.parametrize("code", sorted(VENDOR_CODES))
def test_every_error_of_the_vendor_is_answered_as_the_document_says(code: str) -> None:
    """In direct mode what the vendor has not taken is kept, and all receipts are in the body."""
    asked = gateway(DeliveryMode.DIRECT)
    asked.world.vendor.judge = lambda _push, _credentials: failure(CODES[code])

    def check(case: Case) -> None:
        response = conforms(case, not_a_server_error, positive_data_acceptance)
        assert (response.status_code, response.json()["status"]) == (202, verdict(CODES[code]).outcome)

    drawn("POST /webhooks/push", GenerationMode.POSITIVE, 1, check)


def refused(case: Case, error: type[RelayError]) -> None:
    """Check that a good request is answered with an error, in the document's words."""
    response = conforms(case, not_a_server_error, positive_data_acceptance)
    assert response.status_code == verdict(error).status
    assert response.json()["code"] == error.code
    assert "retry-after" in response.headers or not issubclass(error, NotNow)


def test_the_document_holds_every_code() -> None:
    """None is left out, and none is written down that the relay does not have."""
    responses = DOCUMENT["components"]["responses"].values()
    schemas = [response["content"]["application/problem+json"]["schema"] for response in responses]
    told = [code for schema in schemas for code in schema["properties"]["code"]["enum"]]
    unanswered = {code for code, error in CODES.items() if verdict(error).status < 400}
    assert len(told) == len(set(told))
    assert set(told) == set(CODES) - unanswered | {"method_not_allowed"}
