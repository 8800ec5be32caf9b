"""`relayctl new` makes a source folder of captured requests, which the relay accepts as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from absent_fields import DANGLING, assert_no_gap
from captured_requests import SENDERS, Sender
from fakes import ROOT
from push_relay.adapters.catalog import read_routing_file, read_source_folder
from relayctl.__main__ import main
from relayctl.checking import check
from relayctl.examples import arrivals, examples_of

ROUTES = '[[route]]\nsource = "{}"\nto = ["external:4711"]\n'


class Folder:
    """A directory of sources into which the command writes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sources = directory / "sources"

    def new(self, name: str, files: dict[str, Any], *arguments: str) -> int:
        """Write the files, run the command with them, and return its exit code."""
        given = [self.write(file, content) for file, content in files.items()]
        return main(["new", name, "--from", *given, "--sources", str(self.sources), *arguments])

    def write(self, file: str, content: Any) -> str:
        """Write a captured request."""
        path = self.directory / file
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, "utf-8", newline="")
        return str(path)

    def made(self, name: str) -> Path:
        """Return the folder of a source."""
        return self.sources / name

    def text(self, name: str) -> str:
        """Return all names and texts of a source's files."""
        files = [path for path in self.made(name).rglob("*") if path.is_file()]
        return "\n".join(f"{path.name}\n{path.read_text('utf-8')}" for path in files)

    def goldens(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """Return the goldens of a source by the names of their examples."""
        files = (self.made(name) / "examples").glob("*.pushes.json")
        return {path.name.partition(".")[0]: json.loads(path.read_text("utf-8")) for path in files}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return an empty directory."""
    return Folder(tmp_path)


every_sender = pytest.mark.parametrize(
    ("name", "sender"), [pytest.param(name, sender, id=name) for name, sender in SENDERS.items()]
)


@every_sender
def test_the_folder_passes_the_check_and_its_goldens_are_as_expected(
    folder: Folder, name: str, sender: Sender
) -> None:
    """Nobody has to correct a folder before its first push."""
    assert folder.new(name, sender.files, *sender.arguments) == 0
    relay = folder.directory / "relay.toml"
    relay.write_text((folder.made(name) / "routes.toml").read_text("utf-8"), "utf-8")
    result = check(folder.sources, relay)
    assert not result.findings
    assert result.routes == 1
    assert main(["preview", "--compare", str(folder.made(name)), "--config", str(relay)]) == 0
    pushes = [push for golden in folder.goldens(name).values() for push in golden]
    assert pushes
    assert all(push["to"] == ["external:4711"] for push in pushes)
    assert len(folder.goldens(name)) == len(sender.files)


@every_sender
def test_no_text_has_a_gap_whatever_field_is_missing(folder: Folder, name: str, sender: Sender) -> None:
    """Each field that the draft reads is removed, null, blank or of another type, as in the catalogue."""
    folder.new(name, sender.files, *sender.arguments)
    source = read_source_folder(folder.made(name))
    tried = 0
    for example in examples_of(folder.sources, name):
        for arrival in arrivals(source, example):
            assert_no_gap(source, folder.made(name), arrival)
            tried += 1
    for push in (push for golden in folder.goldens(name).values() for push in golden):
        assert not DANGLING.search(push["title"])
    assert tried


@every_sender
def test_planted_secrets_are_nowhere_in_the_folder_nor_in_the_output(
    folder: Folder, name: str, sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are in headers, parameters, forms, XML, names of fields, and in the middle of texts."""
    folder.new(name, sender.files, *sender.arguments)
    written = (folder.text(name) + capsys.readouterr().out).casefold()
    captured = "".join(map(str, sender.files.values())).casefold()
    for secret in sender.planted:
        assert secret.casefold() not in written
        assert secret.split("@")[0].casefold() in captured or "%" in captured or "+" in captured, secret


@every_sender
def test_the_proof_is_guessed_from_the_headers(folder: Folder, name: str, sender: Sender) -> None:
    """`signed` is a signature that no preset has."""
    folder.new(name, sender.files, *sender.arguments)
    source = read_source_folder(folder.made(name))
    assert source.proof == read_source_folder(folder.made(name)).proof
    assert f'scheme = "{sender.scheme}"' in (folder.made(name) / "source.toml").read_text("utf-8")


def test_the_same_requests_make_the_same_folder(folder: Folder, tmp_path: Path) -> None:
    """Stand-ins are not random, so that a folder can be made again."""
    folder.new("monitor", SENDERS["monitor"].files)
    other = Folder(tmp_path / "other")
    other.directory.mkdir()
    other.new("monitor", SENDERS["monitor"].files)
    assert folder.text("monitor") == other.text("monitor")


def test_a_value_is_replaced_by_the_same_text_in_every_place_and_file(folder: Folder) -> None:
    """Otherwise an example would no longer fit together."""
    folder.new("monitor", SENDERS["monitor"].files)
    examples = folder.made("monitor") / "examples"
    down = json.loads((examples / "down.request.json").read_text("utf-8"))["body"]
    up = json.loads((examples / "up.request.json").read_text("utf-8"))["body"]
    assert down["oncall"] == up["oncall"]
    assert down["oncall"]["name"] in down["error"]
    assert down["monitor"]["url"].startswith("https://host-1.example.com/")


def test_the_words_tell_a_resolved_alarm_from_a_firing_one(folder: Folder) -> None:
    """Both states are in the payloads, so the resolved one makes no sound."""
    folder.new("monitor", SENDERS["monitor"].files)
    goldens = folder.goldens("monitor")
    assert (goldens["down"][0]["title"], goldens["down"][0]["sound"]) == ("Down: Checkout page", True)
    assert (goldens["up"][0]["title"], goldens["up"][0]["sound"]) == ("Up: Checkout page", False)


def test_each_type_of_event_has_a_rule_and_there_is_a_rule_for_all_others(folder: Folder) -> None:
    """The last rule writes a push about a type that nobody has captured."""
    folder.new("invoices", SENDERS["invoices"].files)
    goldens = folder.goldens("invoices")
    assert goldens["invoice-paid"][0]["title"] == "Invoice paid: Rye, March"
    assert goldens["payment-failed"][0]["sound"] is True
    source = read_source_folder(folder.made("invoices"))
    assert [rule.when is not None for rule in source.messages] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "title", "body"),
    [
        ("group", "Firing: Disk full", "2 alerts: host-1.example.com, host-2.example.com"),
        ("answers", "Form response: Order of bread", "How many loaves?: 2"),
        ("xml", "Late: Rye & wheat", "Item: rye, wheat"),
        ("tickets", "Ticket closed: Oven 3 is cold", "Closed by: user-1"),
        ("lines", "Lines: error", "is full"),
        ("form", "Order", "Two loaves, please"),
    ],
)
def test_the_words_name_what_happened(folder: Folder, name: str, title: str, body: str) -> None:
    """Lists are counted and named, answers are shown with their questions."""
    folder.new(name, SENDERS[name].files)
    pushes = [push for golden in folder.goldens(name).values() for push in golden]
    assert [push for push in pushes if push["title"] == title and body in push["body"]], pushes


