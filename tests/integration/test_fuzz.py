"""The whole receive path under fuzzing: all seeds pass, and so do libFuzzer's variations of them."""

import importlib.util
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator

import pytest

from fakes import ROOT

TARGET = ROOT / "tests" / "fuzz" / "receive_target.py"
#: The number of inputs of a run in CI, which takes some ten seconds. `make fuzz` runs for a chosen time.
RUNS = 20_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return the relay that the fuzzer calls."""
    spec = importlib.util.spec_from_file_location("exchange", TARGET.with_name("exchange.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["exchange"] = module
    spec.loader.exec_module(module)
    yield module.Bench(tmp_path_factory.mktemp("fuzz"))
    del sys.modules["exchange"]


def test_the_seeds_pass_and_reach_every_status(bench: object) -> None:
    """The fuzzer has useful starting points: each signing sender is accepted, and each rejection occurs."""
    answered = defaultdict(set)
    for seed in bench.seeds():
        exchange = bench.exchange(seed)
        answered[bench.senders[seed[1]].source].add(bench.check(exchange)["statusCode"])
    assert set.union(*answered.values()) >= {200, 202, 400, 401, 403, 404, 405, 415, 422}
    for sender in bench.senders:
        if sender.case:
            assert answered[sender.source] & {200, 202}, f"no seed of {sender.source} is accepted"


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x03\x00{", b"\x03\x00" + b"[" * 100_000])
def test_bytes_that_are_not_an_exchange_are_skipped(bench: object, content: bytes) -> None:
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
