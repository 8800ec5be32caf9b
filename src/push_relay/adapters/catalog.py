"""Read the source folders and the deployer's relay.toml, and name the file and line of a mistake.

The build writes them into the artifact in a form that is read quickly (`relayctl/prepared_sources.py`):

| file | content |
|---|---|
| `sources/NAME/source.json` | the content of source.toml. JSON is read a hundred times faster than TOML |
| `sources/NAME/schema.json` | the same |
| `sources/index.json` | `rules`: each table `[[match]]` with its source's name, in order of names |
| | `index`: the index of what the rules require (`core/rules/index.py`) |
| `config/relay.json` | relay.toml, checked and indexed (`core/rules/prepared_routing.py`) |
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from push_relay.core.errors import ConfigurationInvalid, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.rules.configuration import Table
from push_relay.core.rules.event_rules import Match
from push_relay.core.rules.expression import RequestFields
from push_relay.core.rules.findings import (
    INVALID_VALUE,
    UNREADABLE_FILE,
    Finding,
    Locate,
    Mistakes,
    Report,
    Step,
)
from push_relay.core.rules.index import candidates
from push_relay.core.rules.routing import Routing
from push_relay.core.rules.source import Source
from push_relay.core.rules.source_file import MatchTable, SourceFile
from push_relay.core.strict_json import JsonObject

if TYPE_CHECKING:
    from push_relay.core.rules.schema import Schema

#: The names of the files that the build writes.
PREPARED_SOURCE, INDEX, PREPARED_ROUTING = "source.json", "index.json", "relay.json"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class Catalog:
    """The source folders. Each is read when it is first needed, and its parts are compiled when they are.

    `warn` is called with what still works in a source's file and has to be changed. If the directory has an
    index, the folders are those that the build has written, and the match rules are read from the index.
    """

    def __init__(self, directory: Path, warn: Callable[[Finding], None] = lambda _warning: None) -> None:
        self._directory = directory
        self._warn = warn
        self._sources: dict[str, Source] = {}
        self._is_prepared = (directory / INDEX).is_file()
        self._file_name = PREPARED_SOURCE if self._is_prepared else "source.toml"

    def names(self) -> list[str]:
        """Return the names of the folders that hold a source."""
        return sorted(path.parent.name for path in self._directory.glob(f"*/{self._file_name}"))

    def named(self, name: str) -> Source:
        """Return a source. Raises UnknownSource; a name is looked at before any path is made of it."""
        if name in self._sources:
            return self._sources[name]
        folder = self._directory / name
        if not is_source_name(name) or not (folder / self._file_name).is_file():
            raise UnknownSource("there is no source of that name")
        source = _open_prepared_folder(folder) if self._is_prepared else open_source_folder(folder)
        source.raise_mistakes()
        for warning in source.warnings:
            self._warn(warning)
        self._sources[name] = source
        return source

    def all(self) -> Iterator[Source]:
        """Return every source."""
        return (self.named(name) for name in self.names())

    def match_rules(self, arrival: Arrival) -> Iterable[tuple[str, Sequence[Match]]]:
        """Return the match rules that may fit an arrival or the event in it, by source, in order of names.

        With an index no source is read.
        """
        if self._is_prepared:
            return self._indexed_rules.for_arrival(arrival)
        return ((source.name, source.matches) for source in self.all() if source.matches)

    @cached_property
    def _indexed_rules(self) -> "_IndexedRules":
        return _IndexedRules(_read_json(self._directory / INDEX))


class _IndexedRules:
    """The match rules of all sources. Each is made of its table when an arrival first needs it."""

    def __init__(self, document: JsonObject) -> None:
        self._rules = document["rules"]
        self._index = document["index"]
        self._made: dict[int, Match] = {}

    def for_arrival(self, arrival: Arrival) -> Iterator[tuple[str, Sequence[Match]]]:
        """Yield the rules that may fit, by source, in order of names."""
        readings = [arrival, arrival.enclosed] if arrival.enclosed else [arrival]
        positions = {position for each in readings for position in candidates(self._index, each.scope())}
        for name, found in groupby(sorted(positions), lambda position: self._rules[position][0]):
            yield name, [self._at(position) for position in found]

    def _at(self, position: int) -> Match:
        if position not in self._made:
            self._made[position] = Match(MatchTable(self._rules[position][1], Report()))
        return self._made[position]


def is_source_name(name: str) -> bool:
    """Return whether a folder of that name can be served. The name is part of the webhook's URL."""
    return _NAME.fullmatch(name) is not None


def open_source_folder(folder: Path) -> Source:
    """Return a folder's source, of which nothing is compiled yet. The source knows the mistakes in its files.

    Raises Mistakes for a file that cannot be read.
    """
    file = read_table(folder / "source.toml", SourceFile)
    return Source(folder.name, file, lambda: _schema(folder / "schema.json"))


