"""One source folder, as the checks see it. Each part is read when a check first needs it."""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from push_relay.adapters.catalog import open_source_folder
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.findings import Finding
from relayctl.checks import conditions
from relayctl.checks.declared import Declared
from relayctl.checks.examples import Examples
from relayctl.checks.expressions import Evidence
from relayctl.examples import examples_of

if TYPE_CHECKING:
    from push_relay.core.rules.source import Source


class Folder:
    """A source folder. Raises Mistakes if its source.toml cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.source: Source = open_source_folder(path)

    @cached_property
    def mistakes(self) -> tuple[Finding, ...]:
        """All that the core refuses in it."""
        return self.source.mistakes()

    @property
    def is_of_the_catalogue(self) -> bool:
        """Whether it ships with the relay. Others belong to the deployer."""
        return (self.path / "page.toml").is_file()

    @cached_property
    def schema_text(self) -> str:
        """The text of its schema.json; empty if it cannot be read."""
        try:
            return (self.path / "schema.json").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    @cached_property
    def schema(self) -> Any:
        """Its schema; None if it cannot be read."""
        try:
            return json.loads(self.schema_text)
        except ValueError:
            return None

    @cached_property
    def examples(self) -> Examples:
        """Its examples."""
        # The mistakes first: the source reports each of them once, to the first one who needs the part.
        _ = self.mistakes
        found = examples_of(self.path.parent, self.name)
        # The goldens of the catalogue are tested, and writing so many pushes takes half a second.
        return Examples(self.source, found, with_wording=not self.is_of_the_catalogue)

    @cached_property
    def evidence(self) -> Evidence:
        """The evidence with which the expressions about its events are compared."""
        file = self.source.file
        return Evidence(
            self.examples or None, Declared(self.schema), file.event.type is not None, tuple(file.value)
        )

    @cached_property
    def event_types(self) -> frozenset[str]:
        """The types of its events. Empty if they are not known, because one of its rules is for any type."""
        types = set(self.examples.event_types)
        for rule in self.source.file.message:
            try:
                compared = conditions.words(Expression.compile(rule.when or ""), "type")
            except ConfigurationInvalid:
                compared = frozenset()
            if not compared:
                return frozenset()
            types |= compared
        return frozenset(types)
