"""The attacks of a forger on any verification scheme. Each yields requests that must be refused.

docs/security.md lists them in a table. An attack yields nothing for a scheme to which it does not apply.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from push_relay.core.errors import SignatureInvalid, SignatureMissing, Stale, Unauthenticated
from signers import ALL_CASES as CASES
from signers import WORD, Case, Place
from sns_sender import NOW, Request

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

type Forge = Callable[[Case], Iterator[Request]]


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack, and the error that must refuse it."""

    name: str
    forge: Forge
    refusal: type[Unauthenticated] = SignatureInvalid


def _places(case: Case) -> list[Place]:
    return [case.proof, *([case.stamp] if case.stamp else [])]


def _missing(case: Case) -> Iterator[Request]:
    for place in _places(case):
        if place.kind != "json" or place is case.proof:
            yield place.drop(case.genuine())


def _empty(case: Case) -> Iterator[Request]:
    for place in _places(case):
        for text in ("", " "):
            yield place.write(case.genuine(), text)


def _wrong_secret(case: Case) -> Iterator[Request]:
    yield case.genuine(secret=case.other)


def _no_secret(case: Case) -> Iterator[Request]:
    """Sign with the empty key, which is not a secret."""
    name = str(case.verify["scheme"])
    if name not in {"standard-webhooks", "sns-http", "public-key"}:
        yield case.sign(case.body, b"", case.written(NOW))


def _another_body(case: Case) -> Iterator[Request]:
    if case.covers != "nothing":
        other = case.genuine(body=case.body.replace(WORD, b"written"))
        yield case.proof.write(case.genuine(), case.proof.read(other))


def _body_bit(case: Case) -> Iterator[Request]:
    genuine = case.genuine()
    if case.covers != "nothing":
        start = genuine.body.rindex(WORD)
        for position in range(start, start + len(WORD)):
            for bit in (1, 2, 4):
                flipped = bytes([genuine.body[position] ^ bit])
                yield replace(genuine, body=genuine.body[:position] + flipped + genuine.body[position + 1 :])


def _flipped(text: str) -> Iterator[str]:
    for position, character in enumerate(text):
        for bit in range(7):
            yield text[:position] + chr(ord(character) ^ 1 << bit) + text[position + 1 :]


def _proof_bit(case: Case) -> Iterator[Request]:
    genuine = case.genuine()
    right = case.proof.read(genuine)
    for text in _flipped(right):
        if text.lower() not in map(str.lower, case.same(right)):
            yield case.proof.write(genuine, text)


def _timestamp_bit(case: Case) -> Iterator[Request]:
    genuine = case.genuine()
    if case.stamp:
        for text in _flipped(case.stamp.read(genuine)):
            yield case.stamp.write(genuine, text)


def _timestamp_rewritten(case: Case) -> Iterator[Request]:
    """Put a fresh timestamp on a captured request whose own timestamp is still valid, or too old."""
    if case.stamp:
        for captured in (NOW - 1, NOW - case.past - 10):
            for fresh in (NOW, NOW - 2):
                yield case.stamp.write(case.genuine(captured), case.written(fresh))


def _timestamp_nonsense(case: Case) -> Iterator[Request]:
    """Write the right timestamp in another format, and sign it. Even a genuine sender must not do this."""
    right = case.written(NOW)
    arabic = "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in right)
    spellings = ["+" + right, "-" + right, "0" + right, right + ".0", right + "e0", f"{right} ", f" {right}"]
    spellings += [arabic, right + "\n", "9" * 20, "0x6b49d200", "nan", "inf", "1_800_000_000", right.lower()]
    spellings += [right.replace("T", " "), right.replace("Z", "+00:00"), "2027-13-15T08:00:00Z"]
    spellings += [right.replace("GMT", "UTC"), right.replace("2027", "27"), right.replace("Fri", "Sat")]
    spellings += [right.replace("-07:00", "-0700"), right.replace("-07:00", ""), right.replace("15", "15.5")]
    spellings += [f"{right},{right}", f"{right}Z", "1.8e9", str(10**17), ""]
    for text in spellings if case.stamp else ():
        if text != right:
            yield case.sign(case.body, case.secret, text)


def _stale(case: Case) -> Iterator[Request]:
    if case.stamp:
        yield case.genuine(NOW - case.past - 1)
        yield case.genuine(NOW - case.past * 100)


def _future(case: Case) -> Iterator[Request]:
    if case.stamp:
        yield case.genuine(NOW + case.future + 1)
        yield case.genuine(NOW + case.future * 100)


