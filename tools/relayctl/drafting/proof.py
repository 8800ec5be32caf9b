"""Guess how a sender proves itself, from the headers of captured requests.

The place and the form of a preset's proof come from the presets' own rows, so that a new preset is recognised
without a change here. A wrong guess refuses the sender's requests, and accepts nobody else's.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from push_relay.core.rules.findings import choices
from push_relay.core.trust.handshake_names import handshake_of
from push_relay.core.trust.place import Place
from push_relay.core.trust.presets import PRESETS, SLUGS
from push_relay.core.trust.verify_table import Verify
from relayctl.drafting.capture import Capture
from relayctl.drafting.signature_form import describe, is_named_as_signature
from relayctl.drafting.word_lists import words as listed
from relayctl.preview.inputs import InputError

_STANDARD: Final = "standard-webhooks"
#: The header for a token of the deployer's own.
OWN_HEADER: Final = "X-Relay-Token"
#: Words of headers' names that do not name a sender.
_GENERIC: Final = frozenset(listed("proof", "generic"))
_TOKEN_HEADER: Final = re.compile(
    r"(?:^|-)(?:token|secret|api-?key|apikey|auth|auth-key|password|verification)$"
)
_TOKEN_PARAMETER: Final = re.compile(
    r"(?:^|[_-])(?:token|secret|key|apikey|auth|code|password)$", re.IGNORECASE
)
_WORDS: Final = re.compile(r"[a-z0-9]+")
#: Headers that proxies and browsers add, and those that carry logins of people.
_NOT_THE_SENDERS: Final = frozenset({"cookie", "proxy-authorization", "x-csrf-token", "cf-access-token"})


class Proof(NamedTuple):
    """A table `[verify]`, and what to know about it.

    table     its keys
    preset    the preset that it names, or empty
    comments  why it was chosen, above the table
    secret    what to store
    question  what to ask the sender, if the guess is not enough
    event     the preset's defaults of `[event]`
    """

    table: Mapping[str, Any]
    comments: Sequence[str]
    secret: str
    preset: str = ""
    question: str = ""
    event: Mapping[str, Any] = {}

    @property
    def read(self) -> Verify:
        """The table as the relay reads it."""
        return _read(self.table)

    @property
    def headers(self) -> frozenset[str]:
        """The headers that carry the proof, which neither the example nor an expression may have."""
        return frozenset(place.name for _, place in self.read.proof_places if place.kind == "header")

    @property
    def parameters(self) -> frozenset[str]:
        """The query parameters that carry the proof."""
        return frozenset(place.name for _, place in self.read.proof_places if place.kind == "query")

    @property
    def settings(self) -> Sequence[str]:
        """The settings that the preset needs beside the secret."""
        needed: Sequence[str] = getattr(self.read, "settings", ())
        return needed

    @property
    def handshake(self) -> str | None:
        """The handshake of the preset, if it has one."""
        return handshake_of(None, self.preset)


def guess(name: str, captures: Sequence[Capture], preset: str = "") -> Proof:
    """Return the proof of a source. `preset`: the one that the user names. Raises InputError."""
    if preset:
        if preset not in SLUGS:
            raise InputError(f"--preset: there is no preset `{preset}`; {choices(preset, SLUGS)}")
        return _of_preset(preset, "It was given by --preset.")
    guesses = (
        _by_preset(name, captures),
        _by_standard(captures),
        _by_signature(captures),
        _by_token(captures),
    )
    return next((guess for guess in guesses if guess), _unknown(captures))


def _of_preset(slug: str, why: str) -> Proof:
    row = PRESETS[slug]
    note = [row.note] if row.note else []
    return Proof(
        {"scheme": slug}, [f"The preset of {row.title}. {why}", *note], row.secret, slug, event=row.event
    )


def _read(table: Mapping[str, Any]) -> Verify:
    return Verify.for_document(dict(table))(dict(table))


# --- a preset -----------------------------------------------------------------------------------------------


def _by_preset(name: str, captures: Sequence[Capture]) -> Proof | None:
    """Return the preset whose proof is in the requests, if its own header or another evidence names it."""
    words = frozenset(_WORDS.findall(name)).union(*map(_words_of_sender, captures))
    with_headers = [capture for capture in captures if capture.headers]
    places = {slug: _place(slug) for slug in SLUGS}
    holders = Counter(places.values())
    for slug, place in places.items():
        if place and with_headers and all(_fits(slug, place, capture) for capture in with_headers):
            if holders[place] == 1 and _is_own(place):
                return _of_preset(slug, f"The requests have its proof in the {_shown(place)}.")
            if _is_named(slug, words):
                return _of_preset(
                    slug, f"The requests have a proof in its {_shown(place)}, and name the sender."
                )
    if name in SLUGS and not with_headers:
        return _of_preset(name, "It has the name of the source.")
    return None


def _place(slug: str) -> Place | None:
    places = _read({"scheme": slug}).proof_places
    return places[0][1] if places else None


def _fits(slug: str, place: Place, capture: Capture) -> bool:
    """Return whether a request has a preset's proof in its place, with the other headers that it needs."""
    table = _read({"scheme": slug})
    values = {"header": capture.headers, "query": capture.query}.get(place.kind)
    text = values.get(place.name) if values is not None else None
    prefix: str = table.values.get("prefix") or ""
    if not text or not text.startswith(prefix):
        return False
    if table.scheme == "basic" and not text.lower().startswith("basic "):
        return False
    item = table.values.get("item") or ""
    if item and item != "*" and f"{item}{table.values.get('joint') or '='}" not in text:
        return False
    return all(needed in capture.headers for needed in _needed_headers(table))


