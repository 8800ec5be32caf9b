"""The docs name what exists: every error code, outcome, metric, setting, key, function and source."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

import shipped
from attacks import ATTACKS, Attack
from fakes import captured
from push_relay import telemetry
from push_relay.core import errors
from push_relay.core.outcomes import Outcome, verdict
from push_relay.core.push import Receipt
from push_relay.core.queue_format import SOURCE_ATTRIBUTE
from push_relay.core.rules.event_rules import MATCH_KEYS
from push_relay.core.rules.expression import FUNCTIONS
from push_relay.core.trust.schemes.registry import SCHEMES
from push_relay.entrypoints import http_endpoint

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    """Return a file of the project."""
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("code", errors.CODES)
def test_every_error_code_has_a_line_with_its_status_and_outcome(code: str) -> None:
    """Whoever gets a code finds what it means, with the status and outcome that the code has."""
    error = errors.CODES[code]
    row = re.search(rf"^\| `{code}` \| (\d+) \| `(\w+)` \|", read("docs/errors.md"), re.MULTILINE)
    assert row, f"docs/errors.md has no line for {code}"
    assert (int(row[1]), row[2]) == (verdict(error).status, verdict(error).outcome)


def test_no_documented_error_code_has_ceased_to_exist() -> None:
    """The table tells of no code that the relay cannot give."""
    codes = re.findall(r"^\| `(\w+)` \| \d+ \|", read("docs/errors.md"), re.MULTILINE)
    assert set(codes) == set(errors.CODES)


@pytest.mark.parametrize("code", [http_endpoint.NOT_FOUND, http_endpoint.METHOD_NOT_ALLOWED])
def test_answers_without_an_event_are_documented(code: str) -> None:
    """The two answers that are no event's outcome are told too."""
    assert f"`{code}`" in read("docs/errors.md")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_documented_with_its_metric(outcome: Outcome) -> None:
    """An outcome's line names the metric to watch."""
    assert f"| `{outcome}` | `{telemetry.OUTCOME_METRICS[outcome]}` |" in read("docs/errors.md")


@pytest.mark.parametrize(
    "metric",
    [
        telemetry.RECEIVED,
        telemetry.ACCEPTED,
        telemetry.HANDSHAKE,
        telemetry.QUOTA_USED,
        telemetry.VENDOR_LATENCY,
        *sorted(set(telemetry.CODE_METRICS.values())),
    ],
)
def test_every_other_metric_is_documented(metric: str) -> None:
    """So do the metrics that are no outcome's."""
    assert f"`{metric}`" in read("docs/errors.md")


def test_every_log_key_is_documented() -> None:
    """Somebody who queries the logs finds every key of a line that has them all."""
    receipt = Receipt(
        source="bakery",
        event_id="e-1",
        outcome=Outcome.REJECTED,
        error_code="schema_violation",
        detail="why",
        vendor_code="V",
        violations=(errors.Violation("/a", "type"),),
        retry_after=1.0,
        latency_ms=1.0,
    )
    with captured() as said:
        said.telemetry.refused(receipt)
    (line,) = said.logs
    assert {field.name for field in fields(Receipt)} - {"push", "is_paced"} <= line.keys()
    for key in line.keys() - {"level", "message", "timestamp", "service"}:
        assert f"`{key}`" in read("docs/errors.md"), key


def test_every_setting_is_documented() -> None:
    """Every environment variable that is read or set has a line."""
    settings = re.findall(r'environment\.get\("(\w+)"', read("src/push_relay/settings.py"))
    settings += re.findall(r"POWERTOOLS_\w+", read("template.yaml"))
    assert len(settings) > 8
    for setting in settings:
        assert f"`{setting}`" in read("docs/configuration.md"), setting


def test_every_template_parameter_is_documented() -> None:
    """Every parameter that a deployer may give has a line."""
    block = read("template.yaml").partition("\nParameters:\n")[2].partition("\nGlobals:\n")[0]
    parameters = re.findall(r"^  (\w+):$", block, re.MULTILINE)
    assert len(parameters) > 5
    for parameter in parameters:
        assert f"`{parameter}`" in read("docs/configuration.md"), parameter


