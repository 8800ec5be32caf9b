"""`relayctl preview --watch`: a preview after each change, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes import ROOT
from preview_files import HOT, SOURCE, Files
from relayctl.preview.watching import watch, watched_files


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with a source, a relay.toml and inputs."""
    return Files(tmp_path, capsys)


class Edits:
    """Waits like a person who edits files: each wait is the next edit, and after the last one Ctrl-C."""

    def __init__(self, *edits: object) -> None:
        self._edits = list(edits)

    def __call__(self, _secs: float) -> None:
        """Make the next edit."""
        if not self._edits:
            raise KeyboardInterrupt
        edit = self._edits.pop(0)
        if callable(edit):
            edit()


def test_each_change_is_previewed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A look without a change shows nothing."""
    file = tmp_path / "a.json"
    file.write_text("1")
    seen: list[str] = []
    edits = Edits(None, lambda: file.write_text("22"), None, None, lambda: file.write_text("333"))
    code = watch(lambda: seen.append(file.read_text()), lambda: [file], wait=edits)
    assert (code, seen) == (0, ["1", "22", "333"])
    assert capsys.readouterr().out.count("watching; Ctrl-C ends") == 3


def test_a_file_may_disappear_and_appear(tmp_path: Path) -> None:
    """An editor writes a new file and renames it. A new example is previewed too."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text("1")
    seen: list[list[str]] = []
    edits = Edits(first.unlink, lambda: first.write_text("1"), lambda: second.write_text("2"))
    watch(
        lambda: seen.append(sorted(path.name for path in tmp_path.iterdir())),
        lambda: watched_files([first], [tmp_path]),
        wait=edits,
    )
    assert seen == [["a.json"], [], ["a.json"], ["a.json", "b.json"]]


def test_no_mistake_ends_the_watch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While somebody types, a file may be anything."""
    file = tmp_path / "a.json"
    file.write_text("1")

    def fail() -> None:
        raise ZeroDivisionError

    assert watch(fail, lambda: [file], wait=Edits(lambda: file.write_text("22"))) == 0
    assert capsys.readouterr().err.count("Traceback") == 2


def test_ctrl_c_during_a_preview_ends_it(tmp_path: Path) -> None:
    """The exit code is 0, because that is how a watch ends."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    assert watch(interrupted, lambda: [tmp_path]) == 0


@pytest.mark.parametrize("words", [["--watch", "--json"], ["--watch", "-"]])
def test_a_watch_is_for_people_and_files(files: Files, words: list[str]) -> None:
    """Standard input cannot change, and a line of JSON is for programs."""
    ran = files.run(*words, files.example(HOT), json_lines=False)
    assert (ran.code, "--watch is for people and for files" in ran.err) == (2, True)


def test_a_person_edits_a_source_and_ends_with_ctrl_c(files: Files) -> None:
    """The real command: a good source, a mistake in it, a good one again."""
    example, source = files.example(HOT), files.folder / "sources/kiln/source.toml"
    output = files.folder / "out.txt"
    command = [sys.executable, "-m", "relayctl", "preview", "--watch", example]
    command += ["--sources", files.folder / "sources", "--config", files.config]
    with output.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT) as program:  # noqa: S603
        try:
            _wait_for(output, "Kiln: Kiln 4")
            source.write_text("title = ", "utf-8")
            _wait_for(output, "is not TOML")
            source.write_text(SOURCE.replace("Kiln: ", "Hot: "), "utf-8")
            _wait_for(output, "Hot: Kiln 4")
            os.kill(program.pid, signal.SIGINT)
            assert program.wait(60) == 0
        finally:
            program.kill()
    assert "Traceback" not in output.read_text("utf-8")


def _wait_for(output: Path, text: str, secs: float = 60) -> None:
    """Wait until a text is in the output."""
    ends = time.monotonic() + secs
    while text not in output.read_text("utf-8"):
        assert time.monotonic() < ends, f"{text!r} is not in {output.read_text('utf-8')!r}"
        time.sleep(0.05)