def _another_scheme(case: Case) -> Iterator[Request]:
    """Send another scheme's proof of the same body and secret, in the place of this scheme's proof."""
    genuine = case.genuine()
    right = case.proof.read(genuine)
    for other in CASES:
        if other.verify["scheme"] not in {"standard-webhooks", "sns-http"} and "key" not in other.verify:
            text = other.proof.read(other.genuine(body=case.body, secret=case.secret))
            if text != right:
                yield case.proof.write(genuine, text)


def _another_scheme_only(case: Case) -> Iterator[Request]:
    """Send the headers of another scheme, and none of this scheme's."""
    own = case.genuine().headers
    for other in CASES:
        headers = other.genuine().headers
        if headers and not own.keys() & headers.keys() and case.proof.kind == "headers":
            yield replace(case.genuine(), headers=headers)


_DOWNGRADES = (
    ("v1=", "v0="),
    ("v1=", "v2="),
    ("v0=", "v1="),
    ("v1,", "v0,"),
    ("v1,", "v1a,"),
    ("v1a,", "v1,"),
    ("v1a,", "v0,"),
    ("sha256=", "sha1="),
    ("sha256=", "md5="),
    ("sha256=", ""),
    ("Bearer ", "Basic "),
    ("Bearer ", ""),
    ("SIG ", ""),
)


def _downgraded(case: Case) -> Iterator[Request]:
    genuine = case.genuine()
    right = case.proof.read(genuine)
    for version, lower in _DOWNGRADES:
        if right.startswith(version):
            yield case.proof.write(genuine, right.replace(version, lower))
    if case.name == "github":
        weak = "sha1=" + hmac.new(case.secret, case.body, hashlib.sha1).hexdigest()
        yield case.proof.write(genuine, weak)
        yield replace(genuine, headers={"x-hub-signature-256": "sha256=", "x-hub-signature": weak})
    if case.verify["scheme"] == "sns-http":
        other = {"1": "2", "2": "1"}[json.loads(genuine.body)["SignatureVersion"]]
        for version in (other, "0", "3", "", "1.0", " 1"):
            yield Place("json", "SignatureVersion").write(genuine, version)


def _twice(case: Case) -> Iterator[Request]:
    for place in _places(case):
        for joint in (", ", ",", " , ", "\n", "\t"):
            if not (case.lists and joint == ","):
                yield place.twice(case.genuine(), joint)


def _base64_games(case: Case) -> Iterator[Request]:
    """Write the right proof in another form that a lenient decoder reads as the same bytes."""
    genuine = case.genuine()
    right = case.proof.read(genuine)
    middle = len(right) // 2
    spaced = [right[:middle] + space + right[middle:] for space in (" ", "\n", "\r\n", "\t", "=")]
    around = [" " + right, right + " ", right + "\n", right + "=", right + "==", right + "\0", right + "%"]
    fewer = [right.rstrip("="), right[:-1], right.replace("+", "-").replace("/", "_")]
    for text in [*spaced, *around, *fewer, *_unused_bits(right)]:
        if text not in (right, *case.same(right)):
            yield case.proof.write(genuine, text)


def _unused_bits(right: str) -> Iterator[str]:
    """Set the unused bits after the last byte of a base64 text, which decoders ignore."""
    text = right.rstrip("=")
    padding = right[len(text) :]
    unused = {"": 0, "=": 2, "==": 4}.get(padding, 0)
    place = _ALPHABET.find(text[-1:])
    for bits in range(1, 1 << unused):
        yield text[:-1] + _ALPHABET[place & ~((1 << unused) - 1) | bits] + padding


def _wrong_case(case: Case) -> Iterator[Request]:
    genuine = case.genuine()
    right = case.proof.read(genuine)
    for text in (right.upper(), right.swapcase(), right.lower(), right.title()):
        if text not in (right, *case.same(right)):
            yield case.proof.write(genuine, text)


def _lookalike(case: Case) -> Iterator[Request]:
    """Use characters that look like the right ones, add an invisible one, or make the value very long."""
    genuine = case.genuine()
    for place in _places(case):
        right = place.read(genuine)
        wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in right)
        for text in (wide, wide[0] + right[1:], right + "\u200b", "\ufeff" + right, right + "\udcff"):
            if place.kind != "json" or "\udcff" not in text:
                yield place.write(genuine, text)
        yield place.write(genuine, right + "0" * 5000)


