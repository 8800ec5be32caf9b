"""`--set` changes a field of an example's body, headers or query, and finds misspelt ones."""

import argparse
import json
from typing import Any

import pytest

from push_relay.core.inbound.body import BodyFormat
from relayctl.sending import CannotSendError
from relayctl.sending.changes import change, changed
from relayctl.webhook import Webhook

JSON, FORM = BodyFormat(), BodyFormat(form_field="payload")
BODY = {
    "issue": {"title": "Hot", "labels": [{"name": "a"}, {"name": "b"}], "assignee": None},
    "host.name": "oven",
    "count": 1,
}
FORM_TYPE = {"content-type": "application/x-www-form-urlencoded"}


def request(body: Any = BODY, **headers: str) -> Webhook:
    """Return a request with a JSON body, or with bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Webhook({"x-event": "issues", **headers}, content, {"tenant": "1"})


def applied(*texts: str, body: Any = BODY) -> tuple[Any, list[str]]:
    """Apply changes, and return the document and the notes."""
    result, notes = changed(request(body), [change(text) for text in texts], JSON)
    return json.loads(result.body), notes


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("data.issue.title=Too hot", ("issue", "title"), "Too hot"),
        ("data.issue.title=a=b", ("issue", "title"), "a=b"),
        ('data.issue.title="7"', ("issue", "title"), "7"),
        ("data.count=7", ("count",), 7),
        ("data.count=", ("count",), ""),
        ("data.count=NaN", ("count",), "NaN"),
        ("data.issue.assignee=null", ("issue", "assignee"), None),
        ('data.issue.assignee={"login": "mia"}', ("issue", "assignee"), {"login": "mia"}),
        ("data.issue.assignee.login=mia", ("issue", "assignee", "login"), "mia"),
        ("data.issue.labels[1].name=c", ("issue", "labels", 1, "name"), "c"),
        ("data.issue.labels[2].name=c", ("issue", "labels", 2, "name"), "c"),
        ('data."host.name"=kiln', ("host.name",), "kiln"),
        ('data."host.name"=a="b"', ("host.name",), 'a="b"'),
    ],
)
def test_a_field_of_the_document_is_changed(text: str, path: tuple[Any, ...], value: Any) -> None:
    """The value is JSON, or else a text. All other fields stay."""
    document, _ = applied(text)
    found: Any = document
    for step in path:
        found = found[step]
    assert found == value
    assert {name: each for name, each in document.items() if name != path[0]} == {
        name: each for name, each in BODY.items() if name != path[0]
    }


def test_headers_and_parameters_are_texts() -> None:
    """Also if they look like JSON. A header's name has no capitals."""
    texts = ("headers.X-Event=7", "query.tenant=null", "headers.x.y=z")
    result, notes = changed(request(), [change(text) for text in texts], JSON)
    assert result.headers == {"x-event": "7", "x.y": "z"}
    assert result.query == {"tenant": "null"}
    assert notes == ["`headers.x.y` is not in the example"]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("data.issues.title=x", "`data.issues.title` is not in the example; did you mean `issue`?"),
        ("data.issue.titel=x", "`data.issue.titel` is not in the example; did you mean `title`?"),
        ("data.issue.assignee.login=x", "`data.issue.assignee.login` is not in the example"),
        ("data.zzz=1", "`data.zzz` is not in the example"),
    ],
)
def test_a_new_field_is_noted_once(text: str, note: str) -> None:
    """It may be misspelt, and a sender may also have it."""
    assert applied(text)[1] == [note]
    assert applied("data.issue.title=x")[1] == []


def test_a_body_that_is_a_list_has_items() -> None:
    """Each item is one event."""
    assert applied("data[0].a=2", body=[{"a": 1}]) == ([{"a": 2}], [])
    assert applied("data=[]", body=[{"a": 1}]) == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("data.issue.title.x=1", "`data.issue.title.x`: a text has no member `x`"),
        ("data.count.x=1", "a number has no member `x`"),
        ("data.issue.labels.x=1", "a list has no member `x`"),
        ("data.issue[0]=1", r"an object has no item \[0\]"),
        ("data.issue.labels[3]=1", r"the list has 2 items, so \[2\] is the next"),
    ],
)
def test_a_path_that_the_document_cannot_have_is_an_error(text: str, why: str) -> None:
    """The text names the path as it was written."""
    with pytest.raises(CannotSendError, match=why):
        applied(text)


@pytest.mark.parametrize(
    "text",
    ["title=x", "data.title", "body.x=1", "headers=x", "query.=x", "=x", "", "data.a[x]=1", 'data."a=1'],
)
def test_a_text_that_is_not_a_change_is_refused(text: str) -> None:
    """The error shows the form."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"data\.|alerts"):
        change(text)


def test_the_document_of_a_form_is_changed_in_its_field() -> None:
    """The other fields stay, and so does the form."""
    form = request(b"payload=%7B%22a%22%3A1%7D&zone=x+y", **FORM_TYPE)
    result, notes = changed(form, [change("data.a=2")], FORM)
    assert (result.body, notes) == (b"payload=%7B%22a%22%3A2%7D&zone=x+y", [])


def test_all_fields_of_a_form_can_be_the_document() -> None:
    """Then each is a text."""
    form = request(b"From=1&Body=hot", **FORM_TYPE)
    result, notes = changed(form, [change("data.Body=cold & wet")], BodyFormat(form_field="*"))
    assert (result.body, notes) == (b"From=1&Body=cold+%26+wet", [])


@pytest.mark.parametrize("body", [b"<alert/>", b"hot", b"{", b"a=1"])
def test_another_body_cannot_be_changed(body: bytes) -> None:
    """Its headers can."""
    with pytest.raises(CannotSendError, match="neither JSON nor a form"):
        changed(request(body), [change("data.a=1")], JSON)
    assert changed(request(body), [change("headers.x-event=1")], JSON)[0].headers["x-event"] == "1"


def test_a_request_without_changes_is_the_same() -> None:
    """Byte for byte: its spaces may be signed."""
    given = request(b'{ "a" : 1 }')
    assert changed(given, [], JSON) == (given, [])
