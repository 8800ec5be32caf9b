"""The size of each function's artifact as a zip file, which is what Lambda stores and loads."""

import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Final

from bench_world import Bench, Report
from figures import Goal

_GOAL_MB: Final = 12.0
_MB: Final = 1_000_000
#: Parts that are named in the row.
_LARGEST: Final = 6
#: Both functions have the same artifact.
_FUNCTIONS: Final = ("receive", "deliver")


def measure(bench: Bench, report: Report) -> list[Goal]:
    """Return the rows."""
    report("artifact_size")
    rows = []
    for name in _FUNCTIONS:
        total, parts = zipped(bench.built)
        largest = ", ".join(f"{part} {size / _MB:.1f}" for part, size in parts.most_common(_LARGEST))
        what = f"MB of the zipped artifact of `{name}`; its largest parts: {largest}"
        rows.append(Goal(f"artifact_{name}", what, round(total / _MB, 1), _GOAL_MB))
    return rows


def zipped(directory: Path) -> tuple[int, Counter[str]]:
    """Return the bytes of a directory as a zip file, and those of each file or folder in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(directory))
        parts: Counter[str] = Counter()
        for info in archive.infolist():
            parts[info.filename.partition("/")[0]] += info.compress_size
    return len(content.getvalue()), parts
