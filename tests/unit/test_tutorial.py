"""The tutorial's payloads make the source that the tutorial shows, and its changes fit that source."""

import re
import tomllib
from pathlib import Path

import pytest

from fakes import ROOT
from push_relay.adapters.catalog import read_source_folder
from push_relay.core.event import Arrival
from relayctl.__main__ import main
from relayctl.examples import arrivals, examples_of

TUTORIAL = (ROOT / "docs/tutorial.md").read_text("utf-8")
TRANSCRIPT = (ROOT / "docs/tutorial-transcript.md").read_text("utf-8")
NAME = "openstatus"


@pytest.fixture
def sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """Return the folder of sources after step 3 of the tutorial, and the output of the command."""
    files = []
    for name, content in re.findall(r"cat > captured/([\w.]+) <<'END'\n(.*?)\nEND\n", TUTORIAL, re.DOTALL):
        file = tmp_path / name
        file.write_text(content, "utf-8")
        files.append(str(file))
    assert len(files) == 2
    command = re.search(rf"relayctl new {NAME} --from captured/\*\.json (.+)", TUTORIAL)
    assert command
    made = tmp_path / "sources"
    assert main(["new", NAME, "--from", *files, "--sources", str(made), *command[1].split()]) == 0
    return made, capsys.readouterr().out


def block_after(command: str, document: str = TUTORIAL) -> list[str]:
    """Return the lines of the first block after a text, without those that are left out."""
    block = document.partition(command)[2].partition("```\n")[2].partition("```")[0]
    return [line for line in block.splitlines() if line.strip() != "..."]


def test_the_output_is_the_one_that_the_tutorial_shows(sources: tuple[Path, str]) -> None:
    """Up to the next steps, whose lines depend on the place of the folder."""
    _, *shown = block_after(f"relayctl new {NAME}")
    shown = shown[: shown.index("Next")]
    assert len(shown) > 10
    assert [line for line in shown if line not in sources[1].splitlines()] == []


def test_the_transcript_shows_the_source_that_is_made(sources: tuple[Path, str]) -> None:
    """Every line of it."""
    written = (sources[0] / NAME / "source.toml").read_text("utf-8").splitlines()
    shown = block_after("The draft of the words:", TRANSCRIPT)[1:]
    assert len(shown) > 20
    assert [line for line in shown if line not in written] == []


def test_the_changes_of_the_words_fit_the_source(sources: tuple[Path, str]) -> None:
    """The readers replace two lines, and see the words that the tutorial names."""
    folder = sources[0] / NAME
    file = folder / "source.toml"
    lines = file.read_text("utf-8").splitlines()
    unit, title = re.findall(r"```toml\n((?:  enclose|title = ).+)\n```", TUTORIAL)
    replaced = [n for n, line in enumerate(lines) if line == unit.replace("' ms'", "''")]
    assert len(replaced) == 1
    lines[replaced[0]] = unit
    last = max(n for n, line in enumerate(lines) if line.startswith("title = "))
    lines[last] = title
    file.write_text("\n".join(lines), "utf-8")
    source = read_source_folder(folder)
    words = {}
    for example in examples_of(sources[0], NAME):
        for arrival in arrivals(source, example):
            wording = source.wording(source.event(arrival)).wording
            assert wording
            words[example.name] = wording
    assert words["error"].title == "Down: Bakery shop"
    assert "`Down: Bakery shop`" in TUTORIAL
    assert words["recovered"].body.endswith("1337 ms")
    alarm = re.search(r"alarm='(.+)'", TUTORIAL)
    assert alarm
    document = tomllib.loads("x = " + re.sub(r'"(\w+)":', r"\1 =", alarm[1]))["x"]
    slow = source.wording(source.event(Arrival(NAME, document, {}, {}, 1.0, "e", "i"))).wording
    assert slow
    assert f"`{slow.title}`" in TUTORIAL


def test_the_clock_is_under_ten_minutes() -> None:
    """From the first command to the last step, and the steps do not overlap."""
    rows = re.findall(r"^\| (\d)\. .*?\| ([\d:]+) \| ([\d:]+) \| ([\d:]+) \|$", TRANSCRIPT, re.MULTILINE)
    assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)
    times = [seconds(time) for row in rows for time in row[1:3]]
    assert times == sorted(times)
    assert times[-1] - times[0] < 600
    assert [seconds(f"0:{row[3]}") for row in rows] == [seconds(row[2]) - times[0] for row in rows]


def seconds(clock: str) -> int:
    """Return a time of day in seconds."""
    hours, minutes, secs = map(int, clock.split(":"))
    return (hours * 60 + minutes) * 60 + secs