def test_items_that_may_be_events_are_suggested(folder: Folder) -> None:
    """A group stays one push until the author wants another one."""
    folder.new("group", SENDERS["group"].files)
    assert '# each = "data.alerts"' in (folder.made("group") / "source.toml").read_text("utf-8")


def test_the_schema_has_only_the_fields_that_are_read_and_accepts_null(folder: Folder) -> None:
    """A refused event is not sent again."""
    folder.new("monitor", SENDERS["monitor"].files)
    schema = json.loads((folder.made("monitor") / "schema.json").read_text("utf-8"))
    assert "required" not in json.dumps(schema)
    assert set(schema["properties"]["monitor"]["properties"]) == {"id", "name"}
    assert "null" in schema["properties"]["status"]["type"]
    assert schema["properties"]["monitor"]["type"][0] == "object"


def test_the_type_and_the_id_come_from_headers_if_they_are_there(folder: Folder) -> None:
    """The other headers are not in the example."""
    folder.new("tickets", SENDERS["tickets"].files)
    source = (folder.made("tickets") / "source.toml").read_text("utf-8")
    assert "id = 'headers.\"x-desk-delivery\"'" in source
    example = json.loads((folder.made("tickets") / "examples/ticket-opened.request.json").read_text("utf-8"))
    assert example["headers"].keys() == {"content-type", "x-desk-event", "x-desk-delivery"}
    assert example["headers"]["x-desk-event"] == "ticket.opened"


