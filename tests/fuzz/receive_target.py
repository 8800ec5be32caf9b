"""Fuzz the receive path and the messages from AWS, guided by the code's coverage (Atheris, libFuzzer).

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
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

with atheris.instrument_imports(include=["push_relay"]):
    # Some modules are imported only when they are needed, and would not be instrumented then.
    import push_relay.core.inbound.message_text
    import push_relay.core.split
    import push_relay.core.trust.handshakes.engine
    import push_relay.entrypoints.list_answer  # noqa: F401
    from fuzz.exchange import Bench
    from fuzz.seeds import seeds
    from push_relay.core.inbound.formats.registry import FORMATS

    for make_format in FORMATS.values():
        make_format()


def main() -> None:
    """Run the fuzzer, which ends the process."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        arguments = list(sys.argv)
        start = Path(directory) / "seeds"
        start.mkdir()
        for number, seed in enumerate(seeds(bench.senders)):
            (start / f"{number:04}").write_bytes(seed)
            bench.run(seed)  # the modules of every scheme are imported, and instrumented
        if all(Path(argument).is_dir() for argument in arguments[1:] if not argument.startswith("-")):
            arguments.append(str(start))

        atheris.Setup(arguments, bench.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
