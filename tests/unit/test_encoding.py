"""A push is encoded in the vendor's two formats, and read back by the sandbox's contract, lxml and json."""

import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from push_relay.core.delivery import encoding
from push_relay.core.delivery.encoding import Credentials, encode
from push_relay.core.errors import CredentialsUnavailable, MappingFailed
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from push_relay.core.push_format import PushFormat
from sandbox.contract import FIELDS, read_push
from sandbox.contract import Push as Shown

CREDENTIALS = Credentials(4711, "planted-integration-key")
FULL = Wording("Title", "Body", sound=True, expiry_secs=3600)
MINIMAL = Wording("Title", "Body")
BOTH = pytest.mark.parametrize("push_format", list(PushFormat))
XSI = "http://www.w3.org/2001/XMLSchema-instance"
KINDS = {
    RecipientKind.USER: "user_id",
    RecipientKind.EMAIL: "user_email",
    RecipientKind.EXTERNAL: "user_external_id",
}


def push(
    message: Wording = FULL, kind: RecipientKind = RecipientKind.EMAIL, value: str = "ada@example.com"
) -> Push:
    """Write a push."""
    return Push(Recipient(kind, value), message, "key")


def shown(written: bytes, push_format: PushFormat, root: str = "Push") -> Shown:
    """Read an encoded push by the vendor's contract."""
    read = read_push(written, push_format.content_type, root)
    assert isinstance(read, Shown), read
    return read


@BOTH
@pytest.mark.parametrize("kind", list(RecipientKind))
@pytest.mark.parametrize("message", [FULL, MINIMAL, Wording("t", "b", sound=False, expiry_secs=0)])
def test_every_push_keeps_the_contract(
    push_format: PushFormat, kind: RecipientKind, message: Wording
) -> None:
    """A push names its recipient in exactly one way, and omits optional fields that it does not set."""
    read = shown(encode(push(message, kind, "u@x"), CREDENTIALS, push_format), push_format)
    assert (read.title, read.body) == (message.title, message.body)
    assert (read.sound, read.expiry_secs) == (message.sound, message.expiry_secs)
    assert (read.company_id, read.integration_key) == (4711, "planted-integration-key")
    assert [name for name in KINDS.values() if getattr(read, name)] == [KINDS[kind]]


@pytest.mark.parametrize("kind", list(RecipientKind))
def test_xml_elements_are_sorted_and_have_no_namespace(kind: RecipientKind) -> None:
    """The vendor ignores an element that is out of order. Only the root declares the instance namespace."""
    root = etree.fromstring(encode(push(kind=kind), CREDENTIALS, PushFormat.XML))
    names = [element.tag for element in root]
    assert names == sorted(names)
    assert set(names) <= set(FIELDS)
    assert root.tag == "Push"
    assert root.nsmap == {"i": XSI}
    assert not any(element.attrib or len(element) for element in root)


def test_json_fields_have_the_same_order() -> None:
    """The vendor does not need an order in JSON, but one order for both formats is simpler."""
    fields = list(json.loads(encode(push(), CREDENTIALS, PushFormat.JSON)))
    assert fields == sorted(fields)


def test_the_xml_root_element_can_be_configured() -> None:
    """The vendor's documentation does not specify its name."""
    written = encode(push(), CREDENTIALS, PushFormat.XML, xml_root="PushMessage")
    assert shown(written, PushFormat.XML, "PushMessage").title == "Title"


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        '"},"CompanyId":1,"x":"',
        "</Body><CompanyId>1</CompanyId><Body>",
        "<![CDATA[x]]>",
        "]]>",
        "&amp; &lt; & < > \" '",
        "&#0; &x;",
        "<!-- -->",
        "<?xml?>",
        "\t tab \n line \r return \r\n both",
        "\x85\u2028\u2029",
        "🔥👨‍👩‍👧",
        "{{ data }}",
    ],
)
def test_no_value_changes_the_fields_around_it(push_format: PushFormat, text: str) -> None:
    """Senders choose the texts. A text with markup must not add a field or change another one."""
    read = shown(encode(push(Wording(text, text), value=text), CREDENTIALS, push_format), push_format)
    assert (read.title, read.body, read.user_email, read.company_id) == (text, text, text, 4711)


NO_XML = ["\0", "\x0b", "\x1b", "\ufffe", "\uffff", "\x08"]
HALF_A_PAIR = "\ud800"


