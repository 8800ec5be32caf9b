"""Write the source folders and relay.toml as the functions read them (`push_relay/adapters/catalog.py`).

Nothing else of a folder is written: examples, pages and routes to start with are for people and for tools.
"""

import json
import shutil
import tomllib
from pathlib import Path

from push_relay.adapters.catalog import INDEX, PREPARED_SOURCE, read_routing_file
from push_relay.core.rules.event_rules import Match
from push_relay.core.rules.index_building import build_index
from push_relay.core.rules.prepared_routing import document_of
from push_relay.core.rules.requirements import required_by_rule
from push_relay.core.rules.source_file import MatchTable
from push_relay.core.strict_json import JsonObject

#: The name of relay.toml in the warnings of the functions, wherever the build has found the file.
_CONFIG = "config/relay.toml"


def write_prepared(sources: Path, into: Path) -> None:
    """Write every folder of a directory that holds a source, and the index of the match rules.

    `relayctl check` has found no mistake in them. The same files give the same bytes.
    """
    rules = []
    for file in sorted(sources.glob("*/source.toml")):
        document = tomllib.loads(file.read_text("utf-8"))
        folder = into / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / PREPARED_SOURCE, document)
        shutil.copyfile(file.with_name("schema.json"), folder / "schema.json")
        rules += [(file.parent.name, table) for table in document.get("match", [])]
    index = build_index(required_by_rule(Match(MatchTable(table))) for _, table in rules)
    _write(into / INDEX, {"rules": rules, "index": index})


def write_routing(config: Path, into: Path) -> None:
    """Write relay.toml as a prepared routing. The same file gives the same bytes. Raises Mistakes."""
    _write(into, document_of(read_routing_file(config), _CONFIG))


def _write(file: Path, document: JsonObject) -> None:
    # The order of the keys stays: it decides which message rule writes. Expressions may have half a surrogate
    # pair in a literal, which only an escape can write.
    file.write_text(json.dumps(document, separators=(",", ":"), allow_nan=False), "ascii")
