"""Mistakes and warnings in configuration files, each with its file, line and key."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from push_relay.core.errors import ConfigurationInvalid

#: One step of the way to a key: a table's name, or the index in an array of tables.
type Step = str | int
type Path = tuple[Step, ...]

ERROR, WARNING = "error", "warning"
#: The codes of findings, for programs. docs/configuration.md lists them.
UNREADABLE_FILE = "unreadable_file"
UNKNOWN_KEY = "unknown_key"
MISSING_KEY = "missing_key"
INVALID_VALUE = "invalid_value"
RENAMED_KEY = "renamed_key"
COLLIDING_RULES = "colliding_rules"


#: A file, and a line of it from 1.
type Place = tuple[str, int]
#: Returns the place of a key.
type Locate = Callable[[Path], Place]


def nowhere(_path: Path) -> Place:
    """Return no place, for a document that is in no file."""
    return "", 0


class Finding(NamedTuple):
    """One mistake or warning. `line` is 0 and `key` is empty if the file as a whole is meant."""

    file: str
    line: int
    key: str
    code: str
    message: str
    severity: str = ERROR

    def __str__(self) -> str:
        """Write it as compilers do."""
        line = f":{self.line}" if self.line else ""
        place = f"{self.file}{line}: " if self.file else ""
        warning = "warning: " if self.severity == WARNING else ""
        return place + warning + (f"{self.key}: {self.message}" if self.key else self.message)


class Mistakes(ConfigurationInvalid):
    """All that is wrong in a file, or in a part of it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(dict.fromkeys(findings))
        super().__init__("\n".join(map(str, self.findings)))


class Report:
    """Collects the findings of one file, so that a reader can go on after a mistake."""

    def __init__(self, locate: Locate = nowhere) -> None:
        self._locate = locate
        self._findings: list[Finding] = []

    def add(self, path: Path, message: str, code: str = INVALID_VALUE, severity: str = ERROR) -> None:
        """Add a finding about a key."""
        self._findings.append(self.finding(path, message, code, severity))

    def finding(self, path: Path, message: str, code: str, severity: str) -> Finding:
        """Return a finding about a key, which is not added."""
        return Finding(*self._locate(path), dotted(path), code, message, severity)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are not mistakes."""
        return tuple(finding for finding in self._findings if finding.severity == WARNING)

    def raise_mistakes(self) -> None:
        """Raise Mistakes if there is one. The report has none afterwards."""
        mistakes = [finding for finding in self._findings if finding.severity == ERROR]
        if mistakes:
            self._findings = [finding for finding in self._findings if finding.severity != ERROR]
            raise Mistakes(mistakes)

    @contextmanager
    def part(self) -> Iterator[None]:
        """Raise Mistakes at the end if reading a part has found one."""
        yield
        self.raise_mistakes()


def dotted(path: Path) -> str:
    """Write a key's path as a person would: `route[2].to`."""
    shown = ""
    for step in path:
        shown += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown


def choices(given: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown word: the one that was meant, or all that there are."""
    from difflib import get_close_matches  # noqa: PLC0415 (only a mistake needs it)

    if meant := get_close_matches(given, known, n=1):
        return f"did you mean `{meant[0]}`?"
    return f"there are: {', '.join(known) or 'none'}"
