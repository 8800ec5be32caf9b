"""Write the reference: tables of keys and of providers in docs/, docs/schemas/*.json, docs/sources/.

The tables are written from the declarations of the keys and from the presets, and the JSON Schemas of
`relayctl preview --json`, and of `send`, `tail` and `why`, from their code. The pages of docs/sources/ are
written from the source folders that have a page.toml. With --check nothing is written, and the exit code is 1
if a file is not current. It is also 1 if a folder has a mistake; the pages of the others are written.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from relayctl.project import ROOT


class _Reference(NamedTuple):
    """The differences from what the files should be.

    outdated  the files with another text, and the text that they should have
    unneeded  the files to delete
    mistakes  why a source folder has no page
    """

    outdated: Sequence[tuple[Path, str]]
    unneeded: Sequence[Path]
    mistakes: Sequence[str]

    @property
    def is_current(self) -> bool:
        return not self.outdated and not self.unneeded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder of the pages")
    parser.add_argument(
        "--sources", type=Path, default=ROOT / "src/sources", help="the source folders that have pages"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a file is not current"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or check, and return the exit code."""
    reference = _reference(arguments.docs, arguments.sources)
    for mistake in reference.mistakes:
        print(f"reference: {mistake}", file=sys.stderr)
    is_current = _check(reference) if arguments.check else _write(reference)
    return 0 if is_current and not reference.mistakes else 1


def _check(reference: _Reference) -> bool:
    """Print what is not current, and return whether all is."""
    for file, _ in reference.outdated:
        print(f"{file.name}: is not current; `make reference` writes it", file=sys.stderr)
    for file in reference.unneeded:
        print(f"{file.name}: belongs to no source; `make reference` deletes it", file=sys.stderr)
    print(f"reference: {'current' if reference.is_current else 'not current'}")
    return reference.is_current


def _write(reference: _Reference) -> bool:
    """Write what is not current, print it, and return that all is current now."""
    for file, text in reference.outdated:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        print(f"wrote {file.parent.name}/{file.name}")
    for file in reference.unneeded:
        file.unlink()
        print(f"deleted {file.parent.name}/{file.name}")
    if reference.is_current:
        print("reference: all is current")
    return True


def _reference(docs: Path, sources: Path) -> _Reference:
    """Return what has to be written."""
    from relayctl.reference.catalogue_files import FOLDER, catalogue_files

    pages = catalogue_files(sources)
    files = [*_files(docs), *((docs / FOLDER / name, text) for name, text in pages.texts.items())]
    outdated = [(file, text) for file, text in files if _read(file) != text]
    return _Reference(outdated, pages.unneeded(docs), pages.mistakes)


def _files(docs: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of docs/ and docs/schemas/ with the text that it should have."""
    from relayctl.preview import schema as preview_schema
    from relayctl.receipts import schema as receipts_schema
    from relayctl.reference import providers, schemas, tables

    for page in sorted(docs.glob("*.md")):
        text = page.read_text("utf-8")
        if tables.has_tables(text) or providers.is_named(text):
            yield page, providers.filled(tables.filled(text, page))
    for name in schemas.FILES:
        schema = json.dumps(schemas.build(name), indent=2, ensure_ascii=False) + "\n"
        yield docs / "schemas" / name, schema
    for module in (preview_schema, receipts_schema):
        yield docs / "schemas" / module.FILE, json.dumps(module.build(), indent=2) + "\n"


def _read(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""
