"""The source folders of a preview: the shipped ones, and those that the user adds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from push_relay.adapters.catalog import Catalog, read_source_folder
from push_relay.core.errors import ConfigurationInvalid, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.rules.event_rules import Match
from push_relay.core.rules.source import Source
from relayctl.preview.inputs import InputError


class LayeredSources:
    """Several folders of sources. A source of a later folder replaces one of the same name.

    Each source is read when it is first used, once, so that a mistake in another folder does not matter.
    `skipped` has the mistakes of the sources whose match rules could not be tried.
    """

    def __init__(self, shipped: Path, added: Sequence[Path] = ()) -> None:
        """Raise InputError if an added folder holds no source."""
        self.skipped: list[str] = []
        self._broken: set[str] = set()
        self._sources: dict[str, Source] = {}
        self._checked: set[str] = set()
        self._folders: dict[str, Path] = {}
        for directory in (shipped, *added):
            self._folders |= {folder.name: folder for folder in source_folders(directory.absolute())}

    def names(self) -> list[str]:
        """Return the names of all sources."""
        return sorted(self._folders)

    def folder(self, name: str) -> Path:
        """Return the folder of a source that exists."""
        return self._folders[name]

    def named(self, name: str) -> Source:
        """Return a source of which nothing need be compiled yet.

        Raises UnknownSource, and ConfigurationInvalid for a wrong file.
        """
        if name not in self._sources:
            if name not in self._folders:
                raise UnknownSource("there is no source of that name")
            self._sources[name] = Catalog(self._folders[name].parent).named(name)
        return self._sources[name]

    def check(self, name: str) -> None:
        """Compile every part of a source.

        Raises ConfigurationInvalid with all mistakes, and UnknownSource.
        """
        self.named(name)
        if name not in self._checked:
            self._sources[name] = read_source_folder(self._folders[name])
            self._checked.add(name)

    def match_rules(self, _arrival: Arrival, /) -> Iterator[tuple[str, Sequence[Match]]]:
        """Yield the match rules of each source whose rules can be tried, with the source's name."""
        for name in self.names():
            if name in self._broken:
                continue
            try:
                source = self.named(name)
                for match in source.matches:
                    _ = match.when  # compiled here, so that a mistake in it is found here
            except ConfigurationInvalid as exc:
                self._broken.add(name)
                self.skipped.append(exc.detail)
            else:
                yield name, source.matches


def source_folders(directory: Path) -> list[Path]:
    """Return the source folders of a directory, or the directory if it is one itself. Raises InputError."""
    if (directory / "source.toml").is_file():
        return [directory]
    found = sorted(file.parent for file in directory.glob("*/source.toml"))
    if not found:
        raise InputError(
            f"{directory}: is not a folder of sources: neither it nor a folder in it has a source.toml"
        )
    return found
