"""The part of a source's page about its secret: what to store, and what the proof covers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from push_relay.core.rules.source_file import SourceFile
from push_relay.core.trust.handshakes.row import Row
from push_relay.core.trust.handshakes.rows import ROWS
from push_relay.core.trust.presets import PRESETS
from push_relay.core.trust.verify_table import OPEN, Verify, VerifyAnyOf, VerifyToken
from relayctl.reference import providers

_SIGNING_SECRETS: Final = "[signing secrets](../configuration.md#2-secrets-manager-two-secrets)"
#: The beginning of a preset's secret if the deployer has none to store.
_UNNEEDED: Final = "nothing"
#: The secret of each scheme that names no preset.
_SECRETS: Final[Mapping[str, str]] = {
    "signed": "the secret with which the sender signs",
    "hmac": "the secret with which the sender signs",
    "public-key": "the sender's public key",
    "jwt": "the secret or the public key of the sender's tokens",
    "basic": "`user:password`, as entered at the sender",
}
#: The places of a token.
_PLACES: Final[Mapping[str, str]] = {
    "header": "the header `{}`",
    "query": "the query parameter `{}`",
    "form": "the field `{}`",
    "json": "the member `{}` of the body",
}


def stored_secret(name: str, file: SourceFile) -> str:
    """Return the Markdown of the part."""
    if file.verify is None:
        return (
            "There is nothing to store: the events arrive through AWS, which has authenticated their senders."
        )
    return "\n\n".join(_paragraphs(name, file, file.verify))


def _paragraphs(name: str, file: SourceFile, verify: Verify) -> Iterator[str]:
    if verify.scheme == OPEN:
        yield from _open(name)
        return
    if isinstance(verify, VerifyAnyOf):
        yield from _one_of_several(name, verify)
        return
    rows = ROWS.get(file.handshake_name or "", ())
    if any(row.brings for row in rows):
        yield from _brought(name)
    else:
        yield from _stored(name, verify, rows)
    yield " ".join(_proof(verify))
    if verify.signs_url:
        yield (
            "The proof covers the webhook's address. Set it in `relay.toml`, as the sender knows it:\n\n"
            f'```toml\n[source.{name}]\nurl = "https://..."\n```'
        )
    yield from _handshake(file, rows)


def _stored(name: str, verify: Verify, rows: tuple[Row, ...]) -> Iterator[str]:
    what = PRESETS[verify.preset].secret if verify.preset else _secret_of_scheme(verify)
    needed: Any = getattr(verify, "settings", ())
    settings = dict.fromkeys([*needed, *(name for row in rows for name in row.settings)])
    if what.startswith(_UNNEEDED):
        yield f"You store {what}."
        if settings:
            texts = "\n".join(f'{setting} = "..."' for setting in settings)
            yield f"The settings are in `relay.toml`:\n\n```toml\n[source.{name}.settings]\n{texts}\n```"
        return
    secret = {"secret": "...", **dict.fromkeys(settings, "...")} if settings else "..."
    also = f", with the {_settings(settings)}" if settings else ""
    yield f"Store this value under the source's name in the {_SIGNING_SECRETS}: {what}{also}."
    yield f"```json\n{json.dumps({name: secret})}\n```"


def _settings(names: Mapping[str, Any]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"[setting{'' if len(names) == 1 else 's'}](../security.md#secrets-and-settings) {listed}"


def _secret_of_scheme(verify: Verify) -> str:
    if isinstance(verify, VerifyToken):
        return f"a random token of your own, which the sender sends as {_sent(verify)}"
    if verify.scheme == "sns-http":
        return (
            f"{_UNNEEDED}: the certificate is fetched from SNS. List its topics as `topics` in `relay.toml`"
        )
    if getattr(verify, "fetch", None):
        return f"{_UNNEEDED}: the key is fetched from the sender"
    return _SECRETS[verify.scheme]


def _one_of_several(name: str, verify: VerifyAnyOf) -> Iterator[str]:
    """Yield what to store for the alternatives: a secret that is compared, a key that signs, or both."""
    compared = [_sent(each) for each in verify.alternative if not each.has_key]
    signed = [_sent(each) for each in verify.alternative if each.has_key]
    rows: list[tuple[object, list[str]]] = [
        ("TOKEN", compared),
        ({"signing-key": "KEY"}, signed),
        ({"secret": "TOKEN", "signing-key": "KEY"}, ["one of the two"] if compared and signed else []),
    ]
    lines = [
        f"| `{json.dumps({name: stored})}` | {', or '.join(dict.fromkeys(sent))} |"
        for stored, sent in rows
        if sent
    ]
    yield f"Store a secret under the source's name in the {_SIGNING_SECRETS}:"
    yield "\n".join(("| you store | the sender sends |", "|---|---|", *lines))
    if compared:
        yield "A token is sent with each request, and proves nothing about the content."


def _sent(verify: Verify) -> str:
    """Return how a request carries a proof."""
    ((_, place), *_) = verify.proof_places
    where = _PLACES[place.kind].format(place.name)
    if isinstance(verify, VerifyToken):
        return f"`{verify.prefix}TOKEN` in {where}"
    return (
        "`user:password` as the token" if verify.scheme == "basic" else f"a signature by the key in {where}"
    )


def _brought(name: str) -> Iterator[str]:
    yield (
        "The sender chooses the secret, and sends it when the webhook is made. "
        f"`relayctl handshake {name} --url WEBHOOK_URL` prints what to store, and the address to enter at "
        f"the sender. Afterwards `relayctl handshake {name} --stack STACK` reads the secret, and prints how "
        f"to store it in the {_SIGNING_SECRETS}."
    )


def _proof(verify: Verify) -> Iterator[str]:
    """Yield what the proof covers, and what is good to know about it."""
    keys = dict(verify.values)
    keys.update({"scheme": verify.scheme})
    given = (
        PRESETS[verify.preset].verify if verify.preset else {k: v for k, v in keys.items() if v is not None}
    )
    covered, window = providers.signed(given), providers.window(given)
    yield f"The proof covers: {covered}." if covered != "nothing" else "The proof covers none of the content."
    if window not in {"none", "until its end"}:
        yield f"A request is accepted within {window} of the time that the sender has signed."
    if verify.preset and PRESETS[verify.preset].note:
        yield PRESETS[verify.preset].note


def _open(name: str) -> Iterator[str]:
    yield (
        "The sender proves nothing, so there is nothing to store. Anybody who knows the address can send. If "
        "you accept that, open the source in `relay.toml`, only for the sender's addresses if it publishes "
        "them:"
    )
    yield f'```toml\n[source.{name}]\nunverified = true\nallow_ips = ["192.0.2.0/24"]\n```'


def _handshake(file: SourceFile, rows: tuple[Row, ...]) -> Iterator[str]:
    name = file.handshake_name
    if not name:
        return
    order = ""
    if any(row.signs or row.signed for row in rows):
        order = " Store the secret before you make the webhook."
    yield (
        "The sender asks a question before it sends, which the relay answers "
        f"([handshake `{name}`](../security.md#handshakes)).{order}"
    )
