"""`relayctl preview` for people: golden files in tests/samples/preview, at most 80 columns wide.

With `UPDATE_GOLDEN=1` in the environment the files are written.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from fakes import SAMPLES
from invocations import sqs_batch, sqs_record, webhook
from preview_files import HOT as PLAIN
from preview_files import NOW, SOURCE, Files

HOT = PLAIN | {"text": "1,300 °C\nsince 8:00"}


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with the source `kiln`, routes and a secret."""
    return Files(tmp_path, capsys)


CASES: dict[str, dict[str, Any]] = {
    "delivered": HOT | {"user": "u-1"},
    "failed": HOT | {"heat": []},
    "filtered": HOT | {"who": "nobody", "kind": "cold"},
    "rejected": {"note": 7},
}


def compare(name: str, text: str) -> None:
    """Compare a text with its golden file."""
    golden = SAMPLES / "preview" / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


@pytest.mark.parametrize("name", CASES)
def test_the_report_of_an_example(files: Files, name: str) -> None:
    """It shows each rule and each route, with the reason."""
    compare(name, files.run(files.example(CASES[name]), "--now", NOW, json_lines=False).out)


def test_the_report_of_a_verified_request(files: Files) -> None:
    """A forged one is refused."""
    ran = files.run(files.example(HOT), "--secrets", files.secrets, json_lines=False)
    compare("forged", ran.out)


def test_the_report_of_several_events_and_files(files: Files) -> None:
    """Events have numbers, and files have a line between them."""
    batch = files.write("batch.json", sqs_batch(sqs_record(HOT, source="kiln"), sqs_record("no json")))
    late = files.write("late.json", sqs_batch(sqs_record(HOT, source="kiln")))
    headers = {"webhook-request-origin": "eventemitter.example.com"}
    question = webhook({}, source="cloudevents", method="OPTIONS", headers=headers)
    handshake = files.write("handshake.json", question)
    text = files.run(batch, handshake, "--now", NOW, json_lines=False).out
    text += files.run(late, "--now", "2027-01-15T10:00:00Z", json_lines=False).out
    compare("several", text)


def test_a_batch_window_is_shown(files: Files) -> None:
    """Its push is collected with others."""
    relay = '[[route]]\nsource = "kiln"\nto = "user:1"\nbatch = "5m"\n'
    files.write("relay.toml", relay)
    text = files.run(files.example(HOT), json_lines=False).out
    assert "route 1, collected for 5 minutes into one push" in " ".join(text.split())


def test_words_that_cannot_be_written_are_explained(files: Files) -> None:
    """The rule applies, and its title is blank."""
    files.write_source("kiln", SOURCE.replace("Kiln: {{ data.note }}", "{{ data.nothing }}"))
    text = files.run(files.example(HOT), json_lines=False).out
    assert "message 2  applies, and its words cannot be written" in text
    assert "failed     mapping_failed: message[2] of kiln: the title is blank" in text


def test_no_text_of_a_stranger_reaches_the_terminal_raw(files: Files) -> None:
    """Escape sequences are removed."""
    text = files.run(
        files.example({**HOT, "note": "a\x1b[31mred", "user": "u\x1b[2J1"}), json_lines=False
    ).out
    assert "\x1b" not in text
    assert "Kiln: ared" in text