def _reserialised(case: Case) -> Iterator[Request]:
    """Send the same JSON document in other bytes."""
    genuine = case.genuine()
    if case.covers == "bytes":
        document = json.loads(genuine.body)
        for text in (json.dumps(document, separators=(",", ":")), json.dumps(document, ensure_ascii=False)):
            yield replace(genuine, body=text.encode())
        for body in (genuine.body + b"\n", b"\xef\xbb\xbf" + genuine.body, b" " + genuine.body, b""):
            yield replace(genuine, body=body)


def _list_games(case: Case) -> Iterator[Request]:
    """Write a list that a lenient reader would search for the right signature."""
    split = str(
        case.verify.get(
            "split",
            {"stripe": ",", "pagerduty": ",", "standard-webhooks": " "}.get(str(case.verify["scheme"]), ""),
        )
    )
    name = case.proof.name
    if not split or case.proof.kind != "headers":
        return
    request = case.genuine()
    written = request.headers[name]
    for text in (
        written + split,
        split + written,
        written + split * 2 + written,
        f"{written}{split}=",
        f"{written}{split}v1",
        f"{written}{split}v1=",
        f"{written}{split}=ab",
        f"{written}{split}\u00e9=ab",
        written + f"{split}v9=ab" * 2000,
        written.replace("v1", "v9").replace("sig=", "sag="),
        written.replace("=", "==") if "=" in written and "," in split else written + split,
    ):
        if text != written:
            yield replace(request, headers={**request.headers, name: text})


def _one_of_several(case: Case) -> Iterator[Request]:
    """Leave the proof out of one item, or put it into none."""
    steps = str(case.verify.get("each", "")).split("/")
    if "*" not in steps:
        return
    genuine = case.genuine()
    document = json.loads(genuine.body)
    items = document[steps[1]]
    inner = steps[steps.index("*") + 1 :]
    field = case.proof.name.rpartition("/")[2]

    def without(number: int, value: object) -> Request:
        changed = json.loads(genuine.body)
        item = changed[steps[1]][number]
        for step in inner:
            item = item[step]
        item[field] = value
        return replace(genuine, body=json.dumps(changed).encode())

    for number in range(len(items)):
        for value in (None, "", [], {}, True, 1.5, "AAAA"):
            yield without(number, value)
    more: list[object] = [[], {}, None, "x", items[0], [*items, {}], [*items, "x"], [*items, None], [items]]
    for value in more:
        yield replace(genuine, body=json.dumps({**document, steps[1]: value}).encode())


def _another_key_or_hash(case: Case) -> Iterator[Request]:
    """Sign the body with another hash function, or with the key's text instead of the key."""
    if case.covers != "bytes" or case.proof.kind not in {"headers", "query"} or case.stamp:
        return
    genuine = case.genuine()
    right = case.proof.read(genuine)
    for name in ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256"):
        mac = hmac.new(case.secret, case.body, name).digest()
        plain = hashlib.new(name, case.secret + case.body).digest()
        for content in (mac, plain):
            for text in (content.hex(), base64.b64encode(content).decode(), f"sha256={content.hex()}"):
                if text != right:
                    yield case.proof.write(genuine, text)


ATTACKS = (
    Attack("missing header", _missing, SignatureMissing),
    Attack("empty", _empty),
    Attack("wrong secret", _wrong_secret),
    Attack("signed with the empty key", _no_secret),
    Attack("signature of another body", _another_body),
    Attack("one bit flipped in the body", _body_bit),
    Attack("one bit flipped in the signature", _proof_bit),
    Attack("one bit flipped in the timestamp", _timestamp_bit, Unauthenticated),
    Attack("timestamp rewritten", _timestamp_rewritten),
    Attack("timestamp in another spelling, signed", _timestamp_nonsense),
    Attack("stale", _stale, Stale),
    Attack("future", _future, Stale),
    Attack("signature for another scheme", _another_scheme),
    Attack("only another scheme's headers", _another_scheme_only, SignatureMissing),
    Attack("downgraded version", _downgraded),
    Attack("header given twice", _twice),
    Attack("base64 with whitespace, padding, other alphabet or unused bits", _base64_games),
    Attack("hex or base64 in the wrong case", _wrong_case),
    Attack("unicode look-alike, oversized", _lookalike),
    Attack("same JSON, other bytes", _reserialised),
    Attack("list with an empty, unknown or malformed item", _list_games),
    Attack("one of several items without its proof", _one_of_several, Unauthenticated),
    Attack("signed with another hash function, or with the key's text", _another_key_or_hash),
)
