"""`relayctl preview --update` and `--compare`: goldens hold the wording and the recipients of examples."""

import json
from pathlib import Path
from typing import Any

import pytest

from preview_files import HOT, Files

ROUTES = '[[route]]\nsource = "kiln"\nto = ["user:{{ data.user }}", "external:own"]\n'


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with a source, a relay.toml and inputs."""
    return Files(tmp_path, capsys)


def golden(files: Files, name: str = "hot") -> Any:
    """Return the golden of an example."""
    return json.loads(golden_file(files, name).read_text("utf-8"))


def golden_file(files: Files, name: str = "hot") -> Path:
    """Return the file of a golden."""
    return files.folder / f"sources/kiln/examples/{name}.pushes.json"


WORDING = {"title": "Kiln: Kiln 4", "body": "1,300 °C", "sound": True, "expiry_secs": 3600}


def test_a_golden_has_the_wording_and_the_recipients_of_relay_toml(files: Files) -> None:
    """The recipients of another account name it. The title is not cut to the account's limit."""
    example = files.example({**HOT, "note": "Kiln 4, in the cellar", "all": True})
    ran = files.run("--update", example, json_lines=False)
    assert (ran.code, ran.err) == (0, "")
    assert golden(files) == [
        {
            "to": ["email:mia@example.com", "external:7 (account mill)"],
            **WORDING,
            "title": "Kiln: Kiln 4, in the cellar",
        }
    ]


def test_a_folder_with_routes_of_its_own_uses_them(files: Files) -> None:
    """So the routes to start with are tested, independent of any deployer's relay.toml."""
    files.write("sources/kiln/routes.toml", ROUTES)
    files.run("--update", files.example({**HOT, "user": "u-1"}), json_lines=False)
    assert golden(files) == [{"to": ["user:u-1", "external:own"], **WORDING}]


def test_without_a_route_the_wording_is_kept(files: Files) -> None:
    """A source can be written before its routes."""
    files.run("--update", files.example({**HOT, "who": None}), json_lines=False)
    assert golden(files) == [{"to": [], **WORDING}]


def test_an_event_that_no_rule_is_for_has_no_push(files: Files) -> None:
    """The golden is empty."""
    files.run("--update", files.example({**HOT, "kind": "cold"}), json_lines=False)
    assert golden(files) == []


def test_the_events_of_one_request_are_in_one_golden(files: Files) -> None:
    """Their order is that of the request."""
    text = (files.folder / "sources/kiln/source.toml").read_text("utf-8")
    files.write("sources/kiln/source.toml", text.replace("[event]", '[event]\nformat = "list"'))
    files.run("--update", files.example([HOT, {**HOT, "id": "k-2", "note": "Kiln 5"}]), json_lines=False)
    assert [push["title"] for push in golden(files)] == ["Kiln: Kiln 4", "Kiln: Kiln 5"]


def test_only_what_has_changed_is_written_and_shown(files: Files) -> None:
    """A person reads the lines, and decides if the change was meant."""
    example = files.example(HOT)
    assert "hot.pushes.json: new\n" in files.run("--update", example, json_lines=False).out
    before = golden_file(files).stat().st_mtime_ns
    assert files.run("--update", example, json_lines=False).out == "goldens: 0 written, 1 unchanged\n"
    assert golden_file(files).stat().st_mtime_ns == before
    files.example({**HOT, "note": "Kiln 5"})
    ran = files.run("--update", example, json_lines=False)
    assert "hot.pushes.json: changed\n" in ran.out
    assert '  -    "title": "Kiln: Kiln 4",\n' in ran.out
    assert '  +    "title": "Kiln: Kiln 5",\n' in ran.out


def test_compare_finds_a_difference_and_writes_nothing(files: Files) -> None:
    """It is for the deployer's own CI."""
    example = files.example(HOT)
    files.run("--update", example, json_lines=False)
    same = files.run("--compare", example, json_lines=False)
    assert (same.code, same.out) == (0, "goldens: 1 as expected, 0 different\n")
    files.config.write_text(files.config.read_text().replace("mia@example.com", "new@example.com"))
    ran = files.run("--compare", example, json_lines=False)
    assert ran.code == 1
    assert '  -      "email:mia@example.com"\n  +      "email:new@example.com"\n' in ran.out
    assert golden(files)[0]["to"] == ["email:mia@example.com"]


