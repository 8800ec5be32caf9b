"""Find every mistake in the source folders and in relay.toml, for people and for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from push_relay.adapters.catalog import read_routing_file, read_table, shown_file
from push_relay.core.rules.findings import ERROR, UNREADABLE_FILE, WARNING, Finding, Mistakes
from push_relay.core.rules.relay_file import RelayFile
from push_relay.core.rules.routing import Routing
from relayctl.checks.folder import Folder
from relayctl.checks.problems import NO_ROUTE
from relayctl.checks.repetitions import together
from relayctl.checks.routes import route_findings
from relayctl.checks.toml_hints import with_hint
from relayctl.checks.workers import check_folders
from relayctl.collisions import collisions
from relayctl.sample_arrivals import sample_arrivals


class Result(NamedTuple):
    """The result of a check.

    sources   the names of all source folders
    accounts  the names of relay.toml's accounts, and routes the number of its routes, if it has no mistake
    unrouted  the sources of the catalogue for which there is no route
    """

    findings: tuple[Finding, ...]
    sources: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    routes: int = 0
    unrouted: tuple[str, ...] = ()

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


def check(directory: Path, config: Path) -> Result:
    """Check everything, and return all findings, file by file and line by line.

    directory  has the source folders
    config     is a relay.toml
    """
    if not directory.is_dir():
        missing = Finding(str(directory), 0, "", UNREADABLE_FILE, "is not a directory")
        return Result((missing,), ())
    paths = sorted(path for path in directory.iterdir() if path.is_dir())
    checked, opened = check_folders(paths)
    found = [finding for each in checked for finding in each.findings]
    folders = dict(_readable(paths, opened))
    names = tuple(path.name for path in paths)
    try:
        file = read_table(config, RelayFile)
    except Mistakes as exc:
        return Result((*_in_order(found), *map(with_hint, exc.findings)), names)
    of_routes = list(route_findings(file, folders))
    try:
        routing = _routing(config, file, names, folders)
    except Mistakes as exc:
        return Result((*_in_order(found), *_in_order(list(together(exc.findings, of_routes)))), names)
    valid = {each.name for each in checked if each.is_valid}
    found += collisions(
        [folder.source for folder in folders.values() if folder.name in valid],
        routing.eventbridge_topics,
        routing.routed_sources,
        cache(partial(sample_arrivals, directory)),
    )
    unrouted = [folder for folder in folders.values() if folder.name not in routing.routed_sources]
    of_config = (*routing.warnings, *of_routes, *_without_route(unrouted, config))
    return Result(
        (*_in_order(found), *_in_order(of_config)),
        names,
        tuple(routing.accounts),
        len(routing.routes),
        tuple(folder.name for folder in unrouted if folder.is_of_the_catalogue),
    )


def _readable(paths: Sequence[Path], opened: Mapping[str, Folder]) -> Iterator[tuple[str, Folder]]:
    """Yield the folders that can be read, by name. `opened` has those that are open already."""
    for path in paths:
        with suppress(Mistakes):
            yield path.name, opened.get(path.name) or Folder(path)


def _routing(config: Path, file: RelayFile, names: Sequence[str], folders: Mapping[str, Folder]) -> Routing:
    """Read relay.toml. Raises Mistakes.

    A source of the catalogue without a route is not used, so nothing about its URL is worth a warning.
    """
    proofs = {name: folder.source.proof for name, folder in folders.items()}
    routed = {route.source for route in file.route}
    signing_url = [
        name
        for name, folder in folders.items()
        if folder.source.signs_url and (name in routed or not folder.is_of_the_catalogue)
    ]
    return read_routing_file(config, names, proofs, signing_url)


def _without_route(unrouted: Sequence[Folder], config: Path) -> Iterator[Finding]:
    """Yield a warning for each source of the deployer's own that has no route."""
    for folder in unrouted:
        if not folder.is_of_the_catalogue:
            message = (
                f"no route is for the source `{folder.name}`, so that nobody gets its pushes: add a "
                f'[[route]] with source = "{folder.name}"'
            )
            yield Finding(shown_file(config), 0, "", NO_ROUTE, message, WARNING)


def _in_order(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(dict.fromkeys(findings), key=lambda finding: (finding.file, finding.line))
