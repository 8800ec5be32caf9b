"""Check the source folders on several processors.

JMESPath's parser and jsonschema are written in Python: a hundred folders take a processor some seconds.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from push_relay.core.rules.findings import Finding, Mistakes
from relayctl.checks import sources
from relayctl.checks.folder import Folder
from relayctl.checks.toml_hints import with_hint

#: Folders that are worth a process: to start one takes as long as to check a few of them.
_LEAST: Final = 40
_MOST_PROCESSES: Final = 4


class Checked(NamedTuple):
    """The result of the check of one folder. `is_valid`: whether the core can use it."""

    name: str
    findings: tuple[Finding, ...]
    is_valid: bool


class Checks(NamedTuple):
    """The results of checks, in some order. `opened`: the valid folders that this process has read."""

    results: list[Checked]
    opened: dict[str, Folder]


def check_folders(paths: Sequence[Path]) -> Checks:
    """Check source folders."""
    count = min(os.process_cpu_count() or 1, _MOST_PROCESSES, len(paths) // _LEAST + 1)
    own, *others = _groups(paths, count)
    if not others:
        return _check(own)
    # Not forked, because a caller may have threads.
    with ProcessPoolExecutor(len(others), mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_results, group) for group in others]
        here = _check(own)
        return Checks([*here.results, *(each for group in running for each in group.result())], here.opened)


def _groups(paths: Sequence[Path], count: int) -> list[list[Path]]:
    """Return groups of folders that take about the same time, by the size of their source.toml."""
    groups: list[list[Path]] = [[] for _ in range(count)]
    by_size = sorted(paths, key=_size, reverse=True)
    for index, path in enumerate(by_size):
        turn, place = divmod(index, count)
        groups[place if turn % 2 == 0 else count - 1 - place].append(path)
    return groups


def _size(path: Path) -> int:
    try:
        return (path / "source.toml").stat().st_size
    except OSError:
        return 0


def _results(paths: Sequence[Path]) -> list[Checked]:
    """Return what another process needs of a check: compiled folders cannot be sent to it."""
    return _check(paths).results


def _check(paths: Sequence[Path]) -> Checks:
    done = Checks([], {})
    for path in paths:
        try:
            folder = Folder(path)
        except Mistakes as exc:
            done.results.append(Checked(path.name, tuple(map(with_hint, exc.findings)), is_valid=False))
            continue
        found = tuple(sources.findings(folder))
        done.results.append(Checked(path.name, found, is_valid=not folder.mistakes))
        if not folder.mistakes:
            done.opened[path.name] = folder
    return done
