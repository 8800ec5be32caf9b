"""Write the source folders as the functions read them (`push_relay/adapters/catalog.py` has the format).

Nothing else of a folder is written: examples, pages and routes to start with are for people and for tools.
"""

import json
import shutil
import tomllib
from pathlib import Path

from push_relay.adapters.catalog import INDEX, PREPARED_SOURCE


def write_prepared(sources: Path, into: Path) -> None:
    """Write every folder of a directory that holds a source, and the index of the match rules.

    `relayctl check` has found no mistake in them. The same files give the same bytes.
    """
    index = {}
    for file in sorted(sources.glob("*/source.toml")):
        document = tomllib.loads(file.read_text("utf-8"))
        folder = into / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / PREPARED_SOURCE, document)
        shutil.copyfile(file.with_name("schema.json"), folder / "schema.json")
        if rules := document.get("match"):
            index[file.parent.name] = rules
    _write(into / INDEX, index)


def _write(file: Path, document: object) -> None:
    # The order of the keys stays: it decides which message rule writes.
    file.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False), "utf-8")
