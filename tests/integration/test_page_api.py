"""The HTTP interface of the page: who can use it, and what a page that is open gets."""

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_relay import PAGE_KEY, World, running_world
from page_files import SECRET, SECRETS, SOURCE, write_files
from relayctl.page.api import FILES, STATIC
from sandbox_client import Answer, ask

PREFIX = "/_sandbox/extension"
KEY = {"X-Page-Key": PAGE_KEY}
JSON = {**KEY, "Content-Type": "application/json"}
#: Every request that needs the key, with a body that is valid.
GUARDED: list[tuple[str, str, object]] = [
    ("GET", "/events", None),
    ("DELETE", "/events", None),
    ("GET", "/events/1", None),
    ("GET", "/examples", None),
    ("GET", "/examples/oven/hot", None),
    ("GET", "/secrets/oven", None),
    ("POST", "/send", {"source": "oven", "example": "hot"}),
    ("POST", "/preview", {"source": "oven", "example": "hot"}),
    ("GET", "/sources/oven", None),
    ("PUT", "/sources/oven", {"files": {"source.toml": "x"}, "versions": {}}),
    ("POST", "/sources/oven/preview", {"files": {}}),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run the page."""
    with running_world(tmp_path / "run", write_files(tmp_path), SECRETS) as running:
        yield running


@pytest.fixture(scope="module")
def quiet_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run the page once, for requests that it refuses."""
    directory = tmp_path_factory.mktemp("quiet")
    with running_world(directory / "run", write_files(directory), SECRETS) as running:
        yield running


def request(
    world: World, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> Answer:
    """Make a request to the interface."""
    content = None if body is None else json.dumps(body).encode()
    return ask(world.stack.sandbox, method, PREFIX + path, content, JSON if headers is None else headers)


def events(world: World, after: int = 0, more: str = "") -> Any:
    """Return what has changed."""
    return request(world, "GET", f"/events?after={after}&run={world.page.history.run}{more}").json


def wait_for_verdict(world: World, number: int, verdict: str) -> dict[str, Any]:
    """Wait until an event has a verdict, and return its line."""
    deadline = time.monotonic() + 20
    while True:
        found: dict[str, Any] = next(each for each in events(world)["events"] if each["number"] == number)
        if found["verdict"] == verdict:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


# --- who can use it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
@pytest.mark.parametrize("key", [None, "", "wrong", PAGE_KEY[:-1], "é"])
def test_nothing_can_be_read_sent_or_saved_without_the_key(
    quiet_world: World, method: str, path: str, body: object, key: str | None
) -> None:
    """Another user of this machine can connect to the port."""
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"X-Page-Key": key})
    encoded = {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}
    assert request(quiet_world, method, path, body, encoded).status == 403
    assert quiet_world.page.history.changes(0)[1] == []
    assert (quiet_world.files.sources / "oven/source.toml").read_text("utf-8") == SOURCE


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_another_web_page_cannot_use_it_even_with_the_key(  # noqa: PLR0913, PLR0917 (a table of requests)
    quiet_world: World, method: str, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    """A web page can let its own domain resolve to 127.0.0.1 (DNS rebinding)."""
    assert request(quiet_world, method, path, body, {**JSON, **headers}).status == status
    assert quiet_world.page.history.changes(0)[1] == []


@pytest.mark.parametrize("path", ["/send", "/preview", "/sources/oven/preview"])
def test_a_plain_form_cannot_use_it(quiet_world: World, path: str) -> None:
    """A form cannot send JSON. A script needs a preflight for JSON, which is not answered."""
    answer = request(quiet_world, "POST", path, {"source": "oven"}, {**KEY, "Content-Type": "text/plain"})
    assert answer.status == 400
    assert ask(quiet_world.stack.sandbox, "OPTIONS", PREFIX + path).status == 405


def test_the_files_of_the_page_have_the_content_security_policy(quiet_world: World) -> None:
    """They contain no data, so they need no key; the page itself has no key either."""
    for name in FILES:
        answer = ask(quiet_world.stack.sandbox, "GET", f"{PREFIX}/page/{name}")
        assert answer.status == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    page = ask(quiet_world.stack.sandbox, "GET", "/")
    assert b"relay.js" in page.body
    assert PAGE_KEY.encode() not in page.body
    assert {path.name for path in STATIC.iterdir()} == {*FILES, "panels.html"}
    assert ask(quiet_world.stack.sandbox, "GET", f"{PREFIX}/page/panels.html").status == 404
    assert ask(quiet_world.stack.sandbox, "GET", f"{PREFIX}/page/%2e%2e/api.py").status == 404


# --- events -----------------------------------------------------------------------------------------


def test_a_sent_example_is_an_event_with_its_story(world: World) -> None:
    """From the request to the receipts."""
    sent = request(world, "POST", "/send", {"source": "oven", "example": "hot"}).json
    (number,) = sent["events"]
    line = wait_for_verdict(world, number, "delivered")
    assert (line["source"], line["title"], line["label"]) == ("oven", "Too hot: oven 4", "oven/hot")
    story = request(world, "GET", f"/events/{number}").json
    assert story["answer"]["status"] == 202
    assert [call["status"] for call in story["calls"]] == [200, 200]
    assert [receipt["kind"] for receipt in story["receipts"]] == ["accepted", "receipt", "receipt"]
    assert SECRET not in json.dumps(story)
    assert len(world.stack.sandbox.record.pushes()) == 2


def test_a_refused_request_from_another_terminal_is_listed(world: World) -> None:
    """It did not come from the page, and its body is in no log."""
    url = world.page.recorder.url("oven")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, b'{"kind": "hot"}', timeout=20)  # noqa: S310 (our own address)
    (line,) = events(world)["events"]
    assert (line["verdict"], line["code"]) == ("rejected", "signature_missing")
    story = request(world, "GET", f"/events/{line['number']}").json
    assert story["request"]["body"] == '{"kind": "hot"}'
    assert [step["state"] for step in story["verification"]] == ["passed", "failed", "skipped"]


