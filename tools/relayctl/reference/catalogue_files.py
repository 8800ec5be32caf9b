"""The files of docs/sources/: a page for each source folder that has a page.toml, and the index."""

from collections.abc import Mapping
from pathlib import Path

from push_relay.core.rules.route import read_routing
from relayctl.catalogue.folder import catalogue
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.stand_ins import PreviewClock, door_maker
from relayctl.reference import pages


def catalogue_files(sources: Path) -> Mapping[str, str]:
    """Return the text of each file by its name. Raises InputError for a mistake in a folder."""
    clock = PreviewClock()
    previewer = Previewer(LayeredSources(sources), read_routing({}), door_maker(None, None, clock), clock)
    folders = catalogue(sources, previewer)
    files = {f"{folder.name}.md": pages.page(folder) for folder in folders}
    return {"README.md": pages.index(folders), **files}
