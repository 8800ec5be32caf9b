"""The forgeries of a provider's request, made by the provider's own function written badly."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from provider_signer.kit import NOW, Pen, Sent, respelled
from provider_signer.sender import Sender
from provider_signer.signed_tokens import SENDERS as _TOKENS

type Forge = Callable[[Sender], Iterator[Sent]]


def _sent(sender: Sender, pen: Pen) -> Sent:
    return sender.send(pen)


def content_changed(sender: Sender) -> Iterator[Sent]:
    """Change what the proof covers, in the body or in the address."""
    if sender.covers == "nothing":
        return
    genuine = sender.request()
    old, new = sender.tamper
    changed = genuine.with_text(old, new)
    assert changed != genuine
    yield replace(changed, url=genuine.url.replace(old, new))


def body_lengthened(sender: Sender) -> Iterator[Sent]:
    """Add a line break to the body."""
    if sender.covers == "body" and sender.slug not in _SIGN_FIELDS:
        genuine = sender.request()
        yield replace(genuine, body=genuine.body + b"\n")


def another_key(sender: Sender) -> Iterator[Sent]:
    """Sign with the key of somebody else."""
    yield sender.request(1)


def empty_key(sender: Sender) -> Iterator[Sent]:
    """Sign with the key that nobody has filled in."""
    pen = sender.pen()
    if isinstance(pen.keys[0], bytes):
        pen.keys = [b""]
        yield _sent(sender, pen)


def public_key_as_secret(sender: Sender) -> Iterator[Sent]:
    """Write an HMAC whose key is the public key, which anybody has."""
    if not isinstance(sender.private(0), bytes):
        yield _sent(sender, sender.pen(forger=sender.stored().encode()))


def signature_cut(sender: Sender) -> Iterator[Sent]:
    """Leave out the end of the proof, half of it, and all of it."""
    for keep in (-1, 4, 0):
        yield _sent(sender, sender.pen(spoil=lambda text, _mac, keep=keep: text[:keep]))


def signature_lengthened(sender: Sender) -> Iterator[Sent]:
    """Add a character to the proof."""
    for more in ("0", "===", " x"):
        yield _sent(sender, sender.pen(spoil=lambda text, _mac, more=more: text + more))


def another_algorithm(sender: Sender) -> Iterator[Sent]:
    """Sign with another hash function, by the right key."""
    weaker, genuine = sender.pen(weaker=True), sender.pen()
    forged = _sent(sender, weaker)
    if forged != _sent(sender, genuine) and "p256" not in sender.key and sender.covers != "nothing":
        yield forged


def another_encoding(sender: Sender) -> Iterator[Sent]:
    """Write the right proof in base64 for hexadecimal digits, the other way round, and in upper case."""
    if sender.covers == "nothing":
        return
    yield _sent(sender, sender.pen(spoil=respelled))
    if not sender.any_case:
        yield _sent(sender, sender.pen(spoil=lambda text, _mac: text.swapcase()))


def time_moved(sender: Sender) -> Iterator[Sent]:
    """Write another time beside a proof of the right one."""
    pen = sender.pen()
    genuine = _sent(sender, pen)
    if not pen.stamps:
        return
    for away in (-1, 1):
        other = sender.pen(now=NOW + away)
        _sent(sender, other)
        yield genuine.with_text(pen.stamps[0], other.stamps[0])


def proof_missing(sender: Sender) -> Iterator[Sent]:
    """Leave out the header or the parameter with the proof."""
    pen = sender.pen()
    genuine = _sent(sender, pen)

    def without(values: dict[str, str]) -> dict[str, str]:
        return {k: v for k, v in values.items() if not any(proof in v for proof in pen.proofs)}

    query = without({**genuine.query})
    url = genuine.url if query == genuine.query else genuine.url.partition("?")[0]
    forged = replace(genuine, headers=without({**genuine.headers}), query=query, url=url)
    if forged != genuine:
        yield forged


def proof_twice(sender: Sender) -> Iterator[Sent]:
    """Repeat the header with the proof; an HTTP API joins the two with a comma."""
    pen = sender.pen()
    genuine = _sent(sender, pen)
    if sender.commas:
        return
    for name, value in genuine.headers.items():
        if any(proof in value for proof in pen.proofs):
            yield replace(genuine, headers={**genuine.headers, name: f"{value}, {value}"})
            yield replace(genuine, headers={**genuine.headers, name: f"{'0' * len(value)},{value}"})


def only_wrong_proofs(sender: Sender) -> Iterator[Sent]:
    """Send a list in which no proof fits."""
    if sender.rotates:
        yield sender.request(1, 2)


def token_of_another_kind(sender: Sender) -> Iterator[Sent]:
    """Write a token that is not signed, or that names another algorithm than its signature has."""
    if sender.slug not in TOKENS:
        return
    for name in ("none", "None", "HS512", "RS256"):
        yield _sent(sender, sender.pen(jose={"alg": name}))
        yield _sent(sender, sender.pen(jose={"alg": name}, spoil=lambda _text, _mac: ""))
    yield _sent(sender, sender.pen(jose={"crit": ["exp"]}))


def token_without_the_body(sender: Sender) -> Iterator[Sent]:
    """Leave out the claim with the body's hash, as in the token of a request without a body."""
    if sender.slug in TOKENS and sender.covers == "body":
        yield _sent(sender, sender.pen(without_body=True))


def one_item_unsigned(sender: Sender) -> Iterator[Sent]:
    """Sign all items of a body but one."""
    if sender.slug not in ("adyen", "microsoft-graph"):
        return
    for wrong in (0, 1):
        count = iter(range(9))
        yield _sent(
            sender,
            sender.pen(spoil=lambda text, _m, w=wrong, c=count: "A" * len(text) if next(c) == w else text),
        )


#: Senders of a JSON Web Token.
TOKENS = {sender.slug for sender in _TOKENS}
#: Senders whose proof covers the fields of a form, not its bytes.
_SIGN_FIELDS = {"twilio", "mandrill", "plivo", "alipay", "travis-ci", "braintree"}

FORGERIES: tuple[Forge, ...] = (
    content_changed,
    body_lengthened,
    another_key,
    empty_key,
    public_key_as_secret,
    signature_cut,
    signature_lengthened,
    another_algorithm,
    another_encoding,
    time_moved,
    proof_missing,
    proof_twice,
    only_wrong_proofs,
    token_of_another_kind,
    token_without_the_body,
    one_item_unsigned,
)
