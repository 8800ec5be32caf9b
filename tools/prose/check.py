"""Find what docs/vocabulary.toml bans, in the files that people read."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from prose.masking import CODE, mask
from prose.vocabulary import Term, Vocabulary

#: The list itself holds every banned word.
VOCABULARY = "docs/vocabulary.toml"
#: Written from src/sources/, whose texts are checked, and from the words of senders.
_PAYLOADS = "docs/sources"
_SOURCES = "src/sources"

_PATTERNS = (
    "*.md",
    "*.toml",
    "*.yaml",
    "Makefile",
    "docs/**/*.md",
    "build/**/*.mk",
    "events/*.md",
    "requirements/*.in",
    *(
        f"{folder}/**/*.{kind}"
        for folder in ("src", "tools", "tests", "bench")
        for kind in ("py", "toml", "html", "js", "css")
    ),
)
_SENTENCE_END = re.compile(rf"(?:\A|[{CODE}.!?]|\n[ \t]*\n)[\s\"'(*_>-]*\Z")
_NEXT_MARK = re.compile(rf"[.!?{CODE}]|\n[ \t]*\n|\Z")
_LOOK_BACK_CHARS = 60


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A banned word at its place."""

    path: str
    line: int
    term: Term

    def __str__(self) -> str:
        """Write it as editors and terminals link it."""
        return f"{self.path}:{self.line}: {self.term.advice}"


def files(root: Path) -> Iterator[str]:
    """Yield the files that are held to the vocabulary, relative to the root.

    A deployer's files are left out: config/, and the source folders without a page in the catalogue.
    """
    paths = {path for pattern in _PATTERNS for path in root.glob(pattern)}
    names = sorted(path.relative_to(root) for path in paths)
    for name in names:
        is_deployers = name.is_relative_to(_SOURCES) and not (root / name.parent / "page.toml").is_file()
        if name != Path(VOCABULARY) and not name.is_relative_to(_PAYLOADS) and not is_deployers:
            yield name.as_posix()


def findings(path: str, text: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Yield what a file's text holds that the vocabulary bans, allowed or not."""
    masked = mask(path, text)
    ends = list(accumulate(len(line) + 1 for line in text.split("\n")))
    for offset, term in vocabulary.phrases.search(masked.prose):
        yield Finding(path, bisect_right(ends, offset) + 1, term)
    for offset, term in vocabulary.openings.search(masked.prose):
        if _opens_a_statement(masked.prose, offset):
            yield Finding(path, bisect_right(ends, offset) + 1, term)
    for identifier, line in masked.identifiers.items():
        if not identifier.startswith("test_") and (banned := vocabulary.names.search(identifier)):
            yield Finding(path, line, banned)


def _opens_a_statement(prose: str, offset: int) -> bool:
    """Return whether a sentence begins at an offset, with a capital and not as a question."""
    if not prose[offset].isupper() or not _SENTENCE_END.search(
        prose[max(0, offset - _LOOK_BACK_CHARS) : offset]
    ):
        return False
    mark = _NEXT_MARK.search(prose, offset)
    return mark is None or mark[0] != "?"
