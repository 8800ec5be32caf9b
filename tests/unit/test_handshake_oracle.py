"""A handshake that signs what a stranger has chosen must not sign an event.

Each test asks a genuine relay over HTTP to sign texts, as a stranger may, and then tries to pass each
signature as that of an event.
"""

import itertools
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import World
from front_door import api_gateway_v2, request, world
from push_relay.core.errors import MalformedRequest
from push_relay.core.rules.findings import Mistakes
from push_relay.core.rules.source import read_source
from push_relay.core.trust.handshakes.engine import Means, answer_unproven, is_signed_for_anybody
from push_relay.core.trust.handshakes.row import ANY, PRINTABLE, Row
from push_relay.core.trust.handshakes.rows import ROWS
from signers import mac
from sns_sender import NOW, Request

KEY = b"planted key"
SHA1_KEY = sha1(KEY, usedforsecurity=False).digest()
STAMP = str(NOW)
SIGNING = tuple(name for name, rows in ROWS.items() if any(row.signs for row in rows))
#: The parameter in which a stranger chooses the text.
PARAMETERS = {"x": "crc_token", "linkedin": "challengeCode", "braintree": "bt_challenge"}
#: How the senders sign their events: each has a preset of the handshake's name.
OWN = {name: {"scheme": name} for name in SIGNING}
#: Sources of another form with the same handshake.
OTHERS: tuple[dict[str, Any], ...] = (
    {"scheme": "signed", "signature": "header:x-signature"},
    {"scheme": "signed", "signature": "header:x-signature", "encoding": "base64"},
    {"scheme": "signed", "signature": "header:x-signature", "algorithm": "hmac-sha1"},
    {
        "scheme": "signed",
        "signature": "header:x-signature",
        "algorithm": "hmac-sha1",
        "key_derive": "sha1",
    },
    {
        "scheme": "signed",
        "signature": "header:x-signature",
        "text": "{header:x-id}{body}",
        "adjacent": "the test wants the most careless description",
    },
    {"scheme": "hmac", "header": "x-signature", "prefix": "sha256="},
)
TEXT_EVENTS = 'format = "text"'
EVENTS = (
    "",
    TEXT_EVENTS,
    'format = "list"',
    'form_field = "*"',
    'form_field = "bt_payload"\nformat = "text"',
)
#: The texts of a handshake that are tried as events.
MOST_TEXTS = 4
BODIES = (
    "{}",
    '{"a":1}',
    "[{}]",
    "[]",
    "1",
    "true",
    "null",
    '"a"',
    "a=1",
    "a=%7B%7D",
    "a",
    "0123456789abcdef0123",
)
TEXTS = (
    *BODIES,
    *(f"v0:{STAMP}:{body}" for body in BODIES),
    *(f"hmacsha256={body}" for body in BODIES),
    *(f"{STAMP}.{body}" for body in BODIES),
    *(sha256(body.encode()).hexdigest() for body in BODIES[:2]),
    *(b64encode(body.encode()).decode() for body in BODIES[:2]),
    "890e4665-4dfe-4ab1-b689-ed553bceeed0",
    "20f9f8ed05f77439fe955c977e4c8a53",
)


@dataclass(frozen=True)
class Signer:
    """A relay with a handshake that signs."""

    name: str
    here: World

    def sign(self, text: str) -> bytes | None:
        """Return the signature of a text; None if the relay refuses to sign it."""
        if self.name == "zoom":
            # A stranger cannot ask: the request is signed. Anyone who sees the answer of a genuine one can.
            body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": text}}).encode()
            asked, method = self.signed_zoom(body), "POST"
        else:
            asked, method = request(b"", {}, {PARAMETERS[self.name]: text}), "GET"
        answer = self.here.receive(api_gateway_v2(asked, method=method))
        if answer["statusCode"] != 200:
            return None
        found = re.search(r"[0-9a-f]{40,64}(?=\"?\}?$)|(?<=sha256=)[A-Za-z0-9+/]{43}=", answer["body"])
        assert found, answer["body"]
        return b64decode(found[0]) if found[0].endswith("=") else bytes.fromhex(found[0])

    def signed_zoom(self, body: bytes) -> Request:
        """Return a request that Zoom's scheme accepts."""
        signature = "v0=" + mac(KEY, b"v0:" + STAMP.encode() + b":" + body).hex()
        return request(body, {"x-zm-signature": signature, "x-zm-request-timestamp": STAMP})


def relay_for(directory: Path, name: str, verify: Mapping[str, Any], event: str = "") -> World:
    """Return a relay whose only source has a handshake that signs."""
    here = world(directory, verify, top=f'handshake = "{name}"', event=event)
    here.secrets.secrets = (KEY,)
    here.secrets.stored_settings = {"public-key": "planted_public_key"}
    return here


