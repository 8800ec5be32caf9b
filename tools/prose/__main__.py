"""Check the vocabulary: `python -m prose [PATH...]`.

Without paths (folders or files) the whole project is checked. Exit code 1 if anything is found.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path, PurePath

from prose.check import VOCABULARY, Finding, files, findings
from prose.vocabulary import Allowance, Vocabulary, read

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Read the arguments, check, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="prose", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("--count", action="store_true", help="print the number of findings of each folder")
    parser.add_argument("--words", action="store_true", help="print the number of findings of each word")
    arguments = parser.parse_args()
    vocabulary = read(ROOT / VOCABULARY)
    chosen = [path.resolve().relative_to(ROOT).as_posix() for path in arguments.paths]
    found, unused = _check(vocabulary, chosen)
    if arguments.count or arguments.words:
        _print_counts(found, by_word=arguments.words)
        return 0
    for finding in found:
        print(finding)
    if not chosen:
        for allowance in unused:
            print(f"{VOCABULARY}: {allowance.path} no longer has {allowance.find!r}: remove what allows it")
    return 1 if found or (unused and not chosen) else 0


def _check(vocabulary: Vocabulary, chosen: list[str]) -> tuple[list[Finding], list[Allowance]]:
    found: list[Finding] = []
    unused = {(allowance.path, allowance.find): allowance for allowance in vocabulary.allowances}
    allowed = set(unused)
    for path in files(ROOT):
        if chosen and not any(PurePath(path).is_relative_to(folder) for folder in chosen):
            continue
        for finding in sorted(findings(path, (ROOT / path).read_text("utf-8"), vocabulary)):
            place = (path, finding.term.find)
            unused.pop(place, None)
            if place not in allowed:
                found.append(finding)
    return found, list(unused.values())


def _print_counts(found: list[Finding], *, by_word: bool) -> None:
    counts = Counter(
        finding.term.find if by_word else str(PurePath(finding.path).parent) for finding in found
    )
    for name, count in counts.most_common() if by_word else sorted(counts.items()):
        print(f"{count:6}  {name}")
    print(f"{sum(counts.values()):6}  in all")


if __name__ == "__main__":
    sys.exit(main())
