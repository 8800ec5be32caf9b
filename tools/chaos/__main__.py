"""Start a chaos run: `python -m chaos --events 2000 --seed 7`.

The exit code is 0 if every check holds. Otherwise it is 1, and the journals of the failed events are printed.
"""

import argparse
import secrets
import signal
import sys
from pathlib import Path


def main() -> int:
    """Read the arguments, do the run, and return the exit code."""
    from chaos import run
    from chaos.run_calendar import EVENTS_PER_DAY

    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=2000, help="the number of events (default: 2000)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run (default: a random number)")
    parser.add_argument("--report", type=Path, default=None, help="the file for the result as JSON")
    parser.add_argument("--limit", type=float, default=None, help="the run fails after this many seconds")
    parser.add_argument("--keep", action="store_true", help="keep the journals")
    parser.add_argument(
        "--parallel", type=int, default=None, help="parallel runs that share the events (default: by events)"
    )
    parser.add_argument(
        "--per-day",
        type=int,
        default=EVENTS_PER_DAY,
        help="the events of a day in a run of several days (default: %(default)s)",
    )
    arguments = parser.parse_args()
    # SIGTERM must end the programs of the run too, so it raises SystemExit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    return run.chaos(
        run.RunOptions(
            events=arguments.events,
            seed=seed,
            report=arguments.report,
            limit_secs=arguments.limit,
            keep_journals=arguments.keep,
            parallel=arguments.parallel,
            per_day=arguments.per_day,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