def signer_for(directory: Path, name: str) -> Signer:
    """Return a relay that signs for strangers."""
    return Signer(name, relay_for(directory, name, OWN[name]))


def bodies_of(text: str) -> Iterator[str]:
    """Yield the bodies for which a scheme could sign a text."""
    yield text
    yield from (text.removeprefix(start) for start in (f"v0:{STAMP}:", "hmacsha256=", f"{STAMP}."))
    yield "{}"


#: The headers in which the schemes above expect a signature.
HEADERS = ("x-signature", "x-zm-signature", "x-li-signature", "x-twitter-webhooks-signature")


def forgeries(text: str, signature: bytes) -> Iterator[Request]:
    """Yield events with a signature that the handshake gave for a text."""
    in_hex, in_base64 = signature.hex(), b64encode(signature).decode()
    written = (in_hex, f"sha256={in_hex}", f"v0={in_hex}", in_base64, f"sha256={in_base64}")
    forms = {"content-type": "application/x-www-form-urlencoded"}
    for body, proof in itertools.product(dict.fromkeys(bodies_of(text)), written):
        proofs = dict.fromkeys(HEADERS, proof) | {"x-zm-request-timestamp": STAMP, "x-id": ""}
        signed_form = {"bt_signature": f"planted_public_key|{proof}", "bt_payload": body, "a": body}
        yield request(body.encode(), proofs)
        yield request(body.encode(), proofs | {"x-id": text[:1]})
        yield request(body[1:].encode(), proofs | {"x-id": text[:1]})
        yield request(body.encode(), {**proofs, "content-type": "text/plain"})
        yield request(body.encode(), {**forms, **proofs})
        yield request(urlencode(signed_form).encode(), {**forms, **proofs})


@pytest.mark.parametrize("name", SIGNING)
@pytest.mark.parametrize("event", EVENTS)
def test_no_answer_signs_an_event_of_its_own_source(name: str, event: str, tmp_path: Path) -> None:
    """Neither of the sender's own scheme nor of one over the body."""
    signer = signer_for(tmp_path, name)
    signed = {text: signature for text in TEXTS if (signature := signer.sign(text))}
    assert signed
    # A text accepts most bodies, so every scheme is tried with it.
    schemes = (OWN[name], *(OTHERS if event == TEXT_EVENTS else OTHERS[:1]))
    for number, verify in enumerate(schemes):
        victim = relay_for(tmp_path / str(number), name, verify, event)
        for text, signature in list(signed.items())[:MOST_TEXTS]:
            for forged in forgeries(text, signature):
                assert victim.receive(api_gateway_v2(forged))["statusCode"] >= 400
        assert not victim.messages.queued


@pytest.mark.parametrize(
    ("verify", "event", "text", "signed"),
    [
        (OTHERS[0], 'form_field = "*"', "a=1", mac(KEY, b"a=1")),
        (OTHERS[0], 'format = "text"', "abc", mac(KEY, b"abc")),
        (OTHERS[4], 'format = "text"', "abc", mac(KEY, b"abc")),
        ({"scheme": "x"}, 'format = "text"', "abc", mac(KEY, b"abc")),
        ({"scheme": "zoom"}, "", f"v0:{STAMP}:{{}}", mac(KEY, f"v0:{STAMP}:{{}}".encode())),
        ({"scheme": "linkedin"}, "", "hmacsha256={}", mac(KEY, b"hmacsha256={}")),
        (
            {"scheme": "braintree"},
            'form_field = "bt_payload"\nformat = "text"',
            "20f9f8ed05f77439fe955c977e4c8a53",
            mac(SHA1_KEY, b"20f9f8ed05f77439fe955c977e4c8a53", "sha1"),
        ),
    ],
)
def test_the_attack_succeeds_without_the_separation(
    verify: dict[str, Any], event: str, text: str, signed: bytes, tmp_path: Path
) -> None:
    """The test above must be able to find an accepted event: here the source has no handshake."""
    victim = world(tmp_path, verify, event=event, top='handshake = "none"')
    victim.secrets.secrets = (KEY,)
    answers = [victim.receive(api_gateway_v2(forged))["statusCode"] for forged in forgeries(text, signed)]
    assert 202 in answers or 200 in answers


@pytest.mark.parametrize("name", SIGNING)
def test_an_event_whose_content_the_handshake_could_sign_is_refused(name: str, tmp_path: Path) -> None:
    """The signature is right, and somebody else could have got it from the handshake."""
    for number, text in enumerate(("20f9f8ed05f77439fe955c977e4c8a53", "0")):
        here = relay_for(tmp_path / str(number), name, OTHERS[0], 'form_field = "*"')
        forms = {"content-type": "application/x-www-form-urlencoded"}
        sent = request(text.encode(), {"x-signature": mac(KEY, text.encode()).hex(), **forms})
        answer = here.receive(api_gateway_v2(sent))
        assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "signature_invalid")


