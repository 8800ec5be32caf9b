"""Edit a source's files on the page: read them, preview an edited copy, save it.

Only two files of an existing folder can be read and written, by fixed names. A folder that is a link to
somewhere else can be read and previewed, and is not written.
"""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from push_relay.adapters.catalog import read_routing_file
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.findings import Finding
from relayctl.checks.workers import check_folders
from relayctl.examples import examples_of
from relayctl.page.explainer import Files
from relayctl.page.story import Json, previewed_file
from relayctl.preview.goldens import ROUTES
from relayctl.preview.inputs import InputError, read_input
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.stand_ins import PreviewClock, door_maker

#: The files that can be edited.
EDITABLE: Final = ("source.toml", "schema.json")
MOST_BYTES: Final = 1024 * 1024
#: Examples that are previewed at once.
MOST_EXAMPLES: Final = 150
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")

#: The texts of a source's files, by their names.
type Texts = Mapping[str, str]


class CannotEditError(Exception):
    """A file cannot be read or written. The text contains the reason."""


class ChangedOnDiskError(CannotEditError):
    """The file has changed since the page has read it."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The source folders that the page edits.

    files    the deployer's folders and relay.toml
    scratch  an empty directory for edited copies
    """

    files: Files
    scratch: Path

    def read(self, source: str) -> Json:
        """Return a source's files with their versions, and its examples. Raises CannotEditError."""
        folder = self._folder(source)
        texts = {name: self._text(folder / name) for name in EDITABLE}
        return {
            "source": source,
            "files": texts,
            "versions": {name: version_of(text) for name, text in texts.items()},
            "examples": [example.name for example in examples_of(self.files.sources, source)],
            "is_writable": self._is_own(folder),
            "folder": self._shown(source),
        }

    def preview(self, source: str, texts: Texts, examples: Sequence[str] = ()) -> Json:
        """Return the findings of an edited copy, and what its examples become. Raises CannotEditError.

        Without `is_valid` the relay cannot use the copy, and there are no previews.

        examples  the names of those that are previewed; empty for all
        """
        folder = self._folder(source)
        unknown = set(texts) - set(EDITABLE)
        if unknown:
            raise CannotEditError(f"only {' and '.join(EDITABLE)} can be edited")
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            edited = Path(directory) / source
            edited.mkdir()
            for name in EDITABLE:
                text = texts.get(name)
                (edited / name).write_text(self._text(folder / name) if text is None else text, "utf-8")
            for other in folder.iterdir():  # the checks read the examples too
                if other.name not in EDITABLE:
                    (edited / other.name).symlink_to(other.absolute())
            (checked,) = check_folders([edited]).results
            findings = self._named(checked.findings, edited, source)
            previews = self._previews(source, edited, examples) if checked.is_valid else []
        return {
            "findings": [_finding(finding) for finding in findings],
            "is_valid": checked.is_valid,
            "previews": previews,
        }

    def save(self, source: str, texts: Texts, versions: Mapping[str, str]) -> Json:
        """Write files, if they are as the page has read them, and return what `read` does.

        Raises CannotEditError, and ChangedOnDiskError for a file that has changed.
        """
        folder = self._folder(source)
        if not self._is_own(folder):
            raise CannotEditError(f"{self._shown(source)} is a link to another place, and is not written")
        for name, text in texts.items():
            if name not in EDITABLE:
                raise CannotEditError(f"only {' and '.join(EDITABLE)} can be edited")
            if len(text.encode("utf-8", "replace")) > MOST_BYTES:
                raise CannotEditError(f"{name} is larger than {MOST_BYTES} bytes")
            if version_of(self._text(folder / name)) != versions.get(name):
                raise ChangedOnDiskError(f"{name} has changed on disk since it was opened: load it again")
        for name, text in texts.items():
            _replace_text(folder / name, text)
        return self.read(source)

    def start_routes(self, source: str) -> str:
        """Return the routes to start with of a source; empty if its folder has none."""
        try:
            return (self._folder(source) / ROUTES).read_text("utf-8")
        except (CannotEditError, OSError, UnicodeDecodeError):
            return ""

    # --- the folder -----------------------------------------------------------------------------------

    def _folder(self, source: str) -> Path:
        """Return a source's folder. Raises CannotEditError; a name is looked at before any path is made."""
        if not _NAME.fullmatch(source) or not (self.files.sources / source / "source.toml").is_file():
            raise CannotEditError(f"there is no source `{source[:64]}`")
        return self.files.sources / source

    def _is_own(self, folder: Path) -> bool:
        """Return whether the files are really in the directory of the sources."""
        inside = self.files.sources.resolve() / folder.name
        return all((folder / name).resolve() == inside / name for name in EDITABLE)

    def _text(self, file: Path) -> str:
        try:
            return file.read_bytes().decode()
        except OSError as exc:
            raise CannotEditError(f"{file.name} cannot be read: {exc.strerror}") from exc
        except UnicodeDecodeError as exc:
            raise CannotEditError(f"{file.name} is not UTF-8") from exc

    def _shown(self, source: str) -> str:
        folder = self.files.sources / source
        try:
            return str(folder.relative_to(Path.cwd()))
        except ValueError:
            return str(folder)

    # --- the preview ----------------------------------------------------------------------------------

    def _named(self, found: Sequence[Finding], edited: Path, source: str) -> list[Finding]:
        """Return the findings of the edited copy with the names of the real files, line by line."""
        before, after = str(edited), self._shown(source)
        return [
            finding._replace(file=Path(finding.file).name, message=finding.message.replace(before, after))
            for finding in sorted(found, key=lambda finding: finding.line)
        ]

    def _previews(self, source: str, edited: Path, examples: Sequence[str]) -> list[Json]:
        clock = PreviewClock(time.time())
        try:
            routing = read_routing_file(self.files.config)
            sources = LayeredSources(self.files.sources, [edited])
            previewer = Previewer(sources, routing, door_maker(None, None, clock), clock, source)
        except (ConfigurationInvalid, InputError) as exc:
            return [{"example": "", "error": str(exc)}]
        found = examples_of(self.files.sources, source)
        wanted = [each for each in found if not examples or each.name in examples]
        return [self._preview(previewer, each.name, each.file) for each in wanted[:MOST_EXAMPLES]]

    @staticmethod
    def _preview(previewer: Previewer, name: str, file: Path) -> Json:
        try:
            return {"example": name, **previewed_file(previewer.preview(read_input(str(file))))}
        except InputError as exc:
            return {"example": name, "error": str(exc)}


def version_of(text: str) -> str:
    """Return a short hash of a file's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_texts(value: Any) -> dict[str, str]:
    """Return texts of files from a JSON value. Raises CannotEditError."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise CannotEditError("`files` must be an object of texts")
    return value


def _finding(finding: Finding) -> Json:
    return {**finding._asdict(), "line": finding.line or None, "key": finding.key or None}


def _replace_text(file: Path, text: str) -> None:
    """Write a file with its mode. A reader sees the old content or the new one, never a part of it."""
    mode = file.stat().st_mode & 0o777
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.write(text)
        new.chmod(mode)
        new.replace(file)
    except OSError:
        new.unlink(missing_ok=True)
        raise
