"""The files of a source folder's examples: `examples/NAME.request.json`, and the golden beside each."""

from pathlib import Path
from typing import Final

EXAMPLE_SUFFIX: Final = ".request.json"
GOLDEN_SUFFIX: Final = ".pushes.json"


def example_files(folder: Path) -> list[Path]:
    """Return the files of a source folder's examples, in the order of their names."""
    return sorted((folder / "examples").glob(f"*{EXAMPLE_SUFFIX}"))
