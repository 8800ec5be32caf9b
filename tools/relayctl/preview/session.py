"""Open a preview: its sources, its routes and its files, by the arguments of the command."""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from push_relay.adapters.catalog import read_routing_file
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.findings import choices
from relayctl.preview.inputs import InputError, parse_json, read_bytes
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.selection import chosen_directories, chosen_files, chosen_folders
from relayctl.preview.stand_ins import PreviewClock, door_maker


class Session(NamedTuple):
    """The previewer, the files to preview, and the source folders that were chosen as a whole."""

    previewer: Previewer
    files: list[str]
    folders: list[Path]


class Messages:
    """The messages of a run on standard error, each printed once for all files."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, message: str) -> None:
        """Print a message, unless it was printed before."""
        if message not in self._shown:
            self._shown.add(message)
            print(f"preview: {message}", file=sys.stderr, flush=True)

    @staticmethod
    def note(message: str) -> None:
        """Print a message about one push or event."""
        print(f"preview: {message}", file=sys.stderr, flush=True)

    def warn_of(self, sources: LayeredSources) -> None:
        """Print the mistakes of the sources whose match rules cannot be tried."""
        for mistake in sources.skipped:
            self.show(f"warning: this source takes no part: {mistake}")


def open_session(arguments: argparse.Namespace, shipped: Path) -> Session:
    """Return the session of a run. Raises InputError.

    shipped  the folder of the sources that are always known
    """
    clock = PreviewClock(arguments.now)
    sources = LayeredSources(shipped, [*arguments.sources, *chosen_directories(arguments.files)])
    name = arguments.source
    if name and name not in sources.names():
        raise InputError(
            f"--source: there is no source `{name}`; {choices(name, sources.names())}. --sources adds folders"
        )
    try:
        routing = read_routing_file(arguments.config)
        if name:
            sources.check(name)
    except ConfigurationInvalid as exc:
        raise InputError(exc.detail) from None
    previewer = Previewer(sources, routing, door_maker(*_stored(arguments), clock), clock, name)
    return Session(
        previewer, chosen_files(arguments.files, sources), chosen_folders(arguments.files, sources)
    )


def _stored(arguments: argparse.Namespace) -> tuple[str | None, dict[str, str] | None]:
    """Return the text of the secret, or None, and the answers of addresses, or None. Raises InputError."""
    secrets: str | None = None
    if arguments.secrets:
        content = read_bytes(str(arguments.secrets))
        if not isinstance(parse_json(str(arguments.secrets), content), dict):
            raise InputError(f'{arguments.secrets}: is not a JSON object such as {{"github": "secret"}}')
        secrets = content.decode()
    fetched: dict[str, str] | None = None
    if arguments.fetched:
        given = parse_json(str(arguments.fetched), read_bytes(str(arguments.fetched)))
        fetched = given if isinstance(given, dict) else {"": given}
        if not all(isinstance(text, str) for text in fetched.values()):
            raise InputError(f"{arguments.fetched}: is not a JSON object whose values are texts")
    return secrets, fetched
