"""The receive path and messages from AWS under fuzzing: all seeds pass, and so do libFuzzer's variations."""

import importlib.util
import os
import re
import subprocess
import sys
from collections import defaultdict

import pytest

from fakes import ROOT
from fuzz.exchange import Bench
from fuzz.seeds import seeds

TARGET = ROOT / "tests" / "fuzz" / "receive_target.py"
#: The number of inputs of a run in CI, which takes some ten seconds. `make fuzz` runs for a chosen time.
RUNS = 20_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return the relay that the fuzzer calls."""
    return Bench(tmp_path_factory.mktemp("fuzz"))


def test_the_seeds_pass_and_reach_every_status(bench: Bench) -> None:
    """The fuzzer has useful starting points: each signing sender is accepted, and each rejection occurs."""
    answered = defaultdict(set)
    for seed in seeds(bench.senders):
        exchange = bench.exchange(seed)
        if exchange is None or exchange.delivered:
            bench.run(seed)
            continue
        source = bench.senders[int.from_bytes(seed[1:3])].source
        answered[source].add((exchange.genuine, bench.check(exchange)["statusCode"]))
    statuses = {status for given in answered.values() for _, status in given}
    assert statuses >= {200, 202, 400, 401, 403, 404, 405, 415, 422}
    accepted = {(True, status) for status in (200, 202, 204)}
    for sender in bench.senders:
        given = answered[sender.source]
        if sender.asks:
            assert {(genuine, status) for genuine in (False, True) for status in (200, 204)} & given
        elif sender.secret or sender.fetched:
            assert given & accepted, f"no seed of {sender.source} is accepted"


@pytest.mark.parametrize("content", [b"", b"\x00\x00", b"\x03\x00\x00{", b"\x03\x00\x00" + b"[" * 100_000])
def test_bytes_that_are_not_an_exchange_are_skipped(bench: Bench, content: bytes) -> None:
    """They are too short, or are not JSON although the flag for a whole invocation is set."""
    assert bench.exchange(content) is None


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris exists for Linux x86_64 only"
)
def test_the_fuzzer_finds_no_failure() -> None:
    """The run is limited and has a fixed seed. A failure is shown with the command that repeats it."""
    found = ROOT / ".fuzz"
    found.mkdir(exist_ok=True)
    # Normally the number of runs ends it. The time limit is for busy machines.
    options = [
        f"-runs={RUNS}",
        "-max_total_time=60",
        "-seed=1",
        "-max_len=4096",
        "-timeout=10",
        f"-artifact_prefix={found}/",
    ]
    done = subprocess.run(  # noqa: S603 (our own script)
        [sys.executable, str(TARGET), *options],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    if done.returncode:
        # The exception is on standard output, and the path of the input on standard error.
        output = done.stdout[-3000:] or done.stderr[-3000:]
        where = re.findall(r"Test unit written to (\S+)", done.stderr)
        commands = "\n".join(f"  .venv/bin/python tests/fuzz/receive_target.py {file}" for file in where)
        pytest.fail(f"{output}\nTo repeat it:\n{commands}", pytrace=False)
