"""A push in the vendor's two formats, held against the sandbox's contract, lxml and json."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from push_relay.core.encoding import Credentials, Format, encode
from push_relay.core.errors import MappingFailed
from push_relay.core.push import Message, Push, Recipient, RecipientKind
from sandbox.contract import FIELDS, read_push
from sandbox.contract import Push as Shown

CREDENTIALS = Credentials(4711, "planted-integration-key")
FULL = Message("Title", "Body", sound=True, expiry_secs=3600)
LEAST = Message("Title", "Body")
BOTH = pytest.mark.parametrize("form", list(Format))
XSI = "http://www.w3.org/2001/XMLSchema-instance"
KINDS = {
    RecipientKind.USER: "user_id",
    RecipientKind.EMAIL: "user_email",
    RecipientKind.EXTERNAL: "user_external_id",
}


def push(
    message: Message = FULL, kind: RecipientKind = RecipientKind.EMAIL, value: str = "ada@example.com"
) -> Push:
    """Write a push."""
    return Push(Recipient(kind, value), message, "key")


def shown(written: bytes, form: Format, root: str = "Push") -> Shown:
    """Read a body as the vendor's contract has it."""
    read = read_push(written, form.content_type, root)
    assert isinstance(read, Shown), read
    return read


@BOTH
@pytest.mark.parametrize("kind", list(RecipientKind))
@pytest.mark.parametrize("message", [FULL, LEAST, Message("t", "b", sound=False, expiry_secs=0)])
def test_every_push_keeps_the_contract(form: Format, kind: RecipientKind, message: Message) -> None:
    """Exactly one identifier; what is not said is left out."""
    read = shown(encode(push(message, kind, "u@x"), CREDENTIALS, form), form)
    assert (read.title, read.body) == (message.title, message.body)
    assert (read.sound, read.expiry_secs) == (message.sound, message.expiry_secs)
    assert (read.company_id, read.integration_key) == (4711, "planted-integration-key")
    assert [name for name in KINDS.values() if getattr(read, name)] == [KINDS[kind]]


@pytest.mark.parametrize("kind", list(RecipientKind))
def test_xml_elements_stand_in_alphabetical_order_in_no_namespace(kind: RecipientKind) -> None:
    """The vendor's reader drops what is out of order; the root declares the instance namespace."""
    root = etree.fromstring(encode(push(kind=kind), CREDENTIALS, Format.XML))
    names = [element.tag for element in root]
    assert names == sorted(names)
    assert set(names) <= set(FIELDS)
    assert root.tag == "Push"
    assert root.nsmap == {"i": XSI}
    assert not any(element.attrib or len(element) for element in root)


def test_json_fields_have_the_same_order() -> None:
    """It needs none, and one order is enough to know."""
    fields = list(json.loads(encode(push(), CREDENTIALS, Format.JSON)))
    assert fields == sorted(fields)


def test_the_xml_root_is_a_setting() -> None:
    """The documentation does not tell its name."""
    written = encode(push(), CREDENTIALS, Format.XML, xml_root="PushMessage")
    assert shown(written, Format.XML, "PushMessage").title == "Title"


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
def test_no_value_changes_what_is_round_it(form: Format, text: str) -> None:
    """Escaping is by construction: it comes out as it went in, and so does everything else."""
    read = shown(encode(push(Message(text, text), value=text), CREDENTIALS, form), form)
    assert (read.title, read.body, read.user_email, read.company_id) == (text, text, text, 4711)


@pytest.mark.parametrize("text", ["\0", "\x0b", "\x1b[31m", "\ufffe", "\uffff", "\x08"])
def test_what_xml_cannot_hold_is_refused_by_the_fields_name(text: str) -> None:
    """Not dropped, not replaced; and JSON can hold it."""
    with pytest.raises(MappingFailed) as refused:
        encode(push(Message("t", f"planted{text}")), CREDENTIALS, Format.XML)
    assert refused.value.detail.startswith("Body holds a character")
    assert "planted" not in str(refused.value)
    assert shown(encode(push(Message("t", text)), CREDENTIALS, Format.JSON), Format.JSON).body == text


@BOTH
def test_half_a_surrogate_pair_is_refused(form: Format) -> None:
    """UTF-8 has no bytes for it."""
    with pytest.raises(MappingFailed) as refused:
        encode(push(Message("planted\ud800", "b")), CREDENTIALS, form)
    assert "planted" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_credentials_cannot_be_printed() -> None:
    """They travel in the body: no repr, no str, no format shows them."""
    for text in (repr(CREDENTIALS), str(CREDENTIALS), f"{CREDENTIALS}", f"{CREDENTIALS!r}"):
        assert "planted" not in text
        assert "4711" not in text


TEXTS = st.text(st.characters(exclude_categories=()), min_size=1) | st.text(
    "<>&\"'\r\n\t\0\ud800]}{:,é🔥", min_size=1
)
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
PUSHES = st.builds(
    lambda title, body, sound, expiry, kind, value: push(Message(title, body, sound, expiry), kind, value),
    TEXTS,
    TEXTS,
    st.none() | st.booleans(),
    st.none() | st.integers(0, 2**31),
    st.sampled_from(RecipientKind),
    TEXTS,
)


def said(read: Any) -> tuple[Any, ...]:
    """Return everything that a read push says."""
    value = read.user_id or read.user_email or read.user_external_id
    return read.title, read.body, read.sound, read.expiry_secs, value


def meant(given: Push) -> tuple[Any, ...]:
    """Return everything that a push was meant to say."""
    message = given.message
    return message.title, message.body, message.sound, message.expiry_secs, given.recipient.value


@given(PUSHES, st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_any_text_survives_json_or_has_no_utf8(given_push: Push, key: str) -> None:
    """Refused exactly where a lone surrogate stands; json and the contract read back what was meant."""
    texts = (given_push.message.title, given_push.message.body, given_push.recipient.value)
    credentials = Credentials(1, key)
    if any("\ud800" <= c <= "\udfff" for text in texts for c in text):
        with pytest.raises(MappingFailed):
            encode(given_push, credentials, Format.JSON)
        return
    written = encode(given_push, credentials, Format.JSON)
    assert said(shown(written, Format.JSON)) == meant(given_push)
    assert json.loads(written)["IntegrationKey"] == key


@given(PUSHES)
def test_any_text_survives_xml_or_cannot_be_held_by_it(given_push: Push) -> None:
    """Refused exactly where XML 1.0 has no character for it; lxml and the contract read back the rest."""
    texts = (given_push.message.title, given_push.message.body, given_push.recipient.value)
    if any(NOT_XML.search(text) for text in texts):
        with pytest.raises(MappingFailed):
            encode(given_push, CREDENTIALS, Format.XML)
        return
    written = encode(given_push, CREDENTIALS, Format.XML)
    assert said(shown(written, Format.XML)) == meant(given_push)
    assert etree.fromstring(written).findtext("Title") == given_push.message.title
