"""The sandbox complies with the vendor's contract: what it accepts, what it refuses, and its answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sandbox import Account, Push, Rule, SandboxServer, read_push
from sandbox.contract import FIELDS
from sandbox_client import COMPANY_ID, INSTANCE, KEY, PUSH, ask, json_push, send_push, xml_push

JSON, XML = "application/json", "application/xml"


def violations(body: bytes, content_type: str | None, root: str = "Push") -> set[tuple[str, Rule]]:
    """Return the fields and rules that a body violates. A valid push fails the test."""
    read = read_push(body, content_type, root)
    assert isinstance(read, list), "the sandbox has accepted the push"
    return {(violation.field, violation.rule) for violation in read}


def xml(inside: str, root: str = f"Push {INSTANCE}") -> bytes:
    """Return a document with elements in a root."""
    return f"<{root}>{inside}</{root.split(maxsplit=1)[0]}>".encode()


def required_xml(**changes: str) -> str:
    """Return the elements of the smallest valid push, with changed texts."""
    values = {"Body": "b", "CompanyId": "1", "IntegrationKey": "k", "Title": "t", "UserId": "u", **changes}
    return "".join(f"<{name}>{values[name]}</{name}>" for name in sorted(values))


GOOD = [
    {},
    {"Sound": False, "ExpirySecs": 0},
    {"Sound": None, "ExpirySecs": None},
    {"UserEmail": None, "UserId": "7"},
    {"UserEmail": None, "UserExternalId": "emp-7"},
    {"UserId": "7", "UserExternalId": "emp-7"},
    {"Title": "🚒 مرحبا <b>&amp;</b> ]]>", "Body": "line\nline\ttab"},
    {"Title": " ", "Body": "x" * 100_000},
]


@pytest.mark.parametrize("changes", GOOD)
def test_a_push_is_read_the_same_from_json_and_from_xml(changes: dict[str, object]) -> None:
    """The page shows all of its fields except the integration key."""
    from_json = read_push(json_push(**changes), JSON)
    assert isinstance(from_json, Push)
    assert from_json == read_push(xml_push(**changes), XML)
    expected = {name: value for name, value in {**PUSH, **changes}.items() if value is not None}
    assert from_json.shown() == {k: v for k, v in expected.items() if k != "IntegrationKey"}


@pytest.mark.parametrize(
    "content_type", [JSON, "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_a_media_type_may_have_any_case_and_a_charset_of_utf_8(content_type: str) -> None:
    """HTTP allows these spellings (RFC 9110, 8.3.1)."""
    assert isinstance(read_push(json_push(), content_type), Push)


def test_without_a_content_type_the_body_is_read_as_xml() -> None:
    """The vendor documents this. JSON without the header is malformed XML."""
    assert isinstance(read_push(xml_push(), None), Push)
    assert violations(json_push(), None) == {("", Rule.MALFORMED)}


@pytest.mark.parametrize("content_type", ["text/xml", "text/plain", "", "application/json; charset=latin-1"])
def test_other_media_types_and_charsets_are_refused(content_type: str) -> None:
    """Only two media types are documented."""
    assert violations(json_push(), content_type) == {("Content-Type", Rule.MEDIA_TYPE)}


@pytest.mark.parametrize("name", ["Body", "CompanyId", "IntegrationKey", "Title"])
@pytest.mark.parametrize(("write", "content_type"), [(json_push, JSON), (xml_push, XML)])
def test_a_missing_field_is_named(write, content_type: str, name: str) -> None:  # noqa: ANN001 - one of two
    """Only the missing field is named, so that a sender sees its one mistake."""
    assert violations(write(**{name: None}), content_type) == {(name, Rule.REQUIRED)}


@pytest.mark.parametrize("name", ["Body", "IntegrationKey", "Title"])
@pytest.mark.parametrize(("write", "content_type"), [(json_push, JSON), (xml_push, XML)])
def test_a_required_text_must_not_be_empty(write, content_type: str, name: str) -> None:  # noqa: ANN001 - one of two
    """The rule differs from that of a missing field."""
    assert violations(write(**{name: ""}), content_type) == {(name, Rule.EMPTY)}


@pytest.mark.parametrize("changes", [{"UserEmail": None}, {"UserEmail": ""}])
@pytest.mark.parametrize(("write", "content_type"), [(json_push, JSON), (xml_push, XML)])
def test_an_identifier_is_required(write, content_type: str, changes: dict[str, object]) -> None:  # noqa: ANN001 - one of two
    """Without an identifier, or with an empty one, nobody would receive the push."""
    assert violations(write(**changes), content_type) == {("UserId", Rule.NO_IDENTIFIER)}


WRONG_TYPES = [
    *[
        (name, value)
        for name in ("CompanyId", "ExpirySecs")
        for value in ("4711", 4711.0, True, [1], {}, 1e99)
    ],
    *[("Sound", value) for value in ("true", 1, 0, "yes")],
    *[
        (name, value)
        for name in ("Body", "IntegrationKey", "Title", "UserEmail")
        for value in (7, True, ["x"])
    ],
]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_json_types_are_exact(name: str, value: object) -> None:
    """A lenient parser would accept a number in quotes or a boolean as an integer."""
    assert violations(json_push(**{name: value}), JSON) == {(name, Rule.TYPE)}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_null_is_refused_for_every_field(name: str) -> None:
    """A sender must leave out an unused field."""
    assert (name, Rule.TYPE) in violations(json.dumps({**PUSH, name: None}).encode(), JSON)


@pytest.mark.parametrize(
    "text", ["", "1.0", "+1", "0x1", " 1", "1 ", "01", "-0.0", "1e3", "1_000", "٣", "1" * 20]
)
def test_xml_integers_are_plain_decimals(text: str) -> None:
    """Python or an XML schema would accept some of these texts."""
    assert violations(xml(required_xml(CompanyId=text)), XML) == {("CompanyId", Rule.TYPE)}


@pytest.mark.parametrize("text", ["True", "TRUE", "1", "0", "yes", "", " true"])
def test_xml_booleans_are_true_or_false(text: str) -> None:
    """Python writes True, and an XML schema allows 1."""
    assert violations(xml(required_xml(Sound=text)), XML) == {("Sound", Rule.TYPE)}


@pytest.mark.parametrize(("write", "content_type"), [(json_push, JSON), (xml_push, XML)])
def test_integers_stay_in_range(write, content_type: str) -> None:  # noqa: ANN001 - one of two
    """An expiry must not be in the past, and a number must fit into 64 bits."""
    assert violations(write(ExpirySecs=-1), content_type) == {("ExpirySecs", Rule.RANGE)}
    assert violations(write(CompanyId=2**63), content_type) == {("CompanyId", Rule.RANGE)}


@pytest.mark.parametrize(("write", "content_type"), [(json_push, JSON), (xml_push, XML)])
@pytest.mark.parametrize("name", ["Titel", "title", "AaDevice"])
def test_an_unknown_field_is_refused(write, content_type: str, name: str) -> None:  # noqa: ANN001 - one of two
    """If a misspelt name were ignored, nobody would notice it."""
    assert violations(write(**{name: "x"}), content_type) == {(name, Rule.UNKNOWN)}


def test_a_duplicate_is_refused() -> None:
    """Most parsers ignore one of the two values."""
    assert violations(json_push()[:-1] + b', "Title": "again"}', JSON) == {("Title", Rule.DUPLICATE)}
    twice = required_xml().replace("<Title>t</Title>", "<Title>t</Title><Title>again</Title>")
    assert violations(xml(twice), XML) == {("Title", Rule.DUPLICATE)}


BAD_JSON = [
    (b"", Rule.MALFORMED),
    (b"{", Rule.MALFORMED),
    (b"{'Title': 1}", Rule.MALFORMED),
    (b'{"Title": NaN}', Rule.MALFORMED),
    (b"[" * 100_000, Rule.MALFORMED),
    (b"\xef\xbb\xbf{}", Rule.MALFORMED),
    (b'{"Title": "\xff"}', Rule.ENCODING),
    (b"[]", Rule.TYPE),
    (b'"text"', Rule.TYPE),
]


@pytest.mark.parametrize(("body", "rule"), BAD_JSON)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes, rule: Rule) -> None:
    """The cases are malformed, deeply nested, wrongly encoded, or another kind of value."""
    assert violations(body, JSON) == {("", rule)}


def test_half_a_surrogate_pair_is_refused() -> None:
    """JSON can escape it, but UTF-8 and XML cannot represent it."""
    assert violations(json_push(Title="\ud83d"), JSON) == {("Title", Rule.ENCODING)}


DOCTYPE = b'<!DOCTYPE Push [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
WITHOUT_INSTANCE = f"<Push>{required_xml()}</Push>".encode()
BAD_XML = {
    "not well-formed": (xml("<Title>"), {("", Rule.MALFORMED)}),
    "empty": (b"", {("", Rule.MALFORMED)}),
    "two roots": (xml(required_xml()) * 2, {("", Rule.MALFORMED)}),
    "wrong charset": (xml(required_xml(Title="ä")).decode().encode("latin-1"), {("", Rule.ENCODING)}),
    "declares another charset": (
        b'<?xml version="1.0" encoding="iso-8859-1"?>' + xml(required_xml()),
        {("", Rule.ENCODING)},
    ),
    "document type": (DOCTYPE + xml(required_xml()), {("", Rule.DOCTYPE)}),
    "namespace not declared": (WITHOUT_INSTANCE, {("Push", Rule.NAMESPACE)}),
    "namespace under another prefix": (
        WITHOUT_INSTANCE.replace(b"<Push>", f"<Push {INSTANCE.replace(':i', ':xsi')}>".encode()),
        {("xmlns:xsi", Rule.NAMESPACE), ("Push", Rule.NAMESPACE)},
    ),
    "another namespace under the prefix": (
        WITHOUT_INSTANCE.replace(b"<Push>", b'<Push xmlns:i="http://www.w3.org/2001/XMLSchema">'),
        {("xmlns:i", Rule.NAMESPACE), ("Push", Rule.NAMESPACE)},
    ),
    "namespace declared too late": (
        WITHOUT_INSTANCE.replace(b"<Body>", f"<Body {INSTANCE}>".encode()),
        {("xmlns:i", Rule.NAMESPACE), ("Push", Rule.NAMESPACE)},
    ),
    "default namespace": (
        xml("").replace(b"<Push ", b'<Push xmlns="urn:x" '),
        {("xmlns", Rule.NAMESPACE), ("Push", Rule.NAMESPACE)},
    ),
    "wrong root": (xml(required_xml(), f"push {INSTANCE}"), {("push", Rule.ROOT)}),
    "attribute": (xml(required_xml().replace("<Body>", '<Body lang="en">')), {("lang", Rule.ATTRIBUTE)}),
    "nil": (xml(required_xml().replace("<Body>", '<Body i:nil="false">')), {("nil", Rule.ATTRIBUTE)}),
    "nested": (xml(required_xml(Body="x<b>y</b>")), {("b", Rule.NESTED)}),
    "text between": (xml("loose" + required_xml()), {("", Rule.NESTED)}),
    "out of order": (
        xml(required_xml().replace("<Body>b</Body>", "") + "<Body>b</Body>"),
        {("Body", Rule.ORDER)},
    ),
}


@pytest.mark.parametrize("name", BAD_XML)
def test_invalid_xml_violates_exactly_the_expected_rules(name: str) -> None:
    """A sender must see the rule that it has violated, and no other."""
    body, expected = BAD_XML[name]
    assert violations(body, XML) == expected


def test_other_well_formed_xml_is_accepted() -> None:
    """A byte order mark, a declaration, a comment, CDATA and references are part of XML."""
    body = b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<!-- a -->' + xml(
        "\n  " + required_xml(Title="<![CDATA[t < u]]>&#x1F692;")
    )
    push = read_push(body, XML)
    assert isinstance(push, Push)
    assert push.title == "t < u🚒"


def test_the_root_elements_name_is_an_option() -> None:
    """The vendor does not document the name."""
    assert isinstance(read_push(xml(required_xml(), f"PushMessage {INSTANCE}"), XML, "PushMessage"), Push)


@given(st.permutations(sorted(FIELDS)))
def test_xml_elements_must_be_in_alphabetical_order(names: list[str]) -> None:
    """The vendor's reader silently ignores an element that is out of order."""
    values = {"CompanyId": "1", "ExpirySecs": "1", "Sound": "true"}
    inside = "".join(f"<{name}>{values.get(name, 'x')}</{name}>" for name in names)
    assert isinstance(read_push(xml(inside), XML), Push) == (names == sorted(names))


