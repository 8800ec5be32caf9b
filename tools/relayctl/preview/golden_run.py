"""Write the goldens of examples, or compare them: `relayctl preview --update` and `--compare`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from relayctl.preview.goldens import (
    GoldenError,
    GoldenWriter,
    differences,
    golden_file,
    golden_text,
    without_example,
)
from relayctl.preview.inputs import InputError
from relayctl.preview.session import Messages, Session
from relayctl.terminal_text import printable

_NO_GOLDEN, _WRONG_ARGUMENTS = 1, 2


class _Current(NamedTuple):
    """A golden file and the text that it should have."""

    file: Path
    text: str

    @property
    def differences(self) -> list[str]:
        return differences(self.file, self.text)


class _Reader:
    """Reads the examples of a session. `code` is the exit code: not 0 if one of them has no golden."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._messages = Messages()
        self.code = 0

    def current(self) -> Iterator[_Current]:
        """Yield the golden of each example that has one, and print why the others have none."""
        writer = GoldenWriter(self._session.previewer)
        for name in self._session.files:
            try:
                file = golden_file(Path(name))
                yield _Current(file, golden_text(writer.golden(Path(name))))
            except InputError as exc:
                self._messages.show(str(exc))
                self.code = max(self.code, _NO_GOLDEN if isinstance(exc, GoldenError) else _WRONG_ARGUMENTS)
            self._messages.warn_of(self._session.previewer.sources)
        for folder in self._session.folders:
            for file in without_example(folder):
                self._messages.show(f"{file}: has no example: delete it, or give it its example's name")
                self.code = max(self.code, _NO_GOLDEN)


def update(session: Session) -> int:
    """Write the goldens, print what has changed, and return the exit code."""
    reader = _Reader(session)
    written = unchanged = 0
    for current in reader.current():
        if not (lines := current.differences):
            unchanged += 1
            continue
        print(f"{current.file}: {'changed' if current.file.exists() else 'new'}")
        _print_lines(lines)
        current.file.write_text(current.text, "utf-8")
        written += 1
    print(f"goldens: {written} written, {unchanged} unchanged")
    return reader.code


def compare(session: Session) -> int:
    """Print how the goldens differ from what the examples become, and return the exit code."""
    reader = _Reader(session)
    equal = different = 0
    for current in reader.current():
        if not (lines := current.differences):
            equal += 1
            continue
        different += 1
        missing = "" if current.file.exists() else " is missing;"
        print(f"{current.file}:{missing} `relayctl preview --update` would change it")
        _print_lines(lines)
    print(f"goldens: {equal} as expected, {different} different")
    return max(reader.code, 1 if different else 0)


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        print(f"  {printable(line)}".rstrip())
