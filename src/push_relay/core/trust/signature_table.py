"""The tables `[verify]` of the schemes `signed` and `public-key`, and of `hmac`, a shorter `signed`."""

import re

from push_relay.core.rules.configuration import Table, default, maybe, optional, required
from push_relay.core.rules.kinds import Boolean, Choice, HeaderName, Text, Texts
from push_relay.core.trust.fetch_table import FetchTable
from push_relay.core.trust.place import (
    ITEM,
    WILDCARD,
    FamilyKind,
    Place,
    PlaceKind,
    PointerKind,
    read_place,
    read_places,
)
from push_relay.core.trust.verify_base import Verify, tolerance

_FORMATS = ("unix", "unix-ms", "unix-any", "rfc3339", "iso8601", "http-date")
_WITHOUT_TEXT = Text(may_be_empty=True)
#: The short keys, and the keys that they are short for.
_SHORT = (("header", "signature"), ("timestamp_header", "timestamp"))


class VerifySignature(Verify):
    """The keys that `signed` and `public-key` have in common."""

    is_open = False

    signature = optional(
        PlaceKind(), "The place of the signature, such as `header:X-Signature`. It is required."
    )
    header = optional(HeaderName(), 'The header of the signature: short for `signature = "header:NAME"`.')
    also = default(
        Texts(FamilyKind()),
        (),
        "Further places that may have a signature. `header:X-Sig-{2-100}` names numbered headers.",
        without="none",
    )
    header_prefix = optional(
        HeaderName(),
        "How the headers' names begin, if a preset's have a common beginning: `svix` or `webhook`.",
    )
    prefix = default(
        _WITHOUT_TEXT,
        "",
        "The text before the signature, or before the list of signatures.",
        without="no text",
    )
    split = default(
        _WITHOUT_TEXT,
        "",
        "The text between the items, if the value is a list: `,` in `t=1,v1=ab`.",
        without="the value is one signature",
    )
    groups = default(
        _WITHOUT_TEXT,
        "",
        "The text between groups of items, each with its own timestamp.",
        without="one group",
    )
    item = default(
        _WITHOUT_TEXT,
        "",
        "The key of the items that are signatures: `v1` in `t=1,v1=ab`; `*` for every key.",
        without="the items have no keys",
    )
    joint = default(Text(), "=", "The text between an item's key and its value.")
    quoted = default(Boolean(), False, "Whether the items' values are in double quotes.")  # noqa: FBT003
    spaced = default(
        Boolean(),
        False,  # noqa: FBT003 (the key's default)
        "Whether spaces may be around the items: some senders write one after the comma, and an HTTP API "
        "joins two headers of one name with a comma and a space.",
    )
    timestamp = optional(
        PlaceKind(items=True),
        "The place of the time of signing, such as `header:X-Time`; `item:t` is an item of the signature's "
        "list, and `item:` its first one, without a key.",
        without="no timestamp is judged",
    )
    timestamp_header = optional(
        HeaderName(), 'The header of the time of signing: short for `timestamp = "header:NAME"`.'
    )
    timestamp_format = default(
        Choice(*_FORMATS),
        "unix",
        "How the timestamp is written. `unix-any` is seconds or milliseconds, by the number of digits; "
        "`iso8601` is RFC 3339 in UTC, with `Z`.",
    )
    tolerance_secs = tolerance()
    timestamp_required = default(
        Boolean(),
        True,  # noqa: FBT003 (the key's default)
        "Whether a request without the timestamp is refused. `false` is for a timestamp in the signed body.",
    )
    text = default(
        Text("signed text"),
        "{body}",
        "The signed text, with [placeholders](writing-a-source.md#the-signed-text).",
    )
    content = optional(
        Choice("unsigned"),
        "States that the text does not cover the content. The proof is then worth as much as a token.",
        without="the text has to cover the content",
    )
    adjacent = optional(
        Text("reason"),
        "The reason why it is safe that parts of the text follow each other without a text between them.",
        without="such parts are refused",
    )
    id = optional(
        PlaceKind(), "The place of the event's id, which the text has to contain.", without="no id is signed"
    )

    def expand(self) -> None:
        """Write the short keys in full, so that nothing else has to know them."""
        values = self.values
        for short, full in _SHORT:
            if values[short]:
                values[full] = f"header:{values[short]}"
        if values["header_prefix"]:
            begins = f"{values['header_prefix']}-"
            for name in ("signature", "timestamp", "id", "text"):
                if values[name]:
                    values[name] = re.sub(rf"header:{re.escape(WILDCARD)}-", f"header:{begins}", values[name])

    def check(self) -> None:
        """Refuse keys that have no effect, or that contradict each other."""
        if not self.is_wrong and not ("signature" in self or "header" in self):
            self.missing("signature")
        for short, full in _SHORT:
            if short in self and full in self:
                self.wrong(short, f"is short for `{full}`, which is there too: remove one of the two")
        if "timestamp" not in self and "timestamp_header" not in self:
            refuse_without(self, "timestamp", "timestamp_format", "tolerance_secs", "timestamp_required")
        if self.values.get("key") == "whsec":
            for name in ("key_strip", "key_append", "key_begins", "key_derive"):
                if name in self:
                    self.wrong(name, "has no effect on keys of the form `whsec`")
        if "split" not in self:
            refuse_without(self, "split", "groups", "item", "joint", "quoted", "spaced")
            if (self.timestamp or "").startswith(f"{ITEM}:"):
                self.wrong("timestamp", "is an item of a list, which needs the key `split`")

    @property
    def signs_content(self) -> bool:
        """Whether the text covers the content, which the description has to state if it does not."""
        return self.content is None

    @property
    def signs_url(self) -> bool:
        """Whether the URL or its path is in the text."""
        return re.search(r"\{(url|path)\b", self.text) is not None

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The places of signatures."""
        if self.is_wrong:
            return ()
        key = "header" if "header" in self else "signature"
        first = [(key, read_place(self.signature))] if self.signature else []
        return (*first, *(("also", place) for text in self.also for place in read_places(text)))

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance, if every request has a timestamp and none has a signed id."""
        return self.tolerance_secs if self.timestamp and self.timestamp_required and not self.id else None


