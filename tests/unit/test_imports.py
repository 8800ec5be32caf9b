"""Each function imports only its own half of the relay, because each import costs time at each start."""

import pytest
from tests.handler_process import probe_handler

from push_relay.settings import DeliveryMode
from relayctl.project import ROOT

_PROBE = """
import importlib, json, sys
importlib.import_module(f"push_relay.{sys.argv[1]}")
print(json.dumps(sorted(name for name in sys.modules if name.startswith("push_relay."))))
"""
#: Prints for each module the module that has imported it first, during the start of a function.
_CHAINS = """
import builtins, importlib, json, sys
importers, real = {}, builtins.__import__
def note(name, namespace=None, *others):
    before = set(sys.modules)
    try:
        return real(name, namespace, *others)
    finally:
        for new in set(sys.modules) - before:
            importers.setdefault(new, (namespace or {}).get("__name__", ""))
builtins.__import__ = note
importlib.import_module(f"push_relay.{sys.argv[1]}")
print(json.dumps(importers))
"""
#: Modules that take long to import and that no event needs, or few do, and the milliseconds that they take.
HEAVY = {
    "aws_lambda_powertools": 14,
    "asyncio": 20,
    "boto3": 150,
    "botocore": 100,
    "concurrent.futures": 9,
    "cryptography": 15,
    "dataclasses": 8,
    "html.parser": 3,
    "http.server": 10,
    "logging": 8,
    "multiprocessing": 10,
    "pickle": 3,
    "subprocess": 4,
    "unittest": 10,
    "uuid": 3,
    "xml.sax": 5,
    "zoneinfo": 3,
}
#: Heavy modules that a function imports nevertheless, by the package that imports them.
WITH = {"urllib3": {"logging"}}
#: The modules that both functions import.
COMMON = {
    "adapters",
    "adapters.aws",
    "adapters.aws_error",
    "adapters.aws_http",
    "adapters.aws_place",
    "adapters.aws_signature",
    "adapters.catalog",
    "adapters.connection_pool",
    "adapters.http_answer",
    "adapters.http_call",
    "adapters.process",
    "adapters.queue",
    "adapters.secrets",
    "adapters.tls",
    "bootstrap",
    "bootstrap.common",
    "core",
    "core.account",
    "core.clock",
    "core.delivery",
    "core.delivery.wake_up",
    "core.duration",
    "core.errors",
    "core.event",
    "core.graphemes",
    "core.inbound",
    "core.inbound.formats",
    "core.inbound.request",
    "core.outcomes",
    "core.phone_text",
    "core.push",
    "core.push_format",
    "core.quick_dataclass",
    "core.queue_format",
    "core.rules",
    "core.rules.configuration",
    "core.rules.event_rules",
    "core.rules.evaluation",
    "core.rules.expression",
    "core.rules.findings",
    "core.rules.functions",
    "core.rules.index",
    "core.rules.kinds",
    "core.rules.prepared_routing",
    "core.rules.recognition",
    "core.rules.routes",
    "core.rules.routing",
    "core.rules.source",
    "core.rules.source_file",
    "core.rules.template",
    "core.secret",
    "core.secret_text",
    "core.strict_json",
    "core.trust",
    "core.trust.fetch_table",
    "core.trust.jwt_table",
    "core.trust.handshake_names",
    "core.trust.policy",
    "core.trust.place",
    "core.trust.signature_table",
    "core.trust.verify_base",
    "core.trust.verify_table",
    "entrypoints",
    "entrypoints.ports",
    "settings",
    "telemetry",
    "telemetry_lines",
}
#: The further modules of `receive`.
RECEIVE = {
    "adapters.bounded_get",
    "adapters.sns",
    "bootstrap.receive",
    "core.inbound.body",
    "core.inbound.formats.base",
    "core.inbound.formats.registry",
    "core.inbound.items",
    "core.inbound.media_type",
    "core.intake",
    "core.rules.admission",
    "core.rules.answer",
    "core.rules.schema",
    "core.trust.certificates",
    "core.trust.door",
    "core.trust.handshakes",
    "core.trust.handshakes.base",
    "core.trust.handshakes.unproven",
    "core.trust.handshakes.registry",
    "core.trust.schemes",
    "core.trust.schemes.moment",
    "core.trust.schemes.proof",
    "core.trust.schemes.description",
    "core.trust.schemes.description_check",
    "core.trust.schemes.form",
    "core.trust.schemes.key_form",
    "core.trust.schemes.signature_list",
    "core.trust.schemes.signed",
    "core.trust.schemes.signed_text",
    "core.trust.schemes.spelling",
    "core.trust.schemes.values",
    "core.trust.schemes.registry",
    "core.trust.schemes.secret_form",
    "core.trust.schemes.shared",
    "core.trust.signing_secrets",
    "entrypoints.answers",
    "entrypoints.http_endpoint",
}
#: The further modules of `deliver`.
DELIVER = {
    "adapters.dynamodb",
    "adapters.dynamodb.backlog",
    "adapters.dynamodb.backlog_table",
    "adapters.dynamodb.batches",
    "adapters.dynamodb.ledger",
    "adapters.dynamodb.ledger_writes",
    "adapters.dynamodb.permits",
    "adapters.dynamodb.table",
    "adapters.push_http",
    "bootstrap.deliver",
    "core.delivery.account_permits",
    "core.delivery.backlog",
    "core.delivery.backoff",
    "core.delivery.batching",
    "core.delivery.cooldown",
    "core.delivery.credentials",
    "core.delivery.quota",
    "core.delivery.day",
    "core.delivery.encoding",
    "core.delivery.lane",
    "core.delivery.ledger",
    "core.delivery.parking",
    "core.delivery.permit_ask",
    "core.delivery.permit_calls",
    "core.delivery.permit_circuit",
    "core.delivery.permit_ports",
    "core.delivery.permit_session",
    "core.delivery.permits",
    "core.delivery.run",
    "core.delivery.run_parts",
    "core.delivery.sender",
    "core.delivery.shared_permits",
    "core.delivery.threads",
    "core.inbound.envelope",
    "core.relay",
    "core.rules.recogniser",
    "core.rules.wording",
    "core.translator",
    "entrypoints.backlog_feed",
    "entrypoints.batch_consumer",
    "entrypoints.drain",
    "entrypoints.ending",
    "entrypoints.isolation",
    "entrypoints.memory",
    "entrypoints.queue_record",
}


