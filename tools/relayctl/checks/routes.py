"""Check the routes of relay.toml, and of a source folder's routes.toml."""

from collections.abc import Iterator, Mapping
from typing import Final

from push_relay.core.rules.findings import WARNING, Finding
from push_relay.core.rules.relay_file import RelayFile
from relayctl.checks.declared import Declared
from relayctl.checks.expressions import Evidence, check
from relayctl.checks.field_values import compared
from relayctl.checks.folder import Folder
from relayctl.checks.interpreter import analyse
from relayctl.checks.keys import route_keys
from relayctl.checks.problems import UNKNOWN_VALUE, Problem
from relayctl.checks.spelling import meant_by
from relayctl.checks.values import Field

_TYPE: Final = Field(("type",))
_NO_EVIDENCE: Final = Evidence(None, Declared(None))


def route_findings(file: RelayFile, folders: Mapping[str, Folder]) -> Iterator[Finding]:
    """Yield what is wrong with the expressions of routes."""
    for route in file.route:
        folder = folders.get(route.source)
        for key in route_keys(route):
            checked = check(key, folder.evidence if folder else _NO_EVIDENCE)
            yield from (key.finding(problem) for problem in checked.problems)
            if folder and key.path[-1] == "when" and checked.node is not None and not checked.problems:
                notes = analyse(checked.node, key.names).notes
                types = [
                    constant.value for note in notes for field, constant in compared(note) if field == _TYPE
                ]
                yield from (key.finding(problem) for problem in _unknown_types(types, folder))


def _unknown_types(types: list[object], folder: Folder) -> Iterator[Problem]:
    """Yield a problem for each type that neither an example of the source nor a rule of it has."""
    known = folder.event_types
    for name in types if known else ():
        if isinstance(name, str) and name not in known:
            meant = meant_by(name, sorted(known))
            hint = f"did you mean '{meant}'?" if meant else f"there are: {', '.join(sorted(known))}"
            message = (
                f"compares `type` with '{name}', which no example and no rule of `{folder.name}` has; {hint}"
            )
            yield Problem(UNKNOWN_VALUE, message, WARNING)
