"""Paths in the checkout."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATE: Final = ROOT / "template.yaml"
#: Contains a directory for each local stack while it runs, and the state for the next run.
RUNS: Final = ROOT / ".run"
UV: Final = ROOT / ".tools/uv/bin/uv"
SAM: Final = ROOT / ".tools/sam/bin/sam"
MINISTACK: Final = ROOT / ".tools/ministack/bin/ministack"