def imported(function: str, **variables: str) -> set[str]:
    """Import a function's handler in a process of its own; return the relay's modules that are loaded."""
    names: list[str] = probe_handler(_PROBE, function, **variables)
    return {name.removeprefix("push_relay.") for name in names} - {function}


def test_receive_imports_its_half() -> None:
    """It verifies, reads and queues: it needs no sender, no ledger and no wording."""
    assert imported("receive") - COMMON == RECEIVE


def test_deliver_imports_its_half() -> None:
    """It translates, sends and settles: it needs no verification and reads no HTTP body."""
    assert imported("deliver") - COMMON == DELIVER


def test_the_list_of_common_modules_is_complete() -> None:
    """A module that only one function imports belongs to the list of that function."""
    assert imported("receive") & imported("deliver") == COMMON


def test_direct_mode_alone_loads_both_halves() -> None:
    """`receive` delivers within the HTTP call, so it needs the back half too."""
    loaded = imported("receive", DELIVERY_MODE=DeliveryMode.DIRECT)
    assert {"core.relay", "core.delivery.sender", "core.intake"} <= loaded


@pytest.mark.parametrize("function", ["receive", "deliver"])
def test_a_start_imports_no_module_that_takes_long(function: str) -> None:
    """Import it in the function that needs it, if few events do. The failure shows the chain of imports."""
    importers: dict[str, str] = probe_handler(_CHAINS, function)

    def chain(name: str) -> str:
        return name if name not in importers else f"{chain(importers[name])} -> {name}"

    excused = set().union(*(heavy for package, heavy in WITH.items() if package in importers))
    found = [f"{chain(name)} ({HEAVY[name]} ms)" for name in HEAVY.keys() - excused if name in importers]
    assert found == []


@pytest.mark.parametrize("name", sorted(RECEIVE | DELIVER | COMMON))
def test_the_lists_name_modules(name: str) -> None:
    """A module that was renamed is renamed in the lists."""
    path = ROOT / "src/push_relay" / name.replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