def _needed_headers(table: Verify) -> Iterator[str]:
    timestamp = table.values.get("timestamp") or ""
    if timestamp.startswith("header:") and table.values.get("timestamp_required"):
        yield timestamp.removeprefix("header:").lower()
    yield from (name.lower() for name in re.findall(r"\{header:([\w-]+)\}", table.values.get("text") or ""))


def _is_own(place: Place) -> bool:
    """Return whether the name of a header names its sender, as `Stripe-Signature` does."""
    return place.kind == "header" and not _GENERIC.issuperset(_WORDS.findall(place.name))


def _is_named(slug: str, words: Iterable[str]) -> bool:
    parts = slug.split("-")
    return set(parts) <= set(words) or "".join(parts) in words


def _words_of_sender(capture: Capture) -> frozenset[str]:
    """Return the words of the headers' names, and those by which the sender's program names itself."""
    names = " ".join((*capture.headers, capture.headers.get("user-agent", "").lower()))
    return frozenset(_WORDS.findall(names))


def _shown(place: Place) -> str:
    return f"header `{place.name}`" if place.kind == "header" else f"parameter `{place.name}`"


# --- other proofs -------------------------------------------------------------------------------------------


def _by_standard(captures: Sequence[Capture]) -> Proof | None:
    """Return Standard Webhooks: the same three headers after any beginning."""
    for capture in captures:
        for header in capture.headers:
            begins = header.removesuffix("-signature")
            if begins != header and {f"{begins}-id", f"{begins}-timestamp"} <= capture.headers.keys():
                row = PRESETS[_STANDARD]
                table = {"scheme": _STANDARD} | ({} if begins == "webhook" else {"header_prefix": begins})
                why = f"The requests have the headers `{begins}-id`, `{begins}-timestamp` and `{header}`."
                return Proof(table, [f"The preset of {row.title}. {why}"], row.secret, _STANDARD)
    return None


def _by_signature(captures: Sequence[Capture]) -> Proof | None:
    """Return a signature that no preset names: described as its header looks."""
    for capture in captures:
        for header, value in capture.headers.items():
            if found := describe(header, value, capture.headers):
                comments = (f"Guessed from the header `{header}`{_same_header(header)}.", found.guessed)
                return Proof(found.table, comments, _KEY, question=_SIGNATURE_QUESTION)
    return None


#: What to store.
_KEY: Final = "the secret with which the sender signs"
_SENT_TOKEN: Final = "the token that the sender sends"  # noqa: S105 (a description)
_SIGNATURE_QUESTION: Final = (
    "What is signed (the body alone, or a time and the body), by which algorithm, and is the key a text or "
    "base64? To verify a captured request: relayctl preview FILE --secrets SECRETS."
)


def _by_token(captures: Sequence[Capture]) -> Proof | None:
    """Return a token or a password, in a header or in the address."""
    for capture in captures:
        for header, value in capture.headers.items():
            if header in _NOT_THE_SENDERS:
                continue
            kind, space, _ = value.partition(" ")
            if header == "authorization" and kind.lower() == "basic":
                why = "The requests have a name and a password."
                return Proof({"scheme": "basic"}, [why], "`user:password`, as entered at the sender")
            if header == "authorization" or _TOKEN_HEADER.search(header):
                prefix = {"prefix": f"{kind} "} if space and header == "authorization" else {}
                table = {"scheme": "token", "header": header, **prefix}
                return Proof(table, [f"The requests have a token in the header `{header}`."], _SENT_TOKEN)
        for parameter in capture.query:
            if _TOKEN_PARAMETER.search(parameter):
                why = f"The address has a token in the parameter `{parameter}`."
                logged = "URLs are often logged: prefer a header."
                return Proof({"scheme": "token", "query": parameter}, [why, logged], _SENT_TOKEN)
    return None


def _unknown(captures: Sequence[Capture]) -> Proof:
    headers = [header for capture in captures for header in capture.headers]
    odd = next(filter(is_named_as_signature, headers), "")
    if odd:
        found = f"The header `{odd}` has a proof of an unknown form{_same_header(odd)}."
        question = f"How is the header `{odd}` made? docs/security.md lists what can be described."
    else:
        found = "No proof was found in the headers." if headers else "No headers were captured."
        question = (
            "Does it sign its webhooks, and how? If it does not: can a header be added, with the token, or "
            "only an address be entered?"
        )
    return Proof(
        {"scheme": "token", "header": OWN_HEADER},
        [
            f"{found} So the sender has to send a token of your own in this header.",
            "If it signs its requests, describe the signature, or name a preset (docs/providers.md).",
            'If only an address can be entered, add the token to it: `query = "token"` in place of `header`.',
        ],
        f"a random token of your own, which the sender has to send as `{OWN_HEADER}`",
        question=question,
    )


def _same_header(header: str) -> str:
    """Return the presets that expect their proof in a header, as the end of a sentence."""
    same = [slug for slug in SLUGS if _place(slug) == Place("header", header)]
    return f" (presets with the same header: {', '.join(same)})" if same else ""
