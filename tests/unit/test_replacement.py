"""No secret and no personal value of a captured request is left in its example."""

import json
import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayctl.drafting.replacement import Replacement
from relayctl.drafting.secrecy import Kind

LETTERS = string.ascii_letters + string.digits


def replaced(document: Any) -> str:
    """Return a document with its stand-ins as JSON."""
    replacement = Replacement()
    replacement.learn(document)
    return json.dumps(replacement.tree(document), ensure_ascii=False)


@pytest.mark.parametrize(
    ("document", "secrets"),
    [
        ({"password": "hunter2", "note": "It is hunter2."}, ["hunter2"]),
        ({"api_key": 12345678, "apiKey": "k"}, ["12345678"]),
        ({"credentials": {"a": ["x1y2", {"b": "plainword"}]}}, ["x1y2", "plainword"]),
        ({"token_value": "zebra", "auth_code": "4711"}, ["zebra", "4711"]),
        ({"note": "Authorization: Bearer abcdefgh"}, ["abcdefgh"]),
        ({"note": "your verification code is 998877, password: pony"}, ["998877", "pony"]),
        ({"note": "https://anna:pony@db.mill.invalid/x?sig=1"}, ["db.mill.invalid", "sig=1", "pony"]),
        ({"hook": "https://hooks.mill.invalid/services/T1/B2/xyz"}, ["mill.invalid", "xyz"]),
        ({"note": "AKIAIOSFODNN7EXAMPLE, ghp_16C7e42F292c6912E7710c838347Ae178B4a"}, ["AKIAIO", "ghp_16C7"]),
        ({"jwt_like": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP"}, ["eyJhbGci", "dBjftJeZ4CVP"]),
        ({"pem": "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"}, ["MIIabc"]),
        ({"commit": "9c48853fa3dc5c1c3d6f1f1386f2743e791d8a33"}, ["9c48853f"]),
        ({"ref": "1b4e28b0-2fa1-11d2-883f-0016d3cca427"}, ["1b4e28b0"]),
        ({"note": "from 10.77.3.9:443 and fe80::1ff:fe23:4567:890a"}, ["10.77.3.9", "fe80::1ff"]),
        ({"mac": "00:1A:2B:3C:4D:5E"}, ["00:1A:2B"]),
        ({"note": "db01.mill.local is full"}, ["mill.local", "db01"]),
        ({"host": "ovendb", "note": "ovendb is full", "server": "ovendb:5432"}, ["ovendb"]),
        ({"instance": "node-a/eth0,node-b"}, ["node-a", "node-b"]),
        ({"note": "call +44 20 7946 0958 or (555) 123-4567"}, ["7946", "123-4567"]),
        ({"note": "call 030/1234567 or 0151 234567"}, ["1234567", "234567"]),
        ({"note": "card 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00"}, ["4111", "3704"]),
        ({"note": "insured as 078-05-1120"}, ["078-05"]),
        ({"phone": 442079460958, "account_number": "12-34"}, ["442079460958", "12-34"]),
        ({"user": {"name": "Wilma Oak", "id": 77123}, "note": "WILMA, id 77123"}, ["wilma", "oak", "77123"]),
        ({"author": "Wilma Oak <w@mill.invalid>"}, ["Wilma", "Oak", "mill.invalid"]),
        ({"created_by": "Wilma O'Hara-Oak"}, ["Wilma", "Hara", "Oak"]),
        ({"participants": ["Wilma Oak", {"display": "Fred Elm"}]}, ["Wilma", "Elm"]),
        ({"contact": {"first_name": "Wilma", "x": 1}}, ["Wilma"]),
        ({"a": {"email": "e@f.gh", "name": "Oak"}}, ["Oak", "f.gh"]),
        ({"login": "wilma_oak", "note": "thanks @wilma_oak and @fred"}, ["wilma_oak", "@fred"]),
        ({"note": "Dear Wilma, assigned to Fred Elm"}, ["Wilma", "Fred", "Elm"]),
        ({"w.oak@mill.invalid": {"votes": 1}}, ["w.oak", "mill.invalid"]),
        ({"payload": '{"user": "wilma", "secret": "pony"}'}, ["wilma", "pony"]),
        ({"secret": '{"a": "pony"}'}, ["pony"]),
        ({"fields": [{"label": "What is your name?", "id": 3, "x": 4, "value": "Wilma"}]}, ["Wilma"]),
        ({"Your phone number:": "12 34", "E-mail": "wilma at mill"}, ["12 34", "wilma"]),
        ({"address": {"street": "Elm Lane 4", "zip": 90210, "lat": 52.51}}, ["Elm", "90210", "52.51"]),
        ({"company": "Mill & Co", "note": "for Mill & Co"}, ["Mill & Co"]),
        ({"text": "a%40b.invalid w.oak%40mill.invalid"}, ["mill.invalid"]),
        ({"birth_date": "1990-01-02", "dob": "1990-01-02"}, ["1990"]),
        ({"a": [["x", {"password": ["p0ny", 123456]}]]}, ["p0ny", "123456"]),
    ],
)  # fmt: skip
def test_a_secret_is_replaced_wherever_it_is(document: Any, secrets: list[str]) -> None:
    """By the name of its field, by its look, and in every other text."""
    written = replaced(document).casefold()
    for secret in secrets:
        assert secret.casefold() not in written


@pytest.mark.parametrize(
    "document",
    [
        {"status": "error", "severity": "P1", "event": "payment_intent.succeeded"},
        {"type": "FORM_RESPONSE", "version": "v2.14.0-rc.1", "branch": "feature/oven-timer"},
        {"created_at": "2026-03-14T05:12:00Z", "ts": 1744023705307, "due": "2026-03-14"},
        {"message": "Disk is 97% full on the backup volume, 3 of 4 checks failed at 12:30:15"},
        {"key": "BAKE-42", "number": "INV-2026-0042", "sku": "rye-500g", "count": 3, "value": 38.4},
        {"bytes": 16106127360, "amount": 199900, "region": "us-east-1", "ok": True, "nothing": None},
        {"user_agent": "GitHub-Hookshot", "mime": "application/json", "name": "checkout-web-prod"},
        {"subscription": "subscriptionPaymentSucceeded", "blank": " ", "empty": "", "list": []},
    ],
)
def test_readable_values_are_kept(document: Any) -> None:
    """An example whose words were all replaced would show nothing about the sender."""
    assert json.loads(replaced(document)) == document


def test_a_replaced_value_keeps_its_form() -> None:
    """Rules about the form still work: ids, numbers, hosts and addresses."""
    document = {
        "uuid": "1b4e28b0-2fa1-11d2-883f-0016d3cca427",
        "hash": "9c48853fa3dc5c1c3d6f1f1386f2743e791d8a33",
        "id": 88231771,
        "url": "https://shop.mill.invalid:8443/a/b?c=d",
        "site": "https://shop.mill.invalid:8443",
        "ip": "10.77.3.9",
        "text": "88231771",
        "user": {"name": "Wilma Oak", "email": "w@mill.invalid"},
    }
    assert json.loads(replaced(document)) == {
        "uuid": "00000000-0000-4000-8000-000000000001",
        "hash": "0000000000000000000000000000000000000002",
        "id": 1001,
        "url": "https://host-1.example.com/page-1",
        "site": "https://host-1.example.com",
        "ip": "192.0.2.2",
        "text": "1001",
        "user": {"name": "Octo Baker", "email": "person-1@example.com"},
    }


def test_different_values_have_different_stand_ins() -> None:
    """Also more than there are names in the lists."""
    names = [f"{begin}wilma {begin}oak" for begin in string.ascii_lowercase]
    made = json.loads(replaced({"participants": names}))["participants"]
    assert len(set(made)) == len(names)


def test_the_number_of_replaced_values_is_counted_by_kind() -> None:
    """The output shows it, so that a surprising number is seen."""
    replacement = Replacement()
    document = {"user": "Wilma Oak", "a": "w@mill.invalid, x@mill.invalid", "note": "w@mill.invalid"}
    replacement.learn(document)
    replacement.tree(document)
    assert replacement.stand_ins.counts == {Kind.PERSON: 1, Kind.EMAIL: 2}


def test_the_state_is_kept_if_a_person_has_the_same_name() -> None:
    """A rule compares the state, so it must be as the sender sends it."""
    made = json.loads(replaced({"user": "Error Handler", "status": "error", "note": "by error"}))
    assert made["status"] == "error"
    assert "error" not in made["note"]


#: Not of the shape of a word with a number, such as `Backupserver0012`, which a person reads.
tokens = st.text(LETTERS, min_size=16, max_size=40).filter(
    lambda text: (
        sum(map(str.isdigit, text)) > 3
        and sum(map(str.isupper, text)) > 2
        and not re.fullmatch(r"[A-Za-z]{1,12}\d{1,4}[a-z]?", text)
    )
)
emails = st.builds(
    "{}.{}@{}.invalid".format, *[st.text(string.ascii_lowercase, min_size=3, max_size=8) for _ in "abc"]
)
addresses = st.builds("10.{}.{}.{}".format, *[st.integers(10, 250) for _ in "abc"])
urls = st.builds("https://{}.mill.invalid/{}?t={}".format, *[st.text(LETTERS, min_size=3) for _ in "abc"])
secret_values = st.one_of(tokens, emails, addresses, urls)
sentences = st.sampled_from(
    ["{}", "see {} now", "a={}", "({})", "<{}>", '"{}"', "x {}, y", "{}\nnext", "was: {}"]
)
words = st.sampled_from(["status", "note", "data", "items", "message", "x", "type", "value", "title"])


@st.composite
def planted(draw: st.DrawFn) -> tuple[Any, str]:
    """Return a document with a secret anywhere in it, and the secret."""
    secret = draw(secret_values)
    value: Any = draw(sentences).format(secret)
    for _ in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from(["object", "list", "text", "key"])):
            case "object":
                value = {draw(words): value, "other": 1}
            case "list":
                value = ["first", value]
            case "text":
                value = json.dumps({draw(words): value})
            case _:
                value = {value: "x"} if isinstance(value, str) else {"k": value}
    return {draw(words): value}, secret


@settings(max_examples=300, deadline=None)
@given(planted())
def test_no_planted_secret_is_left(made: tuple[Any, str]) -> None:
    """Tokens, email addresses, IP addresses and URLs, in texts, names, lists, and in JSON inside a text."""
    document, secret = made
    assert secret.casefold() not in replaced(document).casefold()