def test_an_event_without_a_route_shows_routes_to_start_with(world: World) -> None:
    """A source of the catalogue has some, and the developer copies them into relay.toml."""
    routes = '[[route]]\nsource = "oven"\nto = "external:4711"\n'
    (world.files.sources / "oven/routes.toml").write_text(routes, "utf-8")
    sent = request(world, "POST", "/send", {"source": "oven", "example": "ready-for-nobody"}).json
    assert request(world, "GET", f"/events/{sent['events'][0]}").json["start_routes"] == routes


def test_a_page_waits_for_the_next_change(world: World) -> None:
    """It is answered when something happens, and not before."""
    version = events(world)["version"]
    answers: list[Any] = []

    def wait_for_an_event() -> None:
        # A change without an event, such as the stack's, ends a wait too.
        after = version
        while not (answers and answers[-1]["events"]):
            answers.append(events(world, after, "&wait=1"))
            after = answers[-1]["version"]

    waiting = threading.Thread(target=wait_for_an_event, daemon=True)
    waiting.start()
    waiting.join(0.3)
    assert not any(answer["events"] for answer in answers)
    request(world, "POST", "/send", {"source": "oven", "example": "ready-for-nobody"})
    waiting.join(20)
    assert answers[-1]["events"][0]["source"] == "oven"
    assert answers[-1]["version"] > version


def test_a_page_of_another_run_gets_everything(world: World) -> None:
    """The numbers of another run mean other events."""
    request(world, "POST", "/send", {"source": "oven", "example": "hot"})
    found = request(world, "GET", "/events?after=999&run=other&wait=1").json
    assert len(found["events"]) == 1
    assert found["run"] == world.page.history.run


def test_clearing_removes_events_calls_and_pushes(world: World) -> None:
    """The phone is empty then, too."""
    (number,) = request(world, "POST", "/send", {"source": "oven", "example": "hot"}).json["events"]
    wait_for_verdict(world, number, "delivered")
    version = events(world)["version"]
    assert request(world, "DELETE", "/events").status == 200
    assert events(world, version)["removed"] == [number]
    assert world.stack.sandbox.record.calls() == []
    assert request(world, "GET", f"/events/{number}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("POST", "/send", {"source": "nosuch", "example": "hot"}, "there is no source `nosuch`"),
        ("POST", "/send", {"source": 1}, "must be texts"),
        ("POST", "/send", {"source": "oven", "sign": "yes"}, "must be true or false"),
        ("POST", "/send", [], "must be an object"),
        ("POST", "/preview", {"source": "oven", "headers": "x"}, "is not a header"),
        ("GET", "/sources/nosuch", None, "there is no source"),
        ("GET", "/sources/..%2foven", None, None),
        ("POST", "/sources/oven/preview", {"files": {"x": "y"}}, "only source.toml and schema.json"),
        ("POST", "/sources/oven/preview", {"files": {}, "examples": "hot"}, "list of names"),
        ("PUT", "/sources/oven", {"files": {"source.toml": 1}, "versions": {}}, "object of texts"),
        ("GET", "/events?after=x", None, "must be an integer"),
    ],
)
def test_a_wrong_request_is_explained(
    quiet_world: World, method: str, path: str, body: object, reason: str | None
) -> None:
    """The page shows the reason to the person."""
    answer = request(quiet_world, method, path, body)
    assert answer.status == (400 if reason else 404)
    assert reason is None or reason in answer.json["error"]


# --- files ------------------------------------------------------------------------------------------


