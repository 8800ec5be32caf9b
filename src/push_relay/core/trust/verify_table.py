"""The table `[verify]` of source.toml: the keys of each scheme, and what is known without the scheme.

Those are where a request carries its sender's proof, and how long its content is remembered. `deliver` needs
them too, and reads them here, so that it loads no scheme.
"""

import re
from typing import Any, Self

from push_relay.core.rules.configuration import Key, Table, default, optional, required
from push_relay.core.rules.expression import RequestFields
from push_relay.core.rules.kinds import Choice, HeaderName, Integer, Name, Text

#: Seconds after which no sender tries to deliver the same request again. A sender tries again when it has no
#: answer, first within minutes; a duplicate is answered like the first, so the attempts end there.
RETRIES_END_SECS = 12 * 3600.0
#: Seconds by which a signed timestamp may differ from the clock, in either direction, by default.
TOLERANCE_SECS = 300
#: Seconds that a tolerance may be: past a day, a timestamp no longer keeps replays out.
MAX_TOLERANCE_SECS = 86_400
#: Seconds for which SNS may go on trying to deliver: "a hard limit and cannot be increased".
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
SNS_RETRY_SECS = 3600
#: The scheme that accepts every request.
OPEN = "none"
#: Schemes in which no secret of the deployer's takes part.
WITHOUT_SECRET = frozenset({"sns-http", OPEN})
#: Schemes that prove the sender and not the content.
SENDER_ALONE = frozenset({"token", "basic", OPEN})
#: The header that carries the proof, for schemes in which it always has the same name.
HEADERS = {
    "github": "x-hub-signature-256",
    "stripe": "stripe-signature",
    "slack": "x-slack-signature",
    "shopify": "x-shopify-hmac-sha256",
    "pagerduty": "x-pagerduty-signature",
    "zendesk": "x-zendesk-webhook-signature",
    "twilio": "x-twilio-signature",
    "basic": "authorization",
}
#: The schemes, in the order of the documentation.
SCHEME_NAMES = (
    "github",
    "stripe",
    "slack",
    "shopify",
    "standard-webhooks",
    "grafana",
    "pagerduty",
    "zendesk",
    "twilio",
    "sns-http",
    "hmac",
    "token",
    "basic",
    "none",
)


def _tolerance(secs: int = TOLERANCE_SECS) -> Key[int]:
    return default(
        Integer(at_least=1, at_most=MAX_TOLERANCE_SECS),
        secs,
        "Seconds by which the signed timestamp may differ from the clock.",
    )


class Verify(Table):
    """How a webhook proves its origin. The other keys depend on the scheme.

    This class reads the table of a scheme that does not exist. Such a scheme is the only mistake then.
    """

    is_open = True

    scheme = required(Name("scheme", SCHEME_NAMES), "The scheme by which a webhook proves its origin.")

    @classmethod
    def for_document(cls, given: object) -> type[Self]:
        """Return the class of the scheme that a table names."""
        scheme: Any = given.get("scheme") if isinstance(given, dict) else None
        table: Any = VERIFY_TABLES.get(scheme, cls) if isinstance(scheme, str) else cls
        return table  # type: ignore[no-any-return] # each of them is a subclass

    @property
    def proof_header(self) -> str | None:
        """The header (lower-case) that carries the proof, be it the secret itself or a signature by it."""
        return HEADERS.get(self.scheme)

    @property
    def proof_query(self) -> str | None:
        """The query parameter that carries the proof."""
        return None

    @property
    def proof(self) -> RequestFields:
        """The fields of a request that expressions must not read, and that no event keeps."""
        headers, query = {self.proof_header or ""}, {self.proof_query or ""}
        return RequestFields(frozenset(headers - {""}), frozenset(query - {""}))

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance of a timestamp that is signed, if no id is; else None."""
        return None

    @property
    def remember_secs(self) -> float | None:
        """Seconds for which the same content without an id is the same event.

        None: as long as the ledger remembers, because nothing else keeps a captured request from being
        relayed again. A timestamp may be the tolerance ahead of the clock, and the request is fresh for as
        long after it.
        """
        if self.scheme in SENDER_ALONE:
            return RETRIES_END_SECS
        tolerance_secs = self.signed_tolerance_secs
        return None if tolerance_secs is None else max(RETRIES_END_SECS, 2.0 * tolerance_secs)


class VerifyPlain(Verify):
    """A scheme without keys of its own."""

    is_open = False


class VerifyTimestamped(VerifyPlain):
    """A scheme that always signs a timestamp."""

    tolerance_secs = _tolerance()

    @property
    def signed_tolerance_secs(self) -> int:
        """The tolerance."""
        return self.tolerance_secs


class VerifyGrafana(VerifyPlain):
    """Grafana's scheme."""

    header = default(HeaderName(), "x-grafana-alerting-signature", "The signature's header.")
    timestamp_header = optional(
        HeaderName(),
        "The timestamp's header, if the contact point in Grafana names one.",
        without="no timestamp is signed",
    )
    tolerance_secs = _tolerance()

    def check(self) -> None:
        """Refuse a tolerance without a timestamp."""
        _refuse_without_timestamp(self, "tolerance_secs")

    @property
    def proof_header(self) -> str:
        """The signature's header."""
        return self.header

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance, if there is a timestamp."""
        return self.tolerance_secs if self.timestamp_header else None


class VerifyStandardWebhooks(VerifyPlain):
    """The scheme of Standard Webhooks, which signs an id too."""

    header_prefix = default(
        HeaderName(), "webhook", "How the headers' names begin: `svix` for senders older than the standard."
    )
    tolerance_secs = _tolerance()

    @property
    def proof_header(self) -> str:
        """The signature's header."""
        return f"{self.header_prefix}-signature"


