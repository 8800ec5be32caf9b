"""The files that the arguments of a preview choose.

An argument is a file, a source folder, a folder of source folders, or the name of a source.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from relayctl.example_files import EXAMPLE_SUFFIX, example_files
from relayctl.preview.inputs import STDIN, InputError
from relayctl.preview.layered_sources import LayeredSources, source_folders


def chosen_directories(words: Sequence[str]) -> list[Path]:
    """Return the arguments that are directories. Their sources take part in the preview."""
    return [Path(word) for word in words if word != STDIN and Path(word).is_dir()]


def chosen_files(words: Sequence[str], sources: LayeredSources) -> list[str]:
    """Return the files of the arguments, in their order. Raises InputError for a folder without examples."""
    return [file for word in words for file in _files(word, sources)]


def chosen_folders(words: Sequence[str], sources: LayeredSources) -> list[Path]:
    """Return the source folders that the arguments name as a whole."""
    return [folder for word in words for folder in _folders(word, sources) or ()]


def _files(word: str, sources: LayeredSources) -> Iterator[str]:
    folders = _folders(word, sources)
    if folders is None:
        yield word
        return
    found = [str(file) for folder in folders for file in example_files(folder)]
    if not found:
        raise InputError(f"{word}: has no examples (examples/NAME{EXAMPLE_SUFFIX})")
    yield from found


def _folders(word: str, sources: LayeredSources) -> list[Path] | None:
    """Return the source folders of an argument; None if it is a file."""
    path = Path(word)
    if word == STDIN or path.is_file():
        return None
    if path.is_dir():
        return source_folders(path)
    return [relative(sources.folder(word))] if word in sources.names() else None


def relative(folder: Path) -> Path:
    """Return a path as it is shown: relative, if it is below the current directory."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
