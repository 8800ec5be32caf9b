"""The tables of docs/providers.md: every provider that has a preset, and those that are not offered.

They are written from the rows of the presets, from the handshakes, and from the shipped source folders.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core.trust.handshake_names import handshake_of
from push_relay.core.trust.handshakes.rows import ROWS
from push_relay.core.trust.presets import PRESETS
from push_relay.core.trust.presets.not_offered import NOT_OFFERED
from push_relay.core.trust.presets.preset import Preset
from push_relay.core.trust.verify_table import SNS_RETRY_SECS, TOLERANCE_SECS
from relayctl.project import ROOT
from relayctl.reference.tables import duration

_MARKED = re.compile(r"(<!-- (providers|not offered|count) -->\n?).*?(<!-- end -->)", re.DOTALL)
_HEADINGS = ("provider", "preset", "signed", "window", "handshake", "you store", "good to know")
_PARTS = (
    (r"\{method\}", "method"),
    (r"\{(url|path)[|}]", "address"),
    (r"\{body[|}]|\{http-signature-lines\}", "body"),
    (r"\{form-|\|plivo\}|\{form:", "form"),
    (r"\{signed-headers|\{http-signature-lines\}", "listed headers"),
    (r"\{header:[^}]*-id\}", "id"),
)


def filled(text: str) -> str:
    """Return a page's text with the tables of providers written between their comments."""
    return _MARKED.sub(lambda found: found[1] + _WRITERS[found[2]]() + found[3], text)


def is_named(text: str) -> bool:
    """Return whether a page has such a table."""
    return _MARKED.search(text) is not None


def _offered() -> str:
    folders = _folders()
    slugs = sorted(PRESETS, key=lambda slug: PRESETS[slug].title.lower())
    rows = [_row(slug, PRESETS[slug], folders.get(slug, ())) for slug in slugs]
    return "\n".join((_line(_HEADINGS), "|---" * len(_HEADINGS) + "|", *rows, ""))


def _absent() -> str:
    rows = [f"| [{each.title}]({each.docs}) | {each.reason} |" for each in NOT_OFFERED.values()]
    return "\n".join(("| provider | why |", "|---|---|", *rows, ""))


_WRITERS: Mapping[str, Callable[[], str]] = {
    "providers": _offered,
    "not offered": _absent,
    "count": lambda: str(len(PRESETS)),
}


def _row(slug: str, preset: Preset, folders: Sequence[str]) -> str:
    cells = (
        f"[{preset.title}]({preset.docs})",
        ", ".join((f"`{slug}`", *(f"folder `{name}`" for name in folders))),
        signed(preset.verify),
        window(preset.verify),
        "yes" if handshake_of(None, slug) else "",
        "; ".join((preset.secret, *_settings(slug, preset.verify))),
        " ".join((preset.note, *_answer(preset.answer))).strip(),
    )
    return _line(cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '\\|') for cell in cells)} |"


def _folders() -> Mapping[str, list[str]]:
    """Return the shipped source folders by the scheme that they name."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "src" / "sources").glob("*/source.toml")):
        scheme = tomllib.loads(file.read_text("utf-8")).get("verify", {}).get("scheme")
        found.setdefault(scheme, []).append(file.parent.name)
    return found


def signed(verify: Mapping[str, Any]) -> str:
    """Return which parts of a request a row's proof covers."""
    match verify["scheme"]:
        case "token" | "basic" | "none":
            return "nothing"
        case "sns-http":
            return "the message's fields"
        case "jwt":
            return _signed_by_token(verify)
        case "twilio":
            return "address, form"
    if verify.get("content") == "unsigned":
        return _signed_part(verify["text"])
    text = verify.get("text", "{body}")
    parts = [name for pattern, name in _PARTS if re.search(pattern, text)]
    timed = "timestamp" in verify or re.search(r"timestamp\}|\{item:", text)
    return ", ".join((*parts, "time") if timed else parts)


def _signed_part(text: str) -> str:
    """Return the part that a proof covers if it does not cover the content."""
    if "{body|crc32}" in text:
        return "a checksum of the body"
    return "a part of the event" if "{json:" in text else "address"


def _signed_by_token(verify: Mapping[str, Any]) -> str:
    given = verify.get("claims", {}).values()
    claims = [str(claim["text"] if isinstance(claim, Mapping) else claim) for claim in given]
    covered = verify.get("detached") or verify.get("token", "").startswith(("body", "json:"))
    if covered or any("{body" in claim for claim in claims):
        return "body"
    return "address" if any("{url" in claim or "{path" in claim for claim in claims) else "nothing"


def window(verify: Mapping[str, Any]) -> str:
    """Return how far a row's time may be from the clock."""
    if verify["scheme"] == "jwt":
        time = verify.get("time") or {}
        if "tolerance_secs" in time:
            return duration(time["tolerance_secs"])
        return "until its end" if time else "none"
    if verify["scheme"] == "sns-http":
        return duration(SNS_RETRY_SECS)
    return duration(verify.get("tolerance_secs", TOLERANCE_SECS)) if "timestamp" in verify else "none"


def _settings(slug: str, verify: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that the proof needs, and those that the handshake needs."""
    asked = [name for row in ROWS.get(handshake_of(None, slug) or "", ()) for name in row.settings]
    for names, purpose in ((verify.get("settings", ()), ""), (asked, " for the handshake")):
        if names:
            yield f"settings{purpose}: " + ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _answer(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the relay answers, if the provider asks for an answer of its own."""
    if "body" in answer:
        body = f"the text `{answer['body']}`" if answer["body"] else "an empty body"
        yield f"The answer is {answer.get('status', 202)} with {body}, as the provider asks."
    elif "status" in answer:
        yield f"The answer is {answer['status']}, as the provider asks."