def described(name: str, text: str) -> dict[str, Any]:
    """Return a source with a handshake, and a signature of a text."""
    signature = {"scheme": "signed", "signature": "header:x-signature", "text": text}
    time = {"timestamp": "header:x-time"} if "{timestamp}" in text else {}
    return {"title": "t", "docs": "d", "handshake": name, "verify": {**signature, **time}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "{body|sha256-hex}") for name in SIGNING),
        ("x", "{timestamp}.{body|sha256-base64}"),
        ("x", "{method}-{body|sha256-hex}"),
        ("zoom", "v0_{body|sha256-hex}"),
    ],
)
def test_a_scheme_whose_events_would_all_be_refused_is_a_mistake(name: str, text: str) -> None:
    """The handshake would sign each of its texts for anybody."""
    with pytest.raises(Mistakes, match="all events would be refused"):
        read_source("planted", described(name, text), {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "{body}") for name in SIGNING),
        ("braintree", "v.{body|sha256-hex}"),
        ("linkedin", "{body|sha256-base64}"),
        ("x", "{timestamp}:{body|sha256-hex}"),
        ("x", "{header:x-id}.{body|sha256-hex}"),
    ],
)
def test_a_scheme_whose_texts_have_other_characters_is_accepted(name: str, text: str) -> None:
    """At least some of its events can be no challenge."""
    read_source("planted", described(name, text), {})


@pytest.mark.parametrize("name", SIGNING)
@pytest.mark.parametrize("text", ["{}", '{"a":1}', "v0:1:{}", "hmacsha256={}", "a b", "a\n", "<a>", "", "[]"])
def test_a_text_that_could_be_an_event_is_not_signed(name: str, text: str, tmp_path: Path) -> None:
    """Not even for a sender that has proven itself."""
    assert signer_for(tmp_path, name).sign(text) is None


@given(st.sampled_from(SIGNING), st.text(max_size=300))
def test_a_row_signs_only_what_it_refuses_as_an_event(name: str, text: str) -> None:
    """One predicate decides both, so that no text is in both sets."""
    for row in ROWS[name]:
        if re.fullmatch(row.pattern, text):
            assert is_signed_for_anybody((row,), text.encode())


@pytest.mark.parametrize("text", ["{}", "a:b", '"a"', "a b"])
def test_a_row_with_too_wide_a_pattern_signs_no_event(text: str) -> None:
    """The alphabet is checked where the signature is made, whatever the pattern of a new row allows."""
    row = Row(
        "GET",
        trigger={"query:c": ANY},
        pattern=PRINTABLE,
        alphabet="a-z",
        text="{hmac-sha256-hex:query:c}",
    )
    assert answer_unproven(row, request(query={"c": "ab"}), Means(key=KEY)).body == mac(KEY, b"ab").hex()
    with pytest.raises(MalformedRequest):
        answer_unproven(row, request(query={"c": text}), Means(key=KEY))


@pytest.mark.parametrize("name", SIGNING)
def test_a_pattern_has_only_characters_of_the_alphabet(name: str) -> None:
    """The alphabet contains no character that begins a JSON value with parts."""
    for row in ROWS[name]:
        for character in map(chr, range(256)):
            if re.search(row.pattern.partition("{")[0], character):
                assert is_signed_for_anybody((row,), character.encode())
        assert not any(is_signed_for_anybody((row,), opening) for opening in (b"{", b"[", b'"', b"<", b":"))


@pytest.mark.parametrize("name", SIGNING)
@pytest.mark.parametrize(
    "verify", [{"scheme": "token", "query": "token"}, {"scheme": "token", "header": "t"}, {"scheme": "basic"}]
)
def test_a_token_never_signs(name: str, verify: dict[str, str], tmp_path: Path) -> None:
    """Everybody who sees a request has the token, and could sign with it at another place."""
    del tmp_path
    document = {
        "title": "t",
        "docs": "d",
        "handshake": name,
        "verify": verify,
        "message": [{"title": "t", "body": "b"}],
    }
    with pytest.raises(Mistakes, match="the scheme has none"):
        read_source("planted", document, {"type": "object"})


@pytest.mark.parametrize("name", SIGNING)
def test_a_setting_never_signs(name: str, tmp_path: Path) -> None:
    """A verify token is in URLs. An event that is signed with it is a forgery."""
    here = relay_for(tmp_path, name, OTHERS[0])
    here.secrets.stored_settings = {"verify-token": "seen", "public-key": "seen"}
    for key in (b"seen", b"planted_public_key"):
        sent = request(b"{}", {"x-signature": mac(key, b"{}").hex()})
        assert here.receive(api_gateway_v2(sent))["statusCode"] == 401
