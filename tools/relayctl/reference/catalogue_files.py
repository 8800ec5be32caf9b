"""The files of docs/sources/: a page and a picture for each folder of the catalogue, and the index."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from push_relay.core.rules.route import read_routing
from relayctl.catalogue.folder import CatalogueFolder
from relayctl.catalogue.page_file import FILE
from relayctl.phone.lock_screen import lock_screen
from relayctl.phone.svg import picture
from relayctl.preview.inputs import InputError
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.stand_ins import PreviewClock, door_maker
from relayctl.reference import pages

#: The folder of the pages, in docs/. It has no other files than those of this module.
FOLDER: Final = "sources"


def catalogue_files(sources: Path) -> Mapping[str, str]:
    """Return the text of each file by its name. Raises InputError with the mistakes of all folders."""
    paths = sorted(file.parent for file in sources.glob(f"*/{FILE}"))
    if not paths:
        return {}
    clock = PreviewClock()
    previewer = Previewer(LayeredSources(sources), read_routing({}), door_maker(None, None, clock), clock)
    folders = [CatalogueFolder(path, previewer) for path in paths]
    files: dict[str, str] = {}
    mistakes: list[str] = []
    for folder in folders:
        try:
            files[f"{folder.name}.md"] = pages.page(folder)
            files[f"{folder.name}.svg"] = _picture(folder)
        except InputError as exc:
            mistakes.append(str(exc))
    if mistakes:
        raise InputError("\n".join(mistakes))
    return {"README.md": pages.index(folders), **files}


def _picture(folder: CatalogueFolder) -> str:
    return picture(lock_screen(folder.source.title, folder.on_the_phone)).svg


def unneeded(docs: Path, files: Mapping[str, str]) -> list[Path]:
    """Return the files in the folder of the pages that belong to no source any more."""
    return [file for file in sorted((docs / FOLDER).glob("*.*")) if file.name not in files]
