"""The files of `relayctl preview`: sources, several inputs, and what is wrong with each."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import ROOT, SHIPPED, SHIPPED_ROUTES
from invocations import bus_event, sqs_batch, sqs_record, webhook
from preview_files import HOT, NOW, SOURCE, Files
from push_relay.adapters.catalog import read_source_folder
from push_relay.core.rules.source import Source
from push_relay.telemetry import Telemetry
from relayctl.preview.stand_ins import PreviewTelemetry


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with the source `kiln`, routes and a secret."""
    return Files(tmp_path, capsys)


def test_added_sources_win_over_shipped_ones_and_over_earlier_ones(files: Files) -> None:
    """A folder of `--sources` may be one source, too."""
    text = SOURCE.replace('title = "Kiln: {{ data.note }}"', 'title = "{}"')
    files.write_source("grafana", text.replace("{}", "first"))
    example = files.write("x.json", {"headers": {"content-type": "application/json"}, "body": HOT})
    asked = (example, "--source", "grafana")
    assert files.run(*asked).event["messages"][0]["title"] == "first"
    one = files.write_source("grafana", text.replace("{}", "second"), at="more")
    files.folder.joinpath("sources").rename(files.folder / "before")
    files.write_source("other")
    ran = files.run(*asked, "--sources", files.folder / "before", "--sources", one)
    # The last `--sources` is that of `run`, which has no `grafana`.
    assert ran.event["messages"][0]["title"] == "second"


def test_the_source_of_an_example_is_its_folder_unless_one_is_named(files: Files) -> None:
    """The option wins."""
    files.write_source("oven")
    assert files.run(files.example(HOT)).event["source"] == "kiln"
    assert files.run(files.example(HOT), "--source", "oven").event["source"] == "oven"


def test_an_invocation_that_names_no_source_gets_the_named_one(files: Files) -> None:
    """One that names a source keeps it."""
    pathless = webhook(HOT, source="kiln")
    pathless["rawPath"] = pathless["requestContext"]["http"]["path"] = "/"
    file = files.write("in.json", pathless)
    assert files.run(file).event["error_code"] == "not_found"
    assert files.run(file, "--source", "kiln").event["source"] == "kiln"
    message = files.write("m.json", sqs_batch(sqs_record(HOT)))
    assert files.run(message, "--now", NOW).event["error_code"] == "unknown_source"
    assert files.run(message, "--now", NOW, "--source", "kiln").line["status"] == "delivered"
    files.write_source("oven")
    attributed = files.write("a.json", sqs_batch(sqs_record(HOT, source="kiln")))
    assert files.run(attributed, "--now", NOW, "--source", "oven").event["source"] == "kiln"
    named = files.write("n.json", webhook(HOT, source="kiln"))
    assert files.run(named, "--source", "oven").event["source"] == "kiln"


def test_several_files_have_one_line_each_in_their_order(files: Files) -> None:
    """A broken file does not stop the others, and the exit code is the highest."""
    good = files.example(HOT)
    broken = files.write("broken.json", '{"headers": {},\n "body": }')
    missing = files.folder / "missing.json"
    rejected = files.write("in.json", webhook(HOT, source="nobody"))
    ran = files.run(good, broken, rejected, missing, good)
    assert [line["status"] for line in ran.lines] == [
        "delivered",
        "unusable",
        "rejected",
        "unusable",
        "delivered",
    ]
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "preview: broken.json:2: is not JSON: Expecting value (column 10)",
        "preview: missing.json: cannot be read: No such file or directory",
    ]
    assert files.run(good, rejected).code == 1
    assert files.run(good, good).code == 0


