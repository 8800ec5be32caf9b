"""An event's story: what the page shows of it, and what it never shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from page_events import HOT, accepted, explainer, receipt, refused, request_of
from page_files import SECRET, write_files
from push_relay.core.outcomes import Outcome
from push_relay.core.trust.place import Place
from push_relay.core.trust.policy import STRICT
from push_relay.core.trust.verify_table import VerifySigned
from relayctl.page.history import Entry, History
from relayctl.page.masking import MASK, Masks, masked
from relayctl.page.requests import Answer, Request
from relayctl.page.story import StoryWriter
from relayctl.page.verification import Proof, steps
from sandbox.record import Call

KEY = "planted-integration-key"


class Pages:
    """Writes stories of requests of the source `oven`."""

    def __init__(self, directory: Path) -> None:
        self.files = write_files(directory)
        self.explainer = explainer(self.files)

    def entry(self, request: Request, answer: Answer) -> Entry:
        """Return the entry of a request."""
        explained = self.explainer.request(request, answer.correlation_id)
        (entry,) = History().add_request(request, answer, explained)
        return entry

    def story(self, entry: Entry, *calls: Call) -> dict[str, Any]:
        """Return an entry's story as the page gets it."""
        proof = Proof.read(self.files.sources / "oven")
        masks = Masks(proof.masked_places, (SECRET, KEY))
        _, routing = self.explainer.current()
        story = StoryWriter(routing, masks, proof, 4711, calls).story(entry)
        return json.loads(json.dumps(story))  # type: ignore[no-any-return] # an object


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Return what writes stories."""
    return Pages(tmp_path_factory.mktemp("files"))


def states(story: dict[str, Any]) -> list[str]:
    """Return the states of the verification's steps."""
    return [step["state"] for step in story["verification"]]


def test_a_delivered_event_has_every_step(pages: Pages) -> None:
    """From the request to the receipts, in the order of the pipeline."""
    entry = pages.entry(request_of(), accepted("c-1"))
    entry.lines.append(receipt("c-1", Outcome.DELIVERED, latency_ms=9.6))
    push = {"Title": "Too hot: oven 4", "Body": "x", "UserExternalId": "4711"}
    call = Call("POST", "/", correlation_id="c-1", push=dict(push), status=200, answer="{}", accepted=True)
    other = Call("POST", "/", correlation_id="c-1", push={**push, "UserExternalId": "1"}, status=200)
    story = pages.story(entry, call, other)
    assert (story["verdict"], story["title"]) == ("delivered", "Too hot: oven 4")
    assert story["request"]["path"] == "/webhooks/oven"
    assert '"oven 4"' in story["request"]["body"]
    assert (story["answer"]["status"], story["answer"]["ms"]) == (202, 31)
    assert set(states(story)) == {"passed"}
    assert story["explained"]["writing_rule"] == 1
    assert [route["applies"] for route in story["explained"]["routes"]].count(True) == 1
    first, push_story = story["pushes"]
    assert (first["to"], push_story["to"]) == ("email:mia@example.com", "external:4711")
    assert json.loads(push_story["json"])["IntegrationKey"] == MASK
    assert f"<IntegrationKey>{MASK}</IntegrationKey>" in push_story["xml"]
    assert [each["push"]["UserExternalId"] for each in story["calls"]] == ["4711"]
    assert story["receipts"][0]["fields"]["latency_ms"] == 9.6


def test_proof_and_secrets_are_masked(pages: Pages) -> None:
    """The page is shared by screenshot. The payload is shown, because the developer needs it."""
    request = request_of({**HOT, "note": f"leaks {SECRET} and {KEY}"})
    story = pages.story(pages.entry(request, accepted("c-1")))
    text = json.dumps(story, ensure_ascii=False)
    signature = request.joined_headers["x-oven-signature"].partition("=")[2]
    for secret in (SECRET, KEY, signature, "planted-bearer-token"):
        assert secret not in text
    headers = dict(story["request"]["headers"])
    assert headers["x-oven-signature"] == f"sha256={MASK} (64 characters)"
    assert headers["authorization"] == f"Bearer {MASK} (20 characters)"
    assert headers["x-oven-delivery"] == "d-1"
    assert f"leaks {MASK} and {MASK}" in story["request"]["body"]