@given(st.binary() | st.text().map(str.encode), st.sampled_from([JSON, XML, None]))
def test_any_bytes_give_violations_and_no_exception(body: bytes, content_type: str | None) -> None:
    """An exception would be a 500, which the contract does not have."""
    assert isinstance(read_push(body, content_type), list)


def test_no_violation_contains_a_value() -> None:
    """A body is a secret, even if the key is in a wrong field."""
    found = [
        *read_push(json_push(Sound=KEY, CompanyId=KEY, Extra=KEY, UserEmail=[KEY]), JSON),  # type: ignore[misc]
        *read_push(xml(required_xml(Sound=KEY, CompanyId=KEY) + KEY), XML),  # type: ignore[misc]
    ]
    assert found
    assert KEY not in repr(found)


# --- the answers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():  # noqa: ANN201 - a generator fixture
    """Run one sandbox for the module."""
    with SandboxServer(Account(COMPANY_ID, KEY)) as running:
        yield running


@pytest.mark.parametrize(
    ("body", "content_type"), [(json_push(), JSON), (xml_push(), XML), (xml_push(), None)]
)
@pytest.mark.parametrize("answer_format", ["json", "xml"])
def test_the_query_chooses_the_format_of_the_answer(
    server: SandboxServer, body: bytes, content_type: str | None, answer_format: str
) -> None:
    """It does not depend on the format of the request."""
    answer = send_push(server, body, content_type=content_type, answer_format=answer_format)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(f"application/{answer_format}")
    assert answer.json if answer_format == "json" else etree.fromstring(answer.body).tag == "PushResponse"