def test_a_source_is_read_once_for_all_files(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program previews hundreds of files."""
    read: list[str] = []

    def counted(folder: Path) -> Source:
        read.append(folder.name)
        return read_source_folder(folder)

    monkeypatch.setattr("relayctl.preview.layered_sources.read_source_folder", counted)
    message = files.write("in.json", bus_event(HOT, source="kiln"))
    files.run(*[files.example(HOT), message] * 3, "--now", NOW)
    assert read == ["kiln"]


def test_a_file_may_be_standard_input(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is `-`."""
    text = json.dumps({"headers": {"content-type": "application/json"}, "body": HOT})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ran = files.run("-", "--source", "kiln")
    assert (ran.line["file"], ran.line["status"]) == ("-", "delivered")


def test_a_mistake_in_another_source_does_not_matter(files: Files) -> None:
    """It is a warning if the match rules are needed, and an error if the source itself is."""
    files.write_source("broken", SOURCE.replace('"hmac"', '"hmcc"'))
    files.write("sources/oven/source.toml", "nonsense")
    assert files.run(files.example(HOT)).line["status"] == "delivered"
    ran = files.run(files.write("in.json", bus_event(HOT, source="kiln")), "--now", NOW)
    assert (ran.code, ran.line["status"]) == (0, "delivered")
    assert (
        "preview: warning: this source takes no part: sources/broken/source.toml:4: verify.scheme" in ran.err
    )
    assert "sources/oven/source.toml:1: is not TOML" in ran.err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SOURCE.replace('"hmac"', '"hmcc"'), "preview: sources/kiln/source.toml:4: verify.scheme"),
        (SOURCE.replace('id = "data.id"', 'id = "data."'), "preview: sources/kiln/source.toml:7: event.id"),
        (
            SOURCE.replace("{{ data.text }}", "{{ data. }}"),
            "preview: sources/kiln/source.toml:23: message[2].body",
        ),
    ],
)
def test_a_mistake_in_the_source_itself_is_shown_with_its_line(
    files: Files, source: str, message: str
) -> None:
    """The exit code is that of wrong arguments."""
    files.write_source("kiln", source)
    ran = files.run(files.example(HOT))
    assert (ran.code, ran.line["status"]) == (2, "unusable")
    assert ran.err.startswith(message)
    assert len(files.run(*[files.example(HOT)] * 3).err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "kilm"], "--source: there is no source `kilm`; did you mean `kiln`?"),
        (["--config", "{}/none.toml"], "none.toml: cannot be read: No such file or directory"),
        (["--config", "{}/wrong.toml"], "wrong.toml:2: route[1].to: `nobody` begins with none of: user:"),
        (["--sources", "{}/none"], "none: is not a folder of sources"),
        (["--secrets", "{}/none.json"], "none.json: cannot be read: No such file or directory"),
        (["--secrets", "{}/list.json"], "list.json: is not a JSON object such as"),
        (["--secrets", "{}/broken.json"], "broken.json:1: is not JSON: Expecting value (column 10)"),
        (["--fetched", "{}/list.json"], "list.json: is not a JSON object whose values are texts"),
        (["--now", "2027-01-15T08:00:00"], "`2027-01-15T08:00:00` has neither `Z` nor an offset"),
        (["--now", "yesterday"], "`yesterday` is not a time such as"),
    ],
)
def test_wrong_arguments_are_explained(files: Files, arguments: list[str], message: str) -> None:
    """Nothing is previewed, and a secret is not shown."""
    files.write("wrong.toml", '[[route]]\nto = "nobody"\nsource = "kiln"\n')
    files.write("list.json", ["s3cret"])
    files.write("broken.json", '{"kiln": s3cret}')
    config = [] if "--config" not in arguments else [*arguments]
    if config:
        files.config = Path(config[1].format(files.folder))
        arguments = []
    ran = files.run(files.example(HOT), *(argument.format(files.folder) for argument in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "s3cret" not in ran.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "x.json:1: is not a JSON object"),
        ({"what": 1}, "x.json: is neither an example nor an invocation"),
        ({"headers": {}, "body": {}}, "x.json: names no source: give --source NAME"),
        ({"headers": [], "body": {}}, "x.json: `headers` is not an object"),
        ({"headers": {"a": 1}, "body": {}}, "x.json: `headers` has a value that is neither a text"),
        ({"body": "\ud800"}, "x.json: `body` holds half of a surrogate pair"),
        ({"body": "%", "isBase64Encoded": True}, "x.json: `body` is not base64"),
        (
            {"headers": {"eventbridge-source": "x"}, "body": "{"},
            "x.json: `body` is not what AWS could deliver",
        ),
    ],
)
def test_a_file_of_no_known_shape_is_explained(files: Files, content: object, message: str) -> None:
    """Its line has the status `unusable`, so that there is one for each file."""
    ran = files.run(files.write("x.json", content))
    assert (ran.code, ran.line["status"], ran.line["events"]) == (2, "unusable", [])
    assert f"preview: {message}" in ran.err


def test_an_example_in_the_folder_of_an_unknown_source_is_explained(files: Files) -> None:
    """The folder has to be added."""
    file = files.write("else/oven/examples/x.json", {"headers": {}, "body": {}})
    ran = files.run(file)
    assert (ran.code, "there is no source `oven`: add its folder with --sources" in ran.err) == (2, True)


def test_the_recorder_has_every_method_of_the_telemetry() -> None:
    """Another one would write a log line, and fail because it has no logger."""
    methods = {
        name for name, value in vars(Telemetry).items() if callable(value) and not name.startswith("_")
    }
    assert methods <= vars(PreviewTelemetry).keys()


def test_every_shipped_example_can_be_previewed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are those of its golden file."""
    monkeypatch.setattr("relayctl.commands.preview.SHIPPED", SHIPPED)
    examples = sorted(SHIPPED.glob("*/examples/*.request.json"))
    files.config = SHIPPED_ROUTES
    ran = files.run(*examples)
    assert ran.code == 0
    for example, line in zip(examples, ran.lines, strict=True):
        golden = json.loads(
            example.with_name(example.name.replace(".request.", ".pushes.")).read_text("utf-8")
        )
        messages = [message for event in line["events"] for message in event["messages"]]
        expected = [{name: value for name, value in push.items() if name != "to"} for push in golden]
        assert [{name: each[name] for name in each if name != "rule"} for each in messages] == expected


def test_a_reader_that_ends_early_gets_no_traceback(tmp_path: Path) -> None:
    """`relayctl preview ... | head -1` is what people type. The pipe is full long before the last file."""
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"headers": {}, "query": {}, "body": {}}), "utf-8")
    command = [
        sys.executable,
        "-m",
        "relayctl",
        "preview",
        "--json",
        "--source",
        "github",
        *[str(file)] * 300,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as program:  # noqa: S603
        assert program.stdout
        assert program.stderr
        assert program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait(60) == 1
