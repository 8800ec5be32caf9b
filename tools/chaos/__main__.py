"""Run the chaos: `python -m chaos --events 2000 --seed 7`.

Exit code 0 where every check holds, 1 with the journals of the offending events where one fails.
"""

import argparse
import secrets
import signal
import sys
from pathlib import Path


def main() -> int:
    """Read the arguments, run, and return the exit code."""
    from chaos import run

    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None, help="a random one, told at the start")
    parser.add_argument("--report", type=Path, default=None, help="where the result is written as JSON")
    parser.add_argument("--limit", type=float, default=None, help="seconds after which the run is given up")
    parser.add_argument("--keep", action="store_true", help="keep the journals")
    parser.add_argument(
        "--organisations", type=int, default=1, help="runs side by side, each of a share of the events"
    )
    given = parser.parse_args()
    # Whoever ends it by a signal ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    order = run.Order(given.events, seed, given.report, given.limit, given.keep, given.organisations)
    return run.chaos(order)


if __name__ == "__main__":
    sys.exit(main())
