"""Check one source folder: source.toml, schema.json, the examples and routes.toml."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from push_relay.adapters.catalog import read_routing_file, read_table, shown_file
from push_relay.core.rules.findings import ERROR, WARNING, Finding, Mistakes
from push_relay.core.rules.relay_file import RelayFile
from push_relay.core.rules.source_file import MessageTable, SourceFile
from push_relay.core.rules.wording import MessageRule
from relayctl.checks import conditions
from relayctl.checks.expressions import Checked, Evidence, check
from relayctl.checks.folder import Folder
from relayctl.checks.folders import folder_findings
from relayctl.checks.keys import Key, event_names, expressions_of_events, message_keys, value_keys
from relayctl.checks.problems import FAILED_EXAMPLE, NO_MESSAGE
from relayctl.checks.repetitions import together
from relayctl.checks.routes import route_findings
from relayctl.checks.values import Value

if TYPE_CHECKING:
    from relayctl.checks.interpreter import Node


def findings(folder: Folder) -> Iterator[Finding]:
    """Yield everything that is wrong with a folder."""
    file = folder.source.file
    of_toml = list(_toml_findings(folder, file))
    found = [*folder_findings(folder.path), *of_toml, *_schema_findings(folder)]
    yield from together(_of_the_core(folder, found), found)
    yield from folder.source.warnings
    if not file.message and "message" not in {finding.key for finding in folder.mistakes}:
        message = (
            "there is no `[[message]]`, so that nobody gets a push: write a rule with `title` and `body`"
        )
        yield file.report.finding((), message, NO_MESSAGE, WARNING)
    is_wrong = any(finding.severity == ERROR for finding in of_toml)
    for failure in folder.examples.failures:
        if is_wrong and not failure.is_refused:
            continue  # the consequence of a mistake that is reported already
        yield Finding(shown_file(failure.example.file), failure.line, "", FAILED_EXAMPLE, failure.message)
    yield from _routes_findings(folder)


def _of_the_core(folder: Folder, found: Sequence[Finding]) -> list[Finding]:
    """Return what the core refuses, without the schema's mistake if the checks have found out what it is."""
    file = shown_file(folder.path / "schema.json")
    is_explained = any(each.file == file and each.severity == ERROR for each in found)
    return [each for each in folder.mistakes if each.file != file or not is_explained]


def _toml_findings(folder: Folder, file: SourceFile) -> Iterator[Finding]:
    evidence = folder.evidence
    for key in expressions_of_events(file):
        # `each` reads the whole request, and an example's document is one event of it.
        of_key = evidence._replace(examples=None) if key.path[-1] == "each" else evidence
        yield from _of_key(key, check(key, of_key))
    names: dict[str, Value] = dict(event_names())
    for name, key in value_keys(file):
        checked = check(key._replace(names=dict(names)), evidence)
        yield from _of_key(key, checked)
        names[name] = checked.value
    rules = folder.source.messages if not folder.mistakes else [None] * len(file.message)
    yield from _message_findings(file.message, rules, names, evidence)


def _message_findings(
    tables: Sequence[MessageTable],
    compiled: Sequence[MessageRule | None],
    names: Mapping[str, Value],
    evidence: Evidence,
) -> Iterator[Finding]:
    nodes: list[Node | bool | None] = []
    for table, rule in zip(tables, compiled, strict=True):
        nodes.append(None)
        for key in message_keys(table, names, rule):
            checked = check(key, evidence)
            yield from _of_key(key, checked)
            if key.path[-1] == "when":
                nodes[-1] = checked.node or False
    for index, problem in conditions.unreachable_rules(nodes):
        table = tables[index]
        yield table.report.finding(table.path, problem.message, problem.code, problem.severity)


def _of_key(key: Key, checked: Checked) -> Iterator[Finding]:
    return (key.finding(problem) for problem in checked.problems)


def _schema_findings(folder: Folder) -> Iterator[Finding]:
    if not isinstance(folder.schema, dict):
        return
    # Imported here: jsonschema takes a tenth of a second.
    from relayctl.checks import json_schema
    from relayctl.checks.json_lines import line_of

    file = shown_file(folder.path / "schema.json")
    for pointer, problem in json_schema.problems(folder.schema):
        line, key = line_of(folder.schema_text, pointer), "/".join(map(str, pointer))
        yield Finding(file, line, f"/{key}", problem.code, problem.message, problem.severity)


def _routes_findings(folder: Folder) -> Iterator[Finding]:
    """Yield the mistakes of the routes to start with."""
    routes = folder.path / "routes.toml"
    if not routes.is_file():
        return
    mistakes: tuple[Finding, ...] = ()
    try:
        read_routing_file(routes, [folder.name], {folder.name: folder.source.proof})
    except Mistakes as exc:
        mistakes = exc.findings
    try:
        file = read_table(routes, RelayFile)
    except Mistakes:
        yield from mistakes
    else:
        yield from together(mistakes, list(route_findings(file, {folder.name: folder})))