def test_an_error_names_the_field_in_json(server: SandboxServer) -> None:
    """The envelope is that of the vendor's sibling resources."""
    answer = send_push(server, json_push(Sound="yes"))
    assert answer.status == 400
    status = answer.json["ResponseStatus"]
    assert status["ErrorCode"] == "InvalidParameter"
    assert [(error["ErrorCode"], error["FieldName"]) for error in status["Errors"]] == [("Type", "Sound")]


def test_an_error_names_the_field_in_xml_under_a_prefix(server: SandboxServer) -> None:
    """A reader must use local names. A field name with markup must not break the document."""
    answer = send_push(server, json_push(**{"<&\x01": "x"}), answer_format="xml")
    assert answer.status == 400
    assert b"<e:ErrorCode>" in answer.body
    texts = {element.tag.rpartition("}")[2]: element.text for element in etree.fromstring(answer.body).iter()}
    assert texts["FieldName"] == "<&?"


@pytest.mark.parametrize("query", ["", "?format=", "?format=JSON", "?format=yaml", "?format=json&format=xml"])
def test_the_format_is_json_or_xml(server: SandboxServer, query: str) -> None:
    """A format that is missing, empty, misspelt or repeated is refused."""
    answer = ask(server, "POST", f"/api/v2/push{query}", json_push(), {"Content-Type": JSON})
    assert answer.status == 400
    assert answer.json["ResponseStatus"]["Errors"][0]["FieldName"] == "format"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v2/push"),
        ("PUT", "/api/v2/push"),
        ("POST", "/api/v2/Push"),
        ("POST", "/"),
        ("GET", "/x"),
    ],
)
def test_any_other_endpoint_is_answered_405(server: SandboxServer, method: str, path: str) -> None:
    """The vendor documents 405 also for a wrong path."""
    answer = ask(server, method, f"{path}?format=json", None)
    assert (answer.status, answer.error_code) == (405, "NoSuchEndpoint")


@pytest.mark.parametrize("changes", [{"CompanyId": 1}, {"IntegrationKey": "wrong"}, {"IntegrationKey": "ä"}])
def test_wrong_credentials_are_answered_401(server: SandboxServer, changes: dict[str, object]) -> None:
    """One wrong half of the credentials is enough."""
    answer = send_push(server, json_push(**changes))
    assert (answer.status, answer.error_code) == (401, "Unauthorized")


def test_a_body_of_more_than_a_mebibyte_is_refused_and_read_to_its_end(server: SandboxServer) -> None:
    """If the rest were not read, the caller would get a reset instead of an answer."""
    answer = send_push(server, json_push(Body="x" * 3_000_000))
    assert (answer.status, answer.error_code) == (413, "RequestTooLarge")
