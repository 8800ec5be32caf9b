"""Any headers, query, URL and body are accepted or refused, and never cause another error."""

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from push_relay.core.errors import Unauthenticated
from push_relay.core.trust.schemes.registry import read_scheme
from signers import ALL_CASES as CASES
from signers import Case
from sns_sender import NOW, Request

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

#: Pieces that the headers consist of, and pieces that are similar.
_WORDS = "t= v1= v0= v1, v1a, sha256= Basic Bearer , = == 0 -1 +1 1800000000 1800000000.0 AAAA '"
PIECES = st.sampled_from([*_WORDS.split(), " ", "2027-01-15T08:00:00Z", "\u0661", "ab" * 32, "\n", "\0"])
ANYTHING = st.characters(exclude_categories=())  # includes half of a surrogate pair
TEXT = st.one_of(st.text(), st.text(ANYTHING, max_size=8), st.lists(PIECES).map("".join))
URLS = st.one_of(TEXT, TEXT.map("https://x/?bodySHA256={}".format), TEXT.map("https://{}:1/?a=b".format))
BODIES = st.one_of(
    st.binary(), st.lists(st.sampled_from([b"a", b"=", b"&", b"%", b"ff", b"\xff"])).map(b"".join)
)


def refused_or_accepted(case: Case, request: Request, now: float = NOW) -> bool:
    """Return whether a request is accepted. Any exception other than a refusal fails the test."""
    try:
        read_scheme(case.verify)(request, case.evidence(now))
    except Unauthenticated:
        return False
    return True


@EVERY
@given(data=st.data())
def test_any_header_query_url_and_body_is_refused(case: Case, data: st.DataObject) -> None:
    """Random values are never accepted, and never raise an unexpected exception."""
    genuine = case.genuine()
    headers = {name: data.draw(TEXT, name) for name in genuine.headers}
    query = {name: data.draw(TEXT, name) for name in genuine.query}
    request = Request(data.draw(BODIES), headers, query, data.draw(URLS, "url"))
    assert not refused_or_accepted(case, request)


@EVERY
@given(text=TEXT, at=st.floats(0, 1), length=st.integers(0, 3))
@example(text="=", at=1.0, length=0)
def test_a_genuine_proof_with_a_change_is_refused(case: Case, text: str, at: float, length: int) -> None:
    """Such values reach deeper into the parsers than random ones. Only the genuine proof is accepted."""
    for place in (case.proof, *([case.stamp] if case.stamp else [])):
        genuine = case.genuine()
        right = place.read(genuine)
        start = int(at * len(right))
        changed = right[:start] + text + right[start + length :]
        request = place.write(genuine, changed)
        if refused_or_accepted(case, request):
            assert _the_same(case, changed, right)


def _the_same(case: Case, changed: str, right: str) -> bool:
    """Return whether a changed value is another text of the right one, or a list that contains it."""
    joint = " " if case.name.startswith("standard") else ","
    others = case.same(right)
    if right.lower() in others:
        changed, right = changed.lower(), right.lower()
    return changed in (right, *others) or right in changed.split(joint)


@EVERY
@given(moment=st.one_of(st.floats(0, 1e12), st.floats(-1e12, 0)))
def test_any_clock_time_is_handled(case: Case, moment: float) -> None:
    """A clock that is wrong by centuries refuses requests, but does not raise another exception."""
    accepted = refused_or_accepted(case, case.genuine(), moment)
    if case.stamp:
        assert accepted == (-case.future <= moment - NOW <= case.past) or abs(moment - NOW) < case.past + 1


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data())
def test_any_value_in_an_sns_message_is_refused_or_the_same(data: st.DataObject) -> None:
    """The signature is inside the body, so a stranger can write every field of it."""
    case = next(case for case in CASES if case.name == "sns-http version 2")
    message = json.loads(case.genuine().body)
    field = data.draw(st.sampled_from(sorted(message)))
    value = data.draw(st.one_of(JSON, TEXT))
    changed = json.dumps(message | {field: value}).encode()
    if refused_or_accepted(case, replace(case.genuine(), body=changed)):
        assert field == "UnsubscribeURL" or value == message[field]