@pytest.mark.parametrize("character", [*NO_XML, HALF_A_PAIR])
def test_a_character_that_xml_cannot_hold_is_replaced(character: str) -> None:
    """JSON can contain all of them except half of a surrogate pair, which UTF-8 cannot encode."""
    text = f"oven {character} out"
    read = shown(encode(push(Wording(text, text)), CREDENTIALS, PushFormat.XML), PushFormat.XML)
    assert (read.title, read.body) == ("oven \ufffd out",) * 2
    read = shown(encode(push(Wording(text, text)), CREDENTIALS, PushFormat.JSON), PushFormat.JSON)
    assert (read.title, read.body) == (text.replace(HALF_A_PAIR, "\ufffd"),) * 2


@pytest.mark.parametrize(
    ("push_format", "character"),
    [(PushFormat.JSON, HALF_A_PAIR), *((PushFormat.XML, c) for c in [*NO_XML, HALF_A_PAIR])],
)
def test_a_recipient_that_the_format_cannot_express_is_refused(
    push_format: PushFormat, character: str
) -> None:
    """A replaced character could name another person. The error does not quote the recipient."""
    with pytest.raises(MappingFailed) as refused:
        encode(push(value=f"planted{character}"), CREDENTIALS, push_format)
    assert refused.value.detail == f"the recipient holds a character that {push_format.name} cannot"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@BOTH
def test_a_key_that_the_format_cannot_express_is_a_credentials_error(push_format: PushFormat) -> None:
    """The secret is wrong and not the push, so the push is parked until the secret is corrected."""
    with pytest.raises(CredentialsUnavailable) as refused:
        encode(push(), Credentials(1, f"planted{HALF_A_PAIR}"), push_format)
    assert "planted" not in str(refused.value)


def test_credentials_cannot_be_printed() -> None:
    """A log line with the credentials object must not contain the key, in any kind of formatting."""
    for text in (repr(CREDENTIALS), str(CREDENTIALS), f"{CREDENTIALS}", f"{CREDENTIALS!r}"):
        assert "planted" not in text
        assert "4711" not in text


TEXTS = st.text(st.characters(exclude_categories=()), min_size=1) | st.text(
    "<>&\"'\r\n\t\0\ud800]}{:,é🔥", min_size=1
)
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NOT_UTF8 = re.compile("[\ud800-\udfff]")
PUSHES = st.builds(
    lambda title, body, sound, expiry, kind, value: push(Wording(title, body, sound, expiry), kind, value),
    TEXTS,
    TEXTS,
    st.none() | st.booleans(),
    st.none() | st.integers(0, 2**31),
    st.sampled_from(RecipientKind),
    TEXTS,
)


def contents(read: Any) -> tuple[Any, ...]:
    """Return the texts, the options and the recipient of a push that was read back."""
    value = read.user_id or read.user_email or read.user_external_id
    return read.title, read.body, read.sound, read.expiry_secs, value


def expected_contents(given: Push, lacking: "re.Pattern[str]") -> tuple[Any, ...]:
    """Return the same of a push, if the format lacks some characters."""
    message = given.wording
    title, body = (lacking.sub("\ufffd", text) for text in (message.title, message.body))
    return title, body, message.sound, message.expiry_secs, given.recipient.value


@given(PUSHES, st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_any_text_survives_json(given_push: Push, key: str) -> None:
    """Half of a surrogate pair becomes U+FFFD. `json` and the contract read all other text back."""
    credentials = Credentials(1, key)
    if NOT_UTF8.search(given_push.recipient.value):
        with pytest.raises(MappingFailed):
            encode(given_push, credentials, PushFormat.JSON)
        return
    written = encode(given_push, credentials, PushFormat.JSON)
    assert contents(shown(written, PushFormat.JSON)) == expected_contents(given_push, NOT_UTF8)
    assert json.loads(written)["IntegrationKey"] == key


@given(PUSHES)
def test_any_text_survives_xml(given_push: Push) -> None:
    """A character outside XML 1.0 becomes U+FFFD. `lxml` and the contract read all other text back."""
    if NOT_XML.search(given_push.recipient.value):
        with pytest.raises(MappingFailed):
            encode(given_push, CREDENTIALS, PushFormat.XML)
        return
    written = encode(given_push, CREDENTIALS, PushFormat.XML)
    assert contents(shown(written, PushFormat.XML)) == expected_contents(given_push, NOT_XML)
    assert etree.fromstring(written).findtext("Title") == NOT_XML.sub("\ufffd", given_push.wording.title)


def test_no_format_lacks_a_printable_character() -> None:
    """A printable text is not searched for such characters. Every code point is looked at."""
    printable = "".join(filter(str.isprintable, map(chr, range(sys.maxunicode + 1))))
    for pattern in (encoding._NOT_XML, encoding._NOT_UTF8):
        assert re.search(pattern, printable) is None