def test_a_golden_or_an_example_without_the_other_is_a_difference(files: Files) -> None:
    """A rename may have left one behind."""
    files.write("sources/kiln/examples/cold.pushes.json", [])
    files.example(HOT)
    ran = files.run("--compare", files.folder / "sources/kiln", json_lines=False)
    assert ran.code == 1
    assert "hot.pushes.json: is missing; `relayctl preview --update` would change it" in ran.out
    assert "cold.pushes.json: has no example" in ran.err
    assert files.run("--update", files.folder / "sources/kiln", json_lines=False).code == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({**HOT, "note": 4}, "it is rejected: schema_violation"),
        ({**HOT, "text": " "}, "it is failed: mapping_failed"),
    ],
    ids=["breaks the schema", "blank body"],
)
def test_an_example_that_the_relay_refuses_has_no_golden(files: Files, body: object, reason: str) -> None:
    """A golden of it would hide the mistake. The other examples get theirs."""
    bad = files.example(body)
    good = files.write("sources/kiln/examples/warm.request.json", {"headers": {}, "body": HOT})
    ran = files.run("--update", bad, good, json_lines=False)
    assert ran.code == 1
    assert f"hot.request.json: has no golden: {reason}" in ran.err
    assert not golden_file(files).exists()
    assert golden(files, "warm")


def test_a_recipient_that_cannot_be_made_is_a_failure(files: Files) -> None:
    """A golden with the other recipients would hide it."""
    files.write("sources/kiln/routes.toml", ROUTES.replace("user:", "email:"))
    ran = files.run("--update", files.example({**HOT, "user": "nobody"}), json_lines=False)
    assert ran.code == 1
    assert "has no golden: it is failed: mapping_failed" in ran.err


def test_a_file_that_is_not_named_as_an_example_is_refused(files: Files) -> None:
    """The name of its golden would not be known."""
    file = files.write("sources/kiln/examples/hot.json", {"headers": {}, "body": HOT})
    ran = files.run("--update", file, json_lines=False)
    assert (ran.code, "which is named NAME.request.json" in ran.err) == (2, True)


def test_a_mistake_in_the_folders_routes_has_its_line(files: Files) -> None:
    """A folder's routes are for its own source."""
    files.write("sources/kiln/routes.toml", ROUTES.replace("kiln", "kilm"))
    ran = files.run("--update", files.example(HOT), json_lines=False)
    assert ran.code == 2
    assert "routes.toml:2: route[1].source" in ran.err
    assert "did you mean `kiln`?" in ran.err


# --- the arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["kiln", "sources/kiln", "sources"])
def test_a_folder_or_a_name_chooses_all_examples(
    files: Files, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is named needs no --sources."""
    monkeypatch.chdir(files.folder)
    files.example(HOT)
    files.write("sources/kiln/examples/warm.request.json", {"headers": {}, "body": HOT})
    ran = files.run("--update", word, json_lines=False)
    assert ran.out.splitlines()[0] == "sources/kiln/examples/hot.pushes.json: new"
    assert ran.out.splitlines()[-1] == "goldens: 2 written, 0 unchanged"
    assert [line["file"] for line in files.run(word).lines] == [
        "sources/kiln/examples/hot.request.json",
        "sources/kiln/examples/warm.request.json",
    ]


def test_a_folder_without_examples_or_sources_is_explained(files: Files) -> None:
    """An empty run would look like a good one."""
    empty = files.write_source("oven")
    assert "oven: has no examples (examples/NAME.request.json)" in files.run(empty).err
    (files.folder / "none").mkdir()
    ran = files.run(files.folder / "none")
    assert (ran.code, "none: is not a folder of sources" in ran.err) == (2, True)


def test_a_text_cannot_change_the_terminal(files: Files) -> None:
    """The golden has the text as the source writes it, and the difference is shown without its commands."""
    example = files.example({**HOT, "note": "Kiln \x9b2J\u202e4"})
    ran = files.run("--update", example, json_lines=False)
    assert "\x9b2J\u202e4" in golden(files)[0]["title"]
    assert r"Kiln \x9b2J\x202e4" in ran.out
    assert ran.out.replace("\n", "").isprintable()
