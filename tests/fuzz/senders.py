"""The senders of the fuzzer: shipped sources, every scheme, every provider, every handshake, every format."""

import hashlib
import hmac
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes import SHIPPED, SHIPPED_ROUTES
from front_door import toml_value
from provider_signer import SENDERS as PROVIDERS
from provider_signer.kit import URL as PROVIDER_URL
from provider_signer.sender import Sender as Provider
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.trust.handshakes.registry import all_handshakes
from push_relay.core.trust.handshakes.rows import ROWS
from sender_case import case_of
from signers import ALL_CASES, JSON_BODY, NOW, Case
from sns_sender import TOPIC, URL, Request
from token_providers import SENDERS as HOLDERS
from token_providers import Sender as Holder

_RSA = "sns-http"
_TWILIO = "twilio"
#: Presets whose keys are fetched here: a certificate that the request names, and sets of keys.
FETCHED = ("paypal", "kinde", "google-pubsub", "event-grid-entra")
#: The value by which a setup of a secret is expected. Its hash is stored.
SETUP_VALUE = "planted-value"


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender, and the source that it sends to.

    case, provider  how it signs; neither, and no holder: it cannot
    unverified      whether the source accepts it without a proof
    holder          how it signs with a private key, of which the relay stores or fetches the public one
    fetched         whether it is fetched
    asks            the handshake whose questions it asks
    settings        the stored settings of its source
    """

    source: str
    case: Case | None = None
    unverified: bool = False
    provider: Provider | None = None
    holder: Holder | None = None
    fetched: bool = False
    asks: str = ""
    settings: Mapping[str, str] | None = None

    @property
    def secret(self) -> bytes | None:
        """The stored secret."""
        if self.provider:
            return self.provider.stored().encode()
        if self.holder:
            return None if self.fetched else self.holder.stored
        return self.case.secret if self.case else None

    @property
    def covers_less(self) -> bool:
        """Whether the proof does not cover the body's bytes. A token, for example."""
        if self.provider:
            return self.provider.covers != "body"
        if self.holder:
            return not self.holder.covers
        return self.unverified or (self.case is not None and self.case.covers != "bytes")

    def signed(self, body: bytes | None = None, *, right: bool = True) -> Request | None:
        """Return a request with this body, or the sender's own, signed with the right or another secret.

        Return None for a body that the sender cannot sign: it is not a form, for example.
        """
        if self.provider:
            pen = self.provider.pen(0 if right else 1)
            pen.body = body or pen.body
            with suppress(Exception):
                sent = self.provider.send(pen)
                return Request(sent.body, sent.headers, sent.query, sent.url, sent.method)
        elif self.holder:
            with suppress(ValueError):
                key = self.holder.key if right else self.holder.other
                return self.holder.send(body or JSON_BODY, key, NOW)
        elif self.case:
            with suppress(ValueError):
                return self.case.genuine(
                    NOW, body=body, secret=self.case.secret if right else self.case.other
                )
        return None