def test_a_proof_in_the_body_or_the_query_is_masked() -> None:
    """A token may be in a form, in a document or in every item of a list."""
    places = (Place("json", "/state"), Place("json", "/items/*/key"), Place("form", "token"))
    masks = Masks((*places, Place("query", "code")))
    assert masks.body(b'{"state": "abcdefgh", "x": 1}') == f'{{"state": "{MASK}", "x": 1}}'
    assert masks.body(b'{"items": [{"key": "abcdefgh"}]}') == f'{{"items": [{{"key": "{MASK}"}}]}}'
    assert masks.body(b"token=abcdefgh&a=b") == f"token={MASK}&a=b"
    assert masks.pairs("query", [("code", "xyz"), ("a", "b")]) == [
        ("code", f"{MASK} (3 characters)"),
        ("a", "b"),
    ]
    assert masks.body(b"\xff") is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Bearer abc", f"Bearer {MASK} (3 characters)"),
        ("t=1,v1=ab", f"t={MASK} (7 characters)"),
        ("abc", f"{MASK} (3 characters)"),
        ("", ""),
    ],
)
def test_a_mask_shows_the_length_and_the_word_before_the_proof(value: str, shown: str) -> None:
    """A missing prefix is a frequent mistake, and a wrong length another one."""
    assert masked(value) == shown


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("signature_missing", ["passed", "failed", "skipped"]),
        ("signature_invalid", ["passed", "passed", "failed"]),
        ("unknown_source", ["failed", "skipped", "skipped"]),
        ("schema_violation", ["passed", "passed", "passed"]),
        ("method_not_allowed", ["skipped", "skipped", "skipped"]),
    ],
)
def test_the_verification_shows_how_far_a_request_came(pages: Pages, code: str, expected: list[str]) -> None:
    """The core's error code is the step that failed."""
    story = pages.story(pages.entry(request_of(secret="wrong"), refused("c-1", code, "d")))
    assert states(story) == expected


def test_a_timestamp_is_a_step_of_its_own() -> None:
    """It is checked after the signature, so a stale request has fitted."""
    proof = Proof(VerifySigned({"scheme": "standard-webhooks"}))
    found = steps(proof, STRICT, "stale", is_answered=True)
    assert [step.state for step in found] == ["passed", "passed", "passed", "failed"]
    assert "300 s" in found[-1].detail


def test_a_source_without_webhooks_has_one_step() -> None:
    """Its events come from AWS."""
    (step,) = steps(Proof(None), STRICT, "unknown_source", is_answered=True)
    assert (step.state, step.detail) == ("failed", "it has no `[verify]`")


def test_a_broken_schema_names_the_places(pages: Pages) -> None:
    """The explanation has them, and so has the answer."""
    request = request_of({**HOT, "note": 4})
    story = pages.story(pages.entry(request, refused("c-1", "schema_violation", "1 place", 422)))
    assert story["verdict"] == "rejected"
    assert {each["pointer"] for each in story["explained"]["violations"]} == {"/note"}
    assert story["explained"]["event"] is None
    assert story["pushes"] == []


def test_an_event_that_only_the_log_has_is_shown_without_a_request(pages: Pages) -> None:
    """The page shows that the request was not recorded, and not that it was empty."""
    history = History()
    history.add_lines([receipt("c-1", Outcome.DELIVERED)])
    story = pages.story(history.changes(0)[1][0])
    assert (story["via"], story["request"], story["verification"], story["explained"]) == (
        "log",
        None,
        None,
        None,
    )
