"""Any body of the vendor's answer can be read, and none of its text is passed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.delivery.encoding import MAX_ANSWER_BYTES, Answer, read_answer

FINE, DOUBTFUL = Answer(), Answer(doubtful=True)
XML = '<?xml version="1.0"?><PushResponse xmlns="http://schemas.example.com/types">{}</PushResponse>'
STATUS = "<ResponseStatus><ErrorCode>{}</ErrorCode><Message>planted</Message></ResponseStatus>"
ENTITIES = '<!DOCTYPE x [<!ENTITY a "a"><!ENTITY b "&a;&a;">]>'
BILLION = f"{ENTITIES}<x>{STATUS.format('&b;')}</x>"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("", FINE),
        (" \r\n", FINE),
        ("null", FINE),
        ("{}", FINE),
        ("[]", FINE),
        ("OK", FINE),
        ('"ErrorCode"', FINE),
        ('{"ResponseStatus": null}', FINE),
        ('{"ResponseStatus": {}}', FINE),
        ('{"ResponseStatus": []}', FINE),
        ('{"ResponseStatus": {"ErrorCode": ""}}', FINE),
        ('{"ResponseStatus": {"ErrorCode": null}}', FINE),
        ('{"ResponseStatus": {"ErrorCode": " "}}', FINE),
        ('{"ErrorCode": "Top"}', FINE),
        ('{"ResponseStatus": {"ErrorCode": "UserNotFound", "Message": "planted"}}', Answer("UserNotFound")),
        ('\ufeff{"ResponseStatus": {"ErrorCode": "UserNotFound"}}', Answer("UserNotFound")),
        ('{"ResponseStatus": {"ErrorCode": "no user ada@example.com"}}', Answer("unreadable")),
        ('{"ResponseStatus": {"ErrorCode": "A\\n"}}', Answer("A")),
        ('{"ResponseStatus": {"ErrorCode": "A\\nB"}}', Answer("unreadable")),
        ('{"ResponseStatus": {"ErrorCode": 17}}', Answer("unreadable")),
        ('{"ResponseStatus": {"ErrorCode": ["planted"]}}', Answer("unreadable")),
        ('{"ResponseStatus": {"ErrorCode": "' + "A" * 65 + '"}}', Answer("unreadable")),
        ('{"ResponseStatus": {"Errors": [{"ErrorCode": "Inner"}]}}', FINE),
        ('{"ResponseStatus": {"ErrorCode": "UserN', DOUBTFUL),
        ('{"ResponseStatus": {"Err', FINE),
        ("[" * 50_000 + '"ErrorCode"', DOUBTFUL),
        ('{"a": ' + "7" * 5_000 + ', "ErrorCode": 1}', DOUBTFUL),
        (XML.format(""), FINE),
        (XML.format("<ResponseStatus/>"), FINE),
        (XML.format(STATUS.format("")), FINE),
        (XML.format(STATUS.format("\n  ")), FINE),
        (XML.format(STATUS.format("UserNotFound")), Answer("UserNotFound")),
        (XML.format(STATUS.format("<![CDATA[User]]>NotFound")), Answer("UserNotFound")),
        (XML.format(STATUS.format("\n UserNotFound\n")), Answer("UserNotFound")),
        (XML.format(STATUS.format("ada@example.com")), Answer("unreadable")),
        (XML.format("<Errors><ErrorCode>Inner</ErrorCode></Errors>"), FINE),
        (
            '<a:R xmlns:a="u"><a:ResponseStatus><a:ErrorCode>Prefixed</a:ErrorCode></a:ResponseStatus></a:R>',
            Answer("Prefixed"),
        ),
        (
            '<R xmlns:i="i"><ResponseStatus><ErrorCode i:nil="true"/></ResponseStatus></R>',
            FINE,
        ),
        ("<a:R><ResponseStatus><ErrorCode>Unbound</ErrorCode></ResponseStatus></a:R>", DOUBTFUL),
        (BILLION, DOUBTFUL),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1:1/"><x/>', FINE),
        ("<R><ResponseStatus><ErrorCode>UserNotF", DOUBTFUL),
        ("<R>", FINE),
        ('<?xml version="1.0" encoding="nosuch"?><R><ErrorCode/></R>', DOUBTFUL),
        ("<!DOCTYPE html><p>planted", DOUBTFUL),
        ("<HTML><body>502", DOUBTFUL),
        ("<!-- proxy --> <html>", DOUBTFUL),
        ("<head></head>", DOUBTFUL),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer_is_read_as_success_error_or_doubt(body: str, answer: Answer) -> None:
    """A proxy's page and a truncated error are doubtful. A body without an error code is a success."""
    assert read_answer(body.encode()) == answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (bytes(range(128, 256)) + b"\x00{<", FINE),
        (b'{"ResponseStatus": {"ErrorCode": "\xff"}}', DOUBTFUL),
        ('{"ResponseStatus": {"ErrorCode": "Wide"}}'.encode("utf-16"), Answer("Wide")),
        ("<R><ResponseStatus><ErrorCode>Wide</ErrorCode></ResponseStatus></R>".encode("utf-16"), FINE),
        (b"x" * 5_000_000, FINE),
        (b'{"ResponseStatus": {"ErrorCode": "A"}, "pad": "' + b"x" * MAX_ANSWER_BYTES + b'"}', DOUBTFUL),
        (b"<R>" + b"<a>" * 100_000, FINE),
    ],
    ids=lambda value: str(value)[:40],
)
def test_garbage_other_charsets_and_huge_bodies_are_read(body: bytes, answer: Answer) -> None:
    """Only the beginning of a body is read, so a huge one costs no more than a small one."""
    assert read_answer(body) == answer


PIECES = st.sampled_from(
    [
        b"<",
        b">",
        b"</",
        b"{",
        b'"',
        b":",
        b"ResponseStatus",
        b"ErrorCode",
        b"<!DOCTYPE",
        b"&a;",
        b"\xff",
        b"a",
        b" ",
    ]
)


@given(st.binary() | st.lists(PIECES).map(b"".join))
def test_any_bytes_can_be_read_as_an_answer(body: bytes) -> None:
    """The error code is logged, so it must not contain personal data such as an email address."""
    code = read_answer(body).error_code
    assert code is None or (code.isascii() and "@" not in code and len(code) <= 64)
