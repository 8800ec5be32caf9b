"""Find every mistake in the source folders and in relay.toml, for people and for programs."""

import json
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from push_relay.adapters.catalog import open_source_folder, read_routing_file
from push_relay.core.rules.findings import ERROR, UNREADABLE_FILE, Finding, Mistakes
from relayctl.collisions import collisions
from relayctl.sample_arrivals import sample_arrivals

if TYPE_CHECKING:
    from push_relay.core.rules.source import Source


class Result(NamedTuple):
    """The result of a check.

    sources   the names of all source folders
    accounts  the names of relay.toml's accounts, and routes the number of its routes, if it has no mistake
    """

    findings: tuple[Finding, ...]
    sources: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    routes: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is no mistake."""
        return not any(finding.severity == ERROR for finding in self.findings)

    def json(self) -> str:
        """Return the result as a JSON document. `line` and `key` are null if the file as a whole is meant."""
        findings = [
            {**finding._asdict(), "line": finding.line or None, "key": finding.key or None}
            for finding in self.findings
        ]
        return json.dumps({"ok": self.ok, **self._asdict(), "findings": findings}, indent=2)


def check(sources: Path, config: Path) -> Result:
    """Compile everything, and return all findings, file by file and line by line."""
    if not sources.is_dir():
        missing = Finding(str(sources), 0, "", UNREADABLE_FILE, "is not a directory")
        return Result((missing,), ())
    findings: list[Finding] = []
    proofs = {}
    signing_url: list[str] = []
    valid: list[Source] = []
    folders = sorted(path for path in sources.iterdir() if path.is_dir())
    for folder in folders:
        try:
            source = open_source_folder(folder)
        except Mistakes as exc:
            findings += exc.findings
            continue
        proofs[folder.name] = source.proof
        if source.signs_url:
            signing_url.append(folder.name)
        mistakes = source.mistakes()
        findings += _in_order((*mistakes, *source.warnings))
        valid += [] if mistakes else [source]
    names = tuple(folder.name for folder in folders)
    try:
        routing = read_routing_file(config, names, proofs, signing_url)
    except Mistakes as exc:
        return Result((*findings, *_in_order(exc.findings)), names)
    samples = cache(partial(sample_arrivals, sources))
    colliding = collisions(valid, routing.eventbridge_topics, routing.routed_sources, samples)
    found = (*findings, *_in_order(tuple(colliding)), *_in_order(routing.warnings))
    return Result(found, names, tuple(routing.accounts), len(routing.routes))


def _in_order(findings: tuple[Finding, ...]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.file, finding.line))