def _as_planted(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-planted-signature": hmac.new(secret, body, hashlib.sha256).hexdigest()})


#: A scheme that signs the body as most senders with a handshake do.
_PLANTED = case_of(
    "planted", {"scheme": "signed", "header": "X-Planted-Signature"}, _as_planted, "x-planted-signature"
)
#: Sources that sign as GitHub does, by the keys of `[event]` that are tried here alone.
_MORE_EVENTS: dict[str, dict[str, str]] = {
    "each": {"each": "data.alerts"},
    "each-of-a-list": {"each": "data[].alerts[]"},
    "encoded": {"format": "xml", "form_field": "payload", "form_field_encoding": "base64"},
    "member": {"format": "jwt", "form_field": "payload"},
    "part": {"format": "multipart", "form_field": "payload"},
    "lines-in-a-field": {"format": "ndjson", "form_field": "payload"},
}


class Planting:
    """Source folders and a relay.toml in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sources = directory / "sources"
        self._sources.mkdir()
        self._config = [SHIPPED_ROUTES.read_text("utf-8")]

    def senders(self) -> list[Sender]:
        """Make all of them, and return their senders."""
        found = [*self._shipped(), *self._formats(), *self._schemes(), *self._open()]
        found += [*self._providers(), *self._holders(), *self._handshakes()]
        (self._directory / "relay.toml").write_text("\n".join(self._config), "utf-8")
        return [*found, *(Sender(name) for name in ("nosuch", "..", "S0"))]

    def _shipped(self) -> Iterator[Sender]:
        # Twilio signs the URL, and its case has another one than that of the shipped folder.
        for folder in sorted(path for path in SHIPPED.iterdir() if path.is_dir() and path.name != _TWILIO):
            (self._sources / folder.name).symlink_to(folder.resolve())
            table = tomllib.loads((folder / "source.toml").read_text("utf-8")).get("verify", {})
            case = next((each for each in ALL_CASES if _normal(each.verify) == _normal(table)), None)
            # The presets of the other folders are tried as providers.
            if case or not table:
                yield Sender(folder.name, case)

    def _formats(self) -> Iterator[Sender]:
        github = next(case for case in ALL_CASES if case.verify["scheme"] == "github")
        for name in FORMATS:
            if name not in ("sns", "jwt"):
                self._folder(f"f-{name}", github.verify, handshake="none", format=name)
                yield Sender(f"f-{name}", github)
        for name, event in _MORE_EVENTS.items():
            self._folder(name, github.verify, handshake="slack", **event)
            yield Sender(name, github)

    def _schemes(self) -> Iterator[Sender]:
        """Yield a sender for each scheme that the tests can sign, with a handshake and a format in turn."""
        handshakes = {name: each for name, each in all_handshakes().items() if name != "sns"}
        unsigned = [name for name, handshake in handshakes.items() if not handshake.signs]
        formats = [name for name in FORMATS if name != "sns"]
        for number, case in enumerate(ALL_CASES):
            # Twilio signs the URL, in which its senders have this name here.
            scheme = case.verify["scheme"]
            name = URL.partition("?")[0].rpartition("/")[2] if scheme == _TWILIO else f"scheme-{number}"
            # A handshake that signs its answers needs a scheme that signs.
            names = list(handshakes) if scheme in {"hmac", "signed"} else unsigned
            if case.covers != "bytes" and formats[number % len(formats)] == "jwt":
                # A JWT is read only if a proof covers it.
                formats = [*formats[1:], formats[0]]
            about = {
                "handshake": names[number % len(names)],
                "format": formats[number % len(formats)],
                "form_field": ("*", "payload", "")[number % 3],
            }
            if scheme == _RSA:
                about = {"handshake": "sns", "format": "sns"}
            elif case.event or case.proof.kind == "json":
                about = {"handshake": "none", **tomllib.loads(case.event)}
            if not (self._sources / name).exists():
                self._folder(name, case.verify, **about)
                called = f'url = "{URL.partition("?")[0]}"'
                self._config.append(f'[source.{name}]\ntopics = ["{TOPIC}"]\n{called}\n')
                self._config.append(f'[[route]]\nsource = "{name}"\nto = ["external:4711"]\n')
            yield Sender(name, case)

    def _open(self) -> Iterator[Sender]:
        for name, policy, unverified in (
            ("open", "unverified = true", True),
            ("closed", "unverified = false", False),
            ("fenced", 'unverified = true\nallow_ips = ["192.0.2.0/24"]', False),
        ):
            self._folder(name, {"scheme": "none"}, handshake="slack", format="json", form_field="*")
            self._config.append(f"[source.{name}]\n{policy}\n")
            yield Sender(name, unverified=unverified)

    def _providers(self) -> Iterator[Sender]:
        for slug, provider in PROVIDERS.items():
            self._folder(f"p-{slug}", {"scheme": slug})
            self._config.append(f'[source.p-{slug}]\nurl = "{PROVIDER_URL}"\n')
            yield Sender(f"p-{slug}", provider=provider, settings=provider.settings)

    def _holders(self) -> Iterator[Sender]:
        for slug, holder in HOLDERS.items():
            if slug not in PROVIDERS:
                self._folder(f"t-{slug}", {"scheme": slug})
                yield Sender(f"t-{slug}", holder=holder, settings=holder.settings)
        for slug in FETCHED:
            self._folder(f"k-{slug}", {"scheme": slug})
            yield Sender(f"k-{slug}", holder=HOLDERS[slug], fetched=True, settings=HOLDERS[slug].settings)

    def _handshakes(self) -> Iterator[Sender]:
        for name in ROWS:
            self._folder(f"h-{name}", _PLANTED.verify, handshake=name)
            settings = {each: f"planted-{each}" for row in ROWS[name] for each in row.settings}
            setup = {"setup": hashlib.sha256(SETUP_VALUE.encode()).hexdigest()}
            brings = any(row.brings for row in ROWS[name])
            yield Sender(f"h-{name}", _PLANTED, asks=name, settings=settings | (setup if brings else {}))

    def _folder(self, name: str, verify: Mapping[str, Any], handshake: str = "", **event: str) -> None:
        folder = self._sources / name
        folder.mkdir()
        lines = [f'title = "{name}"', 'docs = "tests/fuzz"']
        lines += [f'handshake = "{handshake}"'] if handshake else []
        lines += ["[verify]", *(f"{key} = {toml_value(value)}" for key, value in verify.items())]
        lines += ["[event]", *(f'{key} = "{value}"' for key, value in event.items() if value)]
        lines += ['id = "data.id || headers.\\"webhook-id\\""', 'type = "data.type"']
        lines += ["[[message]]", 'title = "{{ data.note }}"', 'body = "{{ data.name }} {{ query.shop }}"']
        (folder / "source.toml").write_text("\n".join(lines), "utf-8")
        schema = {"type": "object", "properties": {"note": {"type": "string", "pattern": "^[^<]*$"}}}
        (folder / "schema.json").write_text(json.dumps(schema), "utf-8")


def _normal(table: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value).lower() for key, value in table.items()}