def read_table[T: Table](file: Path, table: type[T]) -> T:
    """Read a TOML file by its declaration. The mistakes are in the table's report.

    Raises Mistakes for a file that cannot be read.
    """
    text, document = _read_toml(file)
    return table(document, Report(_locate(file, text)))


def _open_prepared_folder(folder: Path) -> Source:
    """Return the source of a folder that the build has written. Its findings name source.toml."""
    report = Report(lambda _path: (shown_file(folder / "source.toml"), 0))
    document = _read_json(folder / PREPARED_SOURCE)
    return Source(folder.name, SourceFile(document, report), lambda: _schema(folder / "schema.json"))


def read_source_folder(folder: Path) -> Source:
    """Return a folder's source, of which every part is compiled. Raises Mistakes with all of them."""
    source = open_source_folder(folder)
    if mistakes := source.mistakes():
        raise Mistakes(mistakes)
    return source


def read_routing_file(
    file: Path,
    known: Collection[str] | None = None,
    proofs: Mapping[str, RequestFields] | None = None,
    signing_url: Collection[str] = (),
) -> Routing:
    """Read relay.toml, and check it against the sources if they are given (see `read_routing`).

    Raises Mistakes with all of them.
    """
    # Imported here: the functions read what the build has made of the file.
    from push_relay.core.rules.routing_file import read_routing  # noqa: PLC0415

    text, document = _read_toml(file)
    return read_routing(document, known, proofs, _locate(file, text), signing_url)


def read_configuration(file: Path) -> Routing:
    """Read what the build has made of relay.toml, or relay.toml itself. Raises Mistakes."""
    if file.suffix != ".json":
        return read_routing_file(file)
    from push_relay.core.rules.prepared_routing import routing_of  # noqa: PLC0415 (a checkout has no such file)

    return routing_of(_read_json(file))


def line_of(text: str, path: tuple[Step, ...]) -> int:
    """Return the line of a TOML text (from 1) that has a key, or of the nearest table that should have it.

    The standard library's reader does not return the lines of values, so this finds the table's header and,
    below it, the key.
    """
    lines = text.splitlines()
    best, position = 1, 0
    headers = [key for key in path if isinstance(key, str)]
    for depth in range(len(headers), 0, -1):
        name = re.escape(".".join(headers[:depth]))
        nth = next((key for key in path if isinstance(key, int)), 0)
        found = [i for i, line in enumerate(lines) if re.match(rf"\s*\[\[?\s*{name}\s*\]\]?", line)]
        # A table that has no header of its own, only as a part of others' names: `[name.other]`.
        found = found or [i for i, line in enumerate(lines) if re.match(rf"\s*\[\[?\s*{name}\s*\.", line)]
        if len(found) > nth:
            position, best = found[nth], found[nth] + 1
            headers = headers[depth:]
            break
    for key in headers:
        for i in range(position, len(lines)):
            if i > position and lines[i].lstrip().startswith("["):
                break
            if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""", lines[i]):
                best, position = i + 1, i
                break
    return best


def _locate(file: Path, text: str) -> Locate:
    return lambda path: (shown_file(file), line_of(text, path))


def _read_toml(file: Path) -> tuple[str, JsonObject]:
    import tomllib  # noqa: PLC0415 (the functions read JSON only)

    try:
        text = file.read_text("utf-8")
        return text, tomllib.loads(text)
    except OSError as exc:
        raise _unreadable(file, 0, f"cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise _unreadable(file, 0, "is not UTF-8") from exc
    except tomllib.TOMLDecodeError as exc:
        line = re.search(r"line (\d+)", str(exc))
        raise _unreadable(file, int(line[1]) if line else 1, f"is not TOML: {exc}") from exc


def _schema(file: Path) -> "Schema":
    # Imported here: an event that `receive` has queued needs no schema again.
    from push_relay.core.rules.schema import Schema  # noqa: PLC0415

    document = _read_json(file)
    try:
        return Schema.compile(document)
    except ConfigurationInvalid as exc:
        raise Mistakes([Finding(shown_file(file), 1, "", INVALID_VALUE, exc.detail)]) from exc


def _read_json(file: Path) -> JsonObject:
    try:
        document = json.loads(file.read_bytes())
    except OSError as exc:
        raise _unreadable(file, 0, f"cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        line = exc.lineno if isinstance(exc, json.JSONDecodeError) else 1
        raise _unreadable(file, line, f"is not JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise _unreadable(file, 1, "is not an object")
    return document


def _unreadable(file: Path, line: int, message: str) -> Mistakes:
    return Mistakes([Finding(shown_file(file), line, "", UNREADABLE_FILE, message)])


def shown_file(file: Path) -> str:
    """Return a file's name as findings have it: relative to the current directory if it is in it."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
