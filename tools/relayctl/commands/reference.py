"""Write the reference: the tables of keys in docs/, those of the providers, and docs/schemas/*.json.

They are written from the declarations of the keys and from the presets. The JSON Schemas of
`relayctl preview --json`, and of `send`, `tail` and `why`, are written from their code. With --check nothing
is written, and the exit code is 1 if a file is not current.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from relayctl.project import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder of the pages")
    parser.add_argument(
        "--sources",
        type=Path,
        default=ROOT / "src/sources",
        help="the source folders of the catalogue's pages",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a file is not current"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or check, and return the exit code."""
    from relayctl.preview.inputs import InputError

    try:
        written = list(_files(arguments.docs, arguments.sources))
    except InputError as exc:
        print(f"reference: {exc}", file=sys.stderr)
        return 1
    outdated = [(file, text) for file, text in written if _read(file) != text]
    if arguments.check:
        for file, _ in outdated:
            print(f"{file.name}: is not current; `make reference` writes it", file=sys.stderr)
        print(f"reference: {'not current' if outdated else 'current'}")
        return 1 if outdated else 0
    for file, text in outdated:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    print(f"reference: wrote {', '.join(file.name for file, _ in outdated) or 'nothing, all is current'}")
    return 0


def _files(docs: Path, sources: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file with the text that it should have. Raises InputError for a wrong source folder."""
    from relayctl.preview import schema as preview_schema
    from relayctl.receipts import schema as receipts_schema
    from relayctl.reference import providers, schemas, tables
    from relayctl.reference.catalogue_files import catalogue_files

    for page in sorted(docs.glob("*.md")):
        text = page.read_text("utf-8")
        if tables.has_tables(text) or providers.is_named(text):
            yield page, providers.filled(tables.filled(text, page))
    for name in schemas.FILES:
        schema = json.dumps(schemas.build(name), indent=2, ensure_ascii=False) + "\n"
        yield docs / "schemas" / name, schema
    for module in (preview_schema, receipts_schema):
        yield docs / "schemas" / module.FILE, json.dumps(module.build(), indent=2) + "\n"
    for file, text in catalogue_files(sources).items():
        yield docs / "sources" / file, text


def _read(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""