def test_a_folder_is_not_overwritten_without_force(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --force the words and the examples are written again, and other files stay."""
    monitor = SENDERS["monitor"]
    folder.new("monitor", monitor.files)
    made = folder.made("monitor")
    (made / "source.toml").write_text("mine", "utf-8")
    (made / "notes.md").write_text("mine", "utf-8")
    assert folder.new("monitor", monitor.files) == 2
    assert "give --force" in capsys.readouterr().err
    assert (made / "source.toml").read_text("utf-8") == "mine"
    assert folder.new("monitor", {"down.json": monitor.files["down.json"]}, "--force") == 0
    assert (made / "notes.md").read_text("utf-8") == "mine"
    assert "[verify]" in (made / "source.toml").read_text("utf-8")
    assert folder.goldens("monitor").keys() == {"down"}


def test_a_folder_of_the_catalogue_is_never_overwritten(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its words are somebody's work already."""
    made = folder.made("grafana")
    made.mkdir(parents=True)
    (made / "page.toml").write_text("", "utf-8")
    assert folder.new("grafana", SENDERS["monitor"].files, "--force") == 2
    assert "belongs to the catalogue" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ('{"a": 1,\n "b": }', "is not JSON: Expecting value (line 2, column 7)"),
        ("{}", "has no fields"),
        ("[]", "has no fields"),
        ('"text"', "neither JSON nor XML nor a form"),
        ("just a sentence.", "neither JSON nor XML nor a form"),
        ("<order><item></order>", "neither JSON nor XML nor a form"),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "is an event that AWS delivers"),
        ({"detail-type": "x", "detail": {}}, "is an event that AWS delivers"),
        ({"headers": {"a": "b"}, "body": None}, "is a request without a body"),
        ({"headers": [], "body": {"a": 1}}, "`headers` is not an object"),
        ("X-Oven: 1\n\n", "is a request without a body"),
    ],
)
def test_an_unreadable_file_is_named_with_the_reason(
    folder: Folder, content: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written then."""
    assert folder.new("oven", {"in.txt": content}) == 2
    error = capsys.readouterr().err
    assert error.startswith("new: ")
    assert "in.txt" in error
    assert reason in error
    assert not folder.made("oven").exists()


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("Oven", (), "cannot be a source's name"),
        ("oven", ("--preset", "strype"), "there is no preset `strype`"),
    ],
)
def test_wrong_arguments_are_explained(
    folder: Folder, name: str, arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt preset is answered with the one that was meant."""
    assert folder.new(name, {"in.json": {"a": 1}}, *arguments) == 2
    assert reason in capsys.readouterr().err


def test_a_missing_file_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """As any other unreadable file."""
    assert main(["new", "oven", "--from", str(folder.directory / "no.json")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_files_of_two_formats_are_refused(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """A source reads one."""
    assert folder.new("oven", {"a.json": {"a": "b"}, "b.xml": "<a><b>c</b></a>"}) == 2
    assert "has another format than" in capsys.readouterr().err


def test_the_output_names_the_secret_the_question_and_the_commands(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands can be copied."""
    folder.new("monitor", SENDERS["monitor"].files)
    out = capsys.readouterr().out
    assert "make run SOURCE=monitor" in out
    assert "Store as `monitor`" in out
    assert "Does it sign its webhooks" in out
    assert "routes.toml >> " in out
    assert "1 person" in out


def test_a_sender_without_signature_and_with_another_content_type_is_warned_of(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its requests would be answered with 415."""
    request = {"headers": {"content-type": "text/plain", "x-token": "t"}, "body": {"state": "down"}}
    assert folder.new("oven", {"in.json": request}) == 0
    assert "add the header `Content-Type: application/json` there" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_preset_that_is_given_is_used(folder: Folder) -> None:
    """Its defaults of the body are replaced by what was captured."""
    assert folder.new("oven", {"in.json": {"state": "down"}}, "--preset", "twilio") == 0
    source = (folder.made("oven") / "source.toml").read_text("utf-8")
    assert 'scheme = "twilio"' in source
    assert 'format = "json"' in source


def test_the_routes_to_start_with_lead_to_somebody(folder: Folder) -> None:
    """They are the route that the goldens follow."""
    folder.new("monitor", SENDERS["monitor"].files)
    routing = read_routing_file(folder.made("monitor") / "routes.toml", ["monitor"])
    assert [route.source for route in routing.routes] == ["monitor"]


def test_the_title_and_the_documentation_can_be_given(folder: Folder) -> None:
    """The examples name the documentation, as those of the catalogue do."""
    address = "https://example.com/webhooks"
    folder.new("oven", {"in.json": {"x": "y"}}, "--title", "Baker's oven", "--docs", address)
    example = json.loads((folder.made("oven") / "examples/event.request.json").read_text("utf-8"))
    assert example["documented_at"] == address
    assert 'title = "Baker\'s oven"' in (folder.made("oven") / "source.toml").read_text("utf-8")
    assert folder.goldens("oven")["event"][0]["title"].startswith("Baker")


def test_every_sample_invocation_of_the_checkout_is_read_or_refused_with_its_reason(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """`events/` has an invocation of each kind."""
    tried = 0
    for file in sorted((ROOT / "events").glob("*.json")):
        keys = json.loads(file.read_text("utf-8")).keys()
        if keys & {"requestContext", "Records", "detail-type"}:
            code = main(["new", file.stem, "--from", str(file), "--sources", str(folder.sources)])
            assert code == (0 if "requestContext" in keys else 2), file
            tried += 1
    assert tried > 10
    assert 'scheme = "github"' in folder.text("apigateway-v1")
    assert "is an event that AWS delivers" in capsys.readouterr().err


def test_a_captured_text_cannot_change_the_terminal(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sender's own customers have written it."""
    assert folder.new("oven", {"hot.json": {"type": "hot", "title": "Oven \x1b[2J\x9b1m\u202e hot"}}) == 0
    shown = capsys.readouterr().out
    assert r"Oven \x1b[2J\x9b1m\x202e hot" in shown
    assert shown.replace("\n", "").isprintable()