def test_every_key_of_relay_toml_is_documented() -> None:
    """Every key that relay.toml may hold is told."""
    code = read("src/push_relay/core/account.py") + read("src/push_relay/core/rules/route.py")
    keys = set(re.findall(r'table\.(?:text|whole|texts|table|tables|compiled)\("(\w+)"', code)) - {"default"}
    assert len(keys) > 8
    for key in keys:
        assert re.search(rf"`[^`]*\b{key}\b[^`]*`", read("docs/configuration.md")), key


def test_every_key_of_a_source_is_documented() -> None:
    """Every key that source.toml may hold is told."""
    code = "".join(
        read(f"src/push_relay/core/rules/{name}.py")
        for name in ("source", "admission", "event_rules", "wording")
    )
    keys = set(re.findall(r'\b(?:table|source|event|rule|verify)\.\w+\("(\w+)"', code)) | set(MATCH_KEYS)
    assert len(keys) > 8
    for key in keys:
        assert re.search(rf"`[^`]*\b{key}\b[^`]*`", read("docs/writing-a-source.md")), key


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_added_function_is_documented(function: str) -> None:
    """Every function beside JMESPath's own has a line."""
    assert f"| `{function}(" in read("docs/writing-a-source.md")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_its_row(scheme: str) -> None:
    """Header, signed content, encoding, window and source of truth."""
    row = re.search(rf"^\| `{scheme}` \|(.*)\|$", read("docs/security.md"), re.MULTILINE)
    assert row
    assert row[1].count("|") == 4


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_attack_is_in_the_table(attack: Attack) -> None:
    """The table is the list that the suite goes through."""
    assert f"| {attack.name} | 401 |" in read("docs/security.md")


def test_every_key_of_a_scheme_is_documented() -> None:
    """Whoever writes a source finds what `[verify]` may hold."""
    code = "".join(
        path.read_text("utf-8") for path in (ROOT / "src/push_relay/core/trust/schemes").glob("*.py")
    )
    keys = set(re.findall(r'table\.(?:text|integer|compiled)\("(\w+)"', code)) - {"scheme"}
    keys |= set(re.findall(r'header_name\(table, "(\w+)"', code))
    assert len(keys) > 5
    for key in keys:
        assert f"`{key}`" in read("docs/security.md"), key


@pytest.mark.parametrize("name", shipped.names())
def test_every_source_of_the_readme_ships_with_examples(name: str) -> None:
    """The README's table is the list of shipped sources: the other tests go through it."""
    assert (shipped.FOLDERS / name / "source.toml").is_file()
    assert list((shipped.FOLDERS / name / "examples").glob("*.request.json"))


def test_the_readme_lists_the_shipped_sources() -> None:
    """A table that cannot be read would leave every test of the sources without work."""
    assert {"github", "grafana", "push"} <= set(shipped.names())


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_source_that_takes_webhooks_is_in_the_openapi_document(name: str) -> None:
    """`relayctl openapi --check` leaves out folders that the document does not name."""
    source = tomllib.loads((shipped.FOLDERS / name / "source.toml").read_text("utf-8"))
    assert (f'"/webhooks/{name}"' in read("docs/openapi.json")) is ("verify" in source)


def test_the_message_attribute_that_names_a_source_is_documented() -> None:
    """AWS senders learn how to name their source."""
    assert f"message attribute `{SOURCE_ATTRIBUTE}`" in read("docs/writing-a-source.md")


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_every_link_between_documents_leads_somewhere(document: str) -> None:
    """No document points at a file that is not there."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", read(document)):
        assert (ROOT / document).parent.joinpath(target).exists(), target


def test_every_make_target_is_explained() -> None:
    """`make help` lists every target."""
    targets = re.findall(r"^([a-z-]+):(.*)$", read("Makefile"), re.MULTILINE)
    assert len(targets) > 5
    assert [name for name, rest in targets if "##" not in rest] == []