def test_a_saved_file_is_used_by_the_functions(world: World) -> None:
    """Both functions get the code with the new configuration, and the next event has the new words."""
    found = request(world, "GET", "/sources/oven").json
    since = events(world)["state"]["since"]
    text = SOURCE.replace("Too hot", "Very hot")
    body = {"files": {"source.toml": text}, "versions": found["versions"]}
    assert request(world, "PUT", "/sources/oven", body).json["files"]["source.toml"] == text
    wait_for_phase(world, "idle", after=since)
    changed = [each["FunctionName"] for each in world.relay.updates if "S3Key" in each]
    assert changed == ["receive", "deliver"]
    ((bucket, names),) = world.relay.uploads
    assert bucket == "push-relay-artifacts/reload/code.zip"
    assert {"code.py", "config/relay.json"} <= set(names)
    assert [name for name in names if name.startswith("sources/oven/")]
    assert "sources/old/source.toml" not in names
    (number,) = request(world, "POST", "/send", {"source": "oven", "example": "hot"}).json["events"]
    assert wait_for_verdict(world, number, "delivered")["title"] == "Very hot: oven 4"


def test_a_file_with_a_mistake_is_not_used(world: World) -> None:
    """The functions keep the last files without a mistake, and the page shows it."""
    (world.files.sources / "oven/source.toml").write_text(SOURCE.replace("[event]", "[evnt]"), "utf-8")
    state = wait_for_phase(world, "mistakes")
    assert "did you mean `event`" in state["findings"][0]
    assert world.relay.updates == []
    (number,) = request(world, "POST", "/send", {"source": "oven", "example": "from-eventbridge"}).json[
        "events"
    ]
    assert wait_for_verdict(world, number, "delivered")["title"] == "Too hot: oven 5"
    since = events(world)["state"]["since"]
    version = events(world)["version"]
    world.files.config.write_text(world.files.config.read_text("utf-8") + "\n# another change\n", "utf-8")
    world.page.history.wait(version + 1, 30)  # one change to `loading`, one back to `mistakes`
    assert wait_for_phase(world, "mistakes")["since"] == since, "the mistake is still there"
    (world.files.sources / "oven/source.toml").write_text(SOURCE, "utf-8")
    wait_for_phase(world, "idle", after=since)


def test_a_changed_relay_toml_is_used(world: World) -> None:
    """A new route leads to somebody at once."""
    since = events(world)["state"]["since"]
    text = world.files.config.read_text("utf-8") + '[[route]]\nsource = "oven"\nto = "user:9"\n'
    world.files.config.write_text(text, "utf-8")
    wait_for_phase(world, "idle", after=since)
    body = {"source": "oven", "example": "ready-for-nobody"}
    (number,) = request(world, "POST", "/send", body).json["events"]
    assert wait_for_verdict(world, number, "delivered")["recipients"] == 1


def test_a_source_that_is_added_is_used_at_once(world: World) -> None:
    """It gets a signing secret of its own, which a person can give to its sender."""
    since = events(world)["state"]["since"]
    shutil.copytree(world.files.sources / "oven", world.files.sources / "kiln")
    # A mistake of a file that the functions do not read is one for `relayctl check`.
    (world.files.sources / "kiln/routes.toml").write_text(
        '[[route]]\nsource = "oven"\nto = "user:1"\n', "utf-8"
    )
    text = world.files.config.read_text("utf-8") + '[[route]]\nsource = "kiln"\nto = "user:9"\n'
    world.files.config.write_text(text, "utf-8")
    wait_for_phase(world, "idle", after=since)
    secret = request(world, "GET", "/secrets/kiln").json["secret"]
    assert len(secret) > 20
    assert request(world, "GET", "/secrets/oven").json["secret"] == SECRET
    assert world.relay.secrets == {"oven": SECRET, "kiln": secret} == world.stack.signing_secrets
    assert world.kept == {"oven": SECRET, "kiln": secret}
    assert {each["source"] for each in request(world, "GET", "/examples").json["sources"]} == {"oven", "kiln"}
    (number,) = request(world, "POST", "/send", {"source": "kiln", "example": "hot"}).json["events"]
    assert wait_for_verdict(world, number, "delivered")["source"] == "kiln"


def test_a_conflict_with_an_editor_is_reported(world: World) -> None:
    """409 means that the page has to load the file again."""
    found = request(world, "GET", "/sources/oven").json
    (world.files.sources / "oven/source.toml").write_text(SOURCE + "\n", "utf-8")
    body = {"files": {"source.toml": "x"}, "versions": found["versions"]}
    assert request(world, "PUT", "/sources/oven", body).status == 409


def wait_for_phase(world: World, phase: str, after: str = "") -> dict[str, Any]:
    """Wait until the functions use files since a time after `after`, or do not; return the state."""
    deadline = time.monotonic() + 30
    while True:
        state: dict[str, Any] = events(world)["state"]
        if state["phase"] == phase and state["since"] > after:
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