class VerifySigned(VerifySignature):
    """An HMAC, as the keys describe it."""

    algorithm = default(
        Choice("hmac-sha256", "hmac-sha1", "hmac-sha512"), "hmac-sha256", "The algorithm of the signature."
    )
    encoding = default(
        Choice("hex", "hex-any-case", "base64", "base64url"),
        "hex",
        "How the signature is written. Padding is optional in `base64url`.",
    )
    key = default(
        Choice("text", "base64", "hex", "whsec"),
        "text",
        "How the key is written. `whsec` is the form of Standard Webhooks.",
    )
    key_strip = default(
        _WITHOUT_TEXT, "", "A beginning of the stored secret that does not belong to the key.", without="none"
    )
    key_append = default(_WITHOUT_TEXT, "", "A text that is added to the key.", without="none")
    key_begins = default(
        _WITHOUT_TEXT,
        "",
        "How every key begins. It is added to one that was stored without it.",
        without="none",
    )
    key_derive = optional(
        Choice("sha1"), "The hash function that makes the key of the secret.", without="the secret is the key"
    )
    each = optional(
        PointerKind(),
        "A JSON pointer, in which `*` is every item of a list. Each of these values has a proof of its own: "
        "pointers are relative to it, and all have to fit, under one and the same key.",
        without="the request has one proof",
    )


class VerifyPublicKey(VerifySignature):
    """A signature by the sender's private key, as the keys describe it."""

    algorithm = required(
        Choice(
            "ed25519",
            "ecdsa-p256-sha256",
            "ecdsa-p256-sha1",
            "rsa-pkcs1-sha1",
            "rsa-pkcs1-sha256",
            "rsa-pkcs1-sha512",
        ),
        "The algorithm of the signature. Those of ECDSA are written in DER.",
    )
    encoding = default(
        Choice("hex", "hex-any-case", "base64", "base64url"),
        "base64",
        "How the signature is written. Padding is optional in `base64url`.",
    )
    key = required(
        Choice("hex", "base64", "spki-base64", "pem", "x509-pem"),
        "How the stored public key is written. `hex` and `base64` are the 32 bytes of an Ed25519 key; "
        "`x509-pem` is a certificate, or its public key as PEM.",
    )
    wrapped = optional(
        PointerKind("/signature"),
        "The value is base64 of a JSON object, and the signature is at this pointer in it.",
        without="the value is the signature",
    )
    fetch = maybe(FetchTable, "The address from which the public key is fetched, if no key is stored.")
    settings = default(Texts(), (), "The settings that the deployer must give.", without="there are none")
    prehash = optional(
        Choice("sha256"),
        "The hash function to which the text is subjected before it is signed.",
        without="none",
    )

    def check(self) -> None:
        """Refuse a form of keys that the algorithm does not have."""
        super().check()
        if not self.is_wrong and self.key in ("hex", "base64") and self.algorithm != "ed25519":
            self.wrong(
                "key", f"`{self.key}` is only the form of a key for `ed25519`: use `pem` or `spki-base64`"
            )


class VerifyHmac(Verify):
    """An HMAC in a header, for senders whose scheme has no name here. `signed` can describe more."""

    is_open = False

    header = required(HeaderName(), "The signature's header.")
    prefix = default(
        _WITHOUT_TEXT, "", "The text before the signature, such as `sha256=`.", without="no text"
    )
    digest = default(Choice("sha256", "sha512", "sha1"), "sha256", "The hash function.")
    encoding = default(Choice("hex", "base64"), "hex", "How the signature is written.")
    content = default(
        Text("signed content"),
        "{body}",
        "The signed content, such as `{timestamp}.{body}`: `{body}` once, and `{timestamp}` if there is a "
        "`timestamp_header`.",
    )
    timestamp_header = optional(HeaderName(), "The timestamp's header.", without="no timestamp is signed")
    timestamp_format = default(Choice("unix", "unix-ms", "iso8601"), "unix", "How the timestamp is written.")
    tolerance_secs = tolerance()

    def check(self) -> None:
        """Refuse a content that does not sign the body, and keys of a timestamp without one."""
        content = self.content
        if content.count("{body}") != 1 or re.search(r"[{}]", re.sub(r"\{(body|timestamp)\}", "", content)):
            self.wrong("content", "must hold {body} once, perhaps {timestamp}, and no other brace")
        elif ("timestamp_header" in self) != ("{timestamp}" in content):
            self.wrong("content", "must hold {timestamp} if there is a timestamp_header, and only then")
        if "timestamp_header" not in self:
            refuse_without(self, "timestamp_header", "timestamp_format", "tolerance_secs")

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The signature's header."""
        return (("header", Place("header", self.header)),)

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance, if there is a timestamp."""
        return self.tolerance_secs if self.timestamp_header else None


def refuse_without(table: Table, needed: str, *names: str) -> None:
    """Refuse keys that need another one."""
    for name in names:
        if name in table:
            table.wrong(name, f"has no effect without `{needed}`")
