"""Editing a source on the page: what is read, previewed and written, and what never is."""

import json
from pathlib import Path

import pytest

from page_files import EXAMPLES, RELAY, SCHEMA, SOURCE, write_files
from relayctl.page.explainer import Files
from relayctl.page.wording import CannotEditError, ChangedOnDiskError, Wording


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return the deployer's files."""
    return write_files(tmp_path)


@pytest.fixture
def wording(files: Files, tmp_path: Path) -> Wording:
    """Return what edits them."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Wording(files, scratch)


def edited(old: str, new: str) -> dict[str, str]:
    """Return the texts of an edited source."""
    assert old in SOURCE
    return {"source.toml": SOURCE.replace(old, new)}


def test_a_source_is_read_with_its_examples(wording: Wording) -> None:
    """The versions are compared when the files are saved."""
    found = wording.read("oven")
    assert found["files"]["source.toml"] == SOURCE
    assert json.loads(found["files"]["schema.json"]) == SCHEMA
    assert found["versions"].keys() == found["files"].keys()
    assert sorted(found["examples"]) == sorted(EXAMPLES)
    assert found["is_writable"] is True


def test_the_preview_shows_what_the_examples_become_with_the_edited_files(
    wording: Wording, files: Files
) -> None:
    """The files on disk do not change, and no copy is left."""
    preview = wording.preview("oven", edited("Too hot: ", "Hot: "))
    assert preview["findings"] == []
    by_name = {each["example"]: each for each in preview["previews"]}
    (hot,) = by_name["hot"]["events"]
    assert [push["title"] for push in hot["pushes"]] == ["Hot: oven 4"] * 2
    assert by_name["from-eventbridge"]["events"][0]["title"] == "Hot: oven 5"
    (nobody,) = by_name["ready-for-nobody"]["events"]
    assert (nobody["outcome"], nobody["messages"][0]["title"]) == ("filtered", "Cake is ready")
    assert (files.sources / "oven/source.toml").read_text("utf-8") == SOURCE
    assert list(wording.scratch.iterdir()) == []


def test_only_the_chosen_examples_are_previewed(wording: Wording) -> None:
    """A source may have many."""
    preview = wording.preview("oven", {}, ["ready"])
    assert [each["example"] for each in preview["previews"]] == ["ready"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[event]", "[evnt]", 9, "did you mean"),
        ("{{ data.degrees }}", "{{ data.degrees", 19, ""),
        ('title = "Oven"', "title = ", 1, "is not TOML"),
        ("type == 'hot'", "type = 'hot'", 17, ""),
    ],
)
def test_a_mistake_has_its_line_and_no_preview(
    wording: Wording, old: str, new: str, line: int, message: str
) -> None:
    """The finding names the real file, and not the edited copy."""
    preview = wording.preview("oven", edited(old, new))
    assert preview["previews"] == []
    finding = preview["findings"][0]
    assert (finding["file"], finding["line"], finding["severity"]) == ("source.toml", line, "error")
    assert message in finding["message"]
    assert str(wording.scratch) not in json.dumps(preview)


def test_a_mistake_that_the_relay_does_not_refuse_is_shown_beside_the_previews(wording: Wording) -> None:
    """A condition about a misspelt name never holds, and `relayctl check` finds that."""
    preview = wording.preview("oven", edited("type == 'hot'", "types == 'hot'"))
    assert preview["is_valid"] is True
    assert [(finding["line"], finding["severity"]) for finding in preview["findings"]] == [(17, "error")]
    assert "type" in preview["findings"][0]["message"]
    assert preview["previews"]


def test_a_mistake_in_the_schema_is_found_too(wording: Wording) -> None:
    """Both files are edited together."""
    preview = wording.preview("oven", {"schema.json": '{"type": "thing"}'})
    assert preview["findings"][0]["file"] == "schema.json"


def test_a_schema_that_an_example_breaks_is_previewed(wording: Wording) -> None:
    """The example is refused, and the preview names the place."""
    schema = json.dumps({**SCHEMA, "required": ["kind", "note", "who"]})
    (preview,) = wording.preview("oven", {"schema.json": schema}, ["hot"])["previews"]
    assert preview["status"] == "rejected"
    assert preview["events"][0]["violations"] == [{"pointer": "/who", "rule": "required"}]


def test_a_mistake_in_relay_toml_is_shown_in_place_of_previews(wording: Wording, files: Files) -> None:
    """Without routes nobody can be shown as a recipient."""
    files.config.write_text(RELAY.replace("person:mia", "person:mai"), "utf-8")
    (preview,) = wording.preview("oven", {})["previews"]
    assert "relay.toml" in preview["error"]


def test_saving_writes_the_file(wording: Wording, files: Files) -> None:
    """It keeps its mode, and nothing else is left in the folder."""
    file = files.sources / "oven/source.toml"
    file.chmod(0o640)
    names = sorted(path.name for path in file.parent.iterdir())
    found = wording.read("oven")
    saved = wording.save("oven", edited("Too hot: ", "Hot: "), found["versions"])
    assert "Hot: {{ data.note }}" in file.read_text("utf-8")
    assert saved["files"]["source.toml"] == file.read_text("utf-8")
    assert saved["versions"]["source.toml"] != found["versions"]["source.toml"]
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == names


def test_a_file_that_has_changed_on_disk_is_not_overwritten(wording: Wording, files: Files) -> None:
    """A person may have the same file open in an editor."""
    versions = wording.read("oven")["versions"]
    file = files.sources / "oven/source.toml"
    file.write_text(SOURCE + "# mine\n", "utf-8")
    with pytest.raises(ChangedOnDiskError, match="changed on disk"):
        wording.save("oven", edited("Too hot: ", "Hot: "), versions)
    assert file.read_text("utf-8").endswith("# mine\n")


@pytest.mark.parametrize("name", ["nosuch", "", "..", "../oven", "oven/../oven", "/etc", "OVEN", "oven\0"])
def test_only_folders_of_sources_can_be_read_and_written(wording: Wording, name: str) -> None:
    """The name is looked at before any path is made of it."""
    with pytest.raises(CannotEditError, match="there is no source"):
        wording.read(name)
    with pytest.raises(CannotEditError, match="there is no source"):
        wording.preview(name, {})
    with pytest.raises(CannotEditError, match="there is no source"):
        wording.save(name, {"source.toml": "x"}, {})


@pytest.mark.parametrize("name", ["../relay.toml", "examples/hot.request.json", "new.toml", ""])
def test_only_the_two_files_of_a_source_can_be_written(wording: Wording, files: Files, name: str) -> None:
    """A page must not be able to write a file that somebody executes."""
    before = {path: path.read_bytes() for path in files.sources.parent.rglob("*") if path.is_file()}
    with pytest.raises(CannotEditError, match="only"):
        wording.save("oven", {name: "x"}, {name: "x"})
    with pytest.raises(CannotEditError, match="only"):
        wording.preview("oven", {name: "x"})
    assert before == {path: path.read_bytes() for path in files.sources.parent.rglob("*") if path.is_file()}


@pytest.mark.parametrize("linked", ["folder", "file"])
def test_a_link_to_another_place_is_not_written(
    wording: Wording, files: Files, tmp_path: Path, linked: str
) -> None:
    """It can be read and previewed."""
    elsewhere = tmp_path / "elsewhere"
    (files.sources / "oven").rename(elsewhere)
    if linked == "folder":
        (files.sources / "oven").symlink_to(elsewhere)
    else:
        (files.sources / "oven").mkdir()
        for path in elsewhere.iterdir():
            (files.sources / "oven" / path.name).symlink_to(path)
    found = wording.read("oven")
    assert found["is_writable"] is False
    with pytest.raises(CannotEditError, match="is a link"):
        wording.save("oven", edited("Too hot: ", "Hot: "), found["versions"])
    assert (elsewhere / "source.toml").read_text("utf-8") == SOURCE
