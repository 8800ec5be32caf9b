"""The index has every page, and the glossary and the decision tree are those of the code."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import push_relay
from push_relay import telemetry
from push_relay.core import errors
from push_relay.core.outcomes import Outcome, verdict_of_code
from push_relay.core.push import BATCHED

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
#: Imported by Lambda alone: these build the application from the environment.
HANDLERS = {"push_relay.receive", "push_relay.deliver"}


def read(name: str) -> str:
    """Return a file of the project."""
    return (ROOT / name).read_text("utf-8")


def declared(section: str) -> set[str]:
    """Return the names in a section of the template."""
    block = re.search(rf"^{section}:\n((?:[ #].*\n|\n)+)", read("template.yaml"), re.MULTILINE)
    assert block
    return set(re.findall(r"^  (\w+):$", block[1], re.MULTILINE))


def read_json(file: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(file.read_text("utf-8"))


def keys(schema: Any) -> Iterator[str]:
    """Yield the name of every key in a JSON Schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        schema = list(schema.values())
    for part in schema if isinstance(schema, list) else ():
        yield from keys(part)


def defined() -> set[str]:
    """Return every name that a module of the relay has."""
    modules = pkgutil.walk_packages(push_relay.__path__, "push_relay.")
    return {
        name
        for module in modules
        if module.name not in HANDLERS
        for name in dir(importlib.import_module(module.name))
    }


def test_the_index_lists_every_page_once() -> None:
    """Nobody finds a page that docs/README.md leaves out."""
    listed = re.findall(r"^\| \[([\w-]+\.md)\]", read("docs/README.md"), re.MULTILINE)
    assert sorted(listed) == [name for name in PAGES if name != "README.md"]


@pytest.mark.parametrize(
    ("kind", "existing"),
    [
        ("class", defined()),
        (
            "metric",
            {
                telemetry.RECEIVED,
                telemetry.ACCEPTED,
                telemetry.HANDSHAKE,
                telemetry.QUOTA_USED,
                telemetry.VENDOR_LATENCY,
                *telemetry.OUTCOME_METRICS.values(),
                *telemetry.CODE_METRICS.values(),
            },
        ),
        ("error code", {*errors.CODES, BATCHED}),
        (
            "key",
            {key for schema in (ROOT / "docs/schemas").glob("*.json") for key in keys(read_json(schema))},
        ),
        ("outcome", set(Outcome)),
        ("parameter", declared("Parameters")),
        ("output", declared("Outputs")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_glossary_names_what_exists(kind: str, existing: set[str]) -> None:
    """Whatever is renamed in the code is renamed in the glossary too."""
    lists = re.findall(rf"(?<!log )\b{kind}(?:s|es)? (`\w+`(?:, `\w+`)*)", read("docs/glossary.md"))
    named = set(re.findall(r"\w+", " ".join(lists)))
    assert named
    assert named <= existing


def test_the_glossary_has_every_outcome_with_its_metric() -> None:
    """Logs, metrics and pages use the same words for how a push ends."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| `(\w+)` \|$", read("docs/glossary.md"), re.MULTILINE)
    assert dict(rows) == telemetry.OUTCOME_METRICS


@pytest.mark.parametrize("outcome", Outcome)
def test_the_decision_tree_has_a_section_for_every_outcome(outcome: Outcome) -> None:
    """The tree is followed from a receipt, and a receipt may have any outcome."""
    page = read("docs/troubleshooting.md")
    leaf = re.search(rf"[├└]─ {outcome} \.+ +(\d+) ", page)
    assert leaf
    assert re.search(rf"^### {leaf[1]}\. ", page, re.MULTILINE)


@pytest.mark.parametrize(
    "code", [code for code in errors.CODES if verdict_of_code(code).outcome is Outcome.PARKED]
)
def test_troubleshooting_explains_each_reason_to_wait(code: str) -> None:
    """`not_now` is the root of the others, and `queue_unavailable` is an answer to a sender."""
    section = read("docs/troubleshooting.md").partition("### 6.")[2].partition("### 7.")[0]
    assert f"`{code}`" in section or code in {"not_now", "queue_unavailable"}


@pytest.mark.parametrize(
    "code", [code for code in errors.CODES if verdict_of_code(code).outcome is Outcome.REJECTED]
)
def test_troubleshooting_has_every_refusal_with_its_status(code: str) -> None:
    """A sender reports a status and a code. A webhook names its source, so its source is never ambiguous."""
    section = read("docs/troubleshooting.md").partition("## The sender gets an error")[2]
    row = re.search(rf"^\| {verdict_of_code(code).status} \| `{code}` \|", section, re.MULTILINE)
    assert row or code in {"unauthenticated", "ambiguous_source"}