class VerifySnsHttp(VerifyPlain):
    """The scheme of SNS over HTTP, whose proof is in the body and has an id."""

    minimum_version = default(
        Integer(at_least=1, at_most=2),
        1,
        "The oldest signature version that is accepted. `2` refuses SHA-1, which SNS uses unless the topic's "
        "SignatureVersion is 2.",
    )
    tolerance_secs = _tolerance(SNS_RETRY_SECS)


class VerifyHmac(VerifyPlain):
    """An HMAC in a header, for senders whose scheme has no name here."""

    header = required(HeaderName(), "The signature's header.")
    prefix = default(
        Text(may_be_empty=True), "", "The text before the signature, such as `sha256=`.", without="no text"
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
    tolerance_secs = _tolerance()

    def check(self) -> None:
        """Refuse a content that does not sign the body, and keys of a timestamp without one."""
        content = self.content
        if content.count("{body}") != 1 or re.search(r"[{}]", re.sub(r"\{(body|timestamp)\}", "", content)):
            self.wrong("content", "must hold {body} once, perhaps {timestamp}, and no other brace")
        elif ("timestamp_header" in self) != ("{timestamp}" in content):
            self.wrong("content", "must hold {timestamp} if there is a timestamp_header, and only then")
        _refuse_without_timestamp(self, "timestamp_format", "tolerance_secs")

    @property
    def proof_header(self) -> str:
        """The signature's header."""
        return self.header

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance, if there is a timestamp."""
        return self.tolerance_secs if self.timestamp_header else None


class VerifyToken(VerifyPlain):
    """A shared token, in a header or in a query parameter."""

    header = optional(HeaderName(), "The token's header. Either `header` or `query` is required.")
    query = optional(
        Text("query parameter"), "The token's query parameter. URLs are often logged: prefer `header`."
    )
    prefix = default(
        Text(may_be_empty=True), "", "The text before the token, such as `Bearer `.", without="no text"
    )

    def check(self) -> None:
        """Refuse a token in no place, or in two."""
        if not self.is_wrong and ("header" in self) == ("query" in self):
            self.mistake("name either a `header` or a `query` parameter for the token")

    @property
    def proof_header(self) -> str | None:
        """The token's header."""
        return self.header

    @property
    def proof_query(self) -> str | None:
        """The token's query parameter."""
        return self.query


def _refuse_without_timestamp(table: Table, *names: str) -> None:
    for name in names:
        if name in table and "timestamp_header" not in table:
            table.wrong(name, "has no effect without `timestamp_header`")


_OWN_TABLES: dict[str, type[Verify]] = {
    "stripe": VerifyTimestamped,
    "slack": VerifyTimestamped,
    "zendesk": VerifyTimestamped,
    "grafana": VerifyGrafana,
    "standard-webhooks": VerifyStandardWebhooks,
    "sns-http": VerifySnsHttp,
    "hmac": VerifyHmac,
    "token": VerifyToken,
}
#: The class that reads the table of each scheme.
VERIFY_TABLES: dict[str, type[Verify]] = {name: _OWN_TABLES.get(name, VerifyPlain) for name in SCHEME_NAMES}
