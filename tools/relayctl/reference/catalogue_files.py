"""The files of docs/sources/: a page and a picture for each folder of the catalogue, and the index."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from push_relay.core.rules.routing_file import read_routing
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


class CatalogueFiles(NamedTuple):
    """The files of the catalogue.

    texts     the text of each file, by its name
    mistakes  why a folder has no page
    """

    texts: Mapping[str, str]
    mistakes: Sequence[str] = ()

    def unneeded(self, docs: Path) -> list[Path]:
        """Return the files in the folder of the pages that belong to no source any more."""
        if self.mistakes:
            # They may be pages of the folders that have no page now.
            return []
        return [file for file in sorted((docs / FOLDER).glob("*.*")) if file.name not in self.texts]


def catalogue_files(sources: Path) -> CatalogueFiles:
    """Return the pages and pictures of all folders without a mistake, and the mistakes of the others."""
    paths = sorted(file.parent for file in sources.glob(f"*/{FILE}"))
    if not paths:
        return CatalogueFiles({})
    clock = PreviewClock()
    previewer = Previewer(LayeredSources(sources), read_routing({}), door_maker(None, None, clock), clock)
    texts: dict[str, str] = {}
    mistakes: list[str] = []
    written: list[CatalogueFolder] = []
    for folder in (CatalogueFolder(path, previewer) for path in paths):
        try:
            texts |= {f"{folder.name}.md": pages.page(folder), f"{folder.name}.svg": _picture(folder)}
            written.append(folder)
        except InputError as exc:
            mistakes += str(exc).splitlines()
    return CatalogueFiles({"README.md": pages.index(written), **texts}, mistakes)


def _picture(folder: CatalogueFolder) -> str:
    return picture(lock_screen(folder.source.title, folder.on_the_phone)).svg
