"""Fuzz the whole receive path, guided by the coverage of the relay's code (Atheris, libFuzzer).

    make fuzz                                   for FUZZ_SECS seconds, with the inputs that earlier runs found
    python tests/fuzz/receive_target.py FILE    again with an input that failed

The arguments are libFuzzer's (https://llvm.org/docs/LibFuzzer.html#options). If they contain no file, the
seeds are written into a temporary directory.
"""

import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("fuzz: Atheris is published for Linux on x86_64 only")

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["push_relay"]):
    # Some modules are imported only when they are needed, and would not be instrumented then.
    from exchange import Bench

    import push_relay.core.split
    import push_relay.entrypoints.list_answer  # noqa: F401
    from push_relay.core.inbound.formats.registry import FORMATS

    for make_format in FORMATS.values():
        make_format()


def main() -> None:
    """Run the fuzzer, which ends the process."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        arguments = list(sys.argv)
        seeds = Path(directory) / "seeds"
        seeds.mkdir()
        for number, seed in enumerate(bench.seeds()):
            (seeds / f"{number:04}").write_bytes(seed)
        if all(Path(argument).is_dir() for argument in arguments[1:] if not argument.startswith("-")):
            arguments.append(str(seeds))

        def run_one(content: bytes) -> None:
            exchange = bench.exchange(content)
            if exchange is not None:
                bench.check(exchange)

        atheris.Setup(arguments, run_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
