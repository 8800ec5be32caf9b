"""The keys of source.toml, which describes a kind of sender. Those of `[verify]` are in `verify_table.py`.

The documentation of each key is written once, here. `relayctl reference` puts it into
docs/writing-a-source.md and into the JSON Schema.
"""

import re
from collections.abc import Mapping

from push_relay.core.rules.configuration import Table, default, listed, maybe, one, optional, required
from push_relay.core.rules.findings import Path, Report
from push_relay.core.rules.kinds import (
    Boolean,
    Choice,
    ConstantOrTemplate,
    Duration,
    Integer,
    Text,
    TextsByName,
)
from push_relay.core.trust.handshake_names import HANDSHAKE_NAMES, handshake_of
from push_relay.core.trust.verify_base import preset_of
from push_relay.core.trust.verify_table import Verify

#: The envelope's headers that a match rule may name, by the key that it uses for each.
MATCH_KEYS = {
    "sns_topic": "sns-topic",
    "sqs_queue": "sqs-queue",
    "eventbridge_source": "eventbridge-source",
    "eventbridge_detail_type": "eventbridge-detail-type",
    "eventbridge_account": "eventbridge-account",
    "eventbridge_region": "eventbridge-region",
}
#: The keys of `[event]` that describe a body together.
BODY_KEYS = frozenset({"format", "form_field", "form_field_encoding"})
#: Seconds that `[event] remember` may be at least: senders that get no answer try again within seconds.
LEAST_REMEMBER_SECS = 60.0
#: The names that values may have: those that an expression reads without quotes.
_VALUE_NAME = "[A-Za-z][A-Za-z0-9_]{0,63}"
#: The names of the scope, which no value may have.
SCOPE_NAMES = frozenset({"data", "headers", "id", "query", "source", "type"})


class EventTable(Table):
    """How a request becomes an event."""

    format = default(
        Choice(
            *("json", "list", "ndjson", "cloudevents", "xml", "text", "multipart", "jwt"),
            *("list-of-one", "sns"),
        ),
        "json",
        "The format of a body; see [Bodies](writing-a-source.md#bodies).",
    )
    form_field = optional(
        Text("field of a form"),
        "The field of a form that holds the document, or `*` if all fields together are the document. With "
        "the format `jwt` also the member of a JSON object.",
        without="no forms; `*` with the format `multipart`",
        old=("form",),
    )
    form_field_encoding = default(
        Choice("text", "base64"), "text", "How the document is written in that field."
    )
    each = optional(
        Text("expression"),
        "An expression: the list of the request's events, such as `data.alerts`. See "
        "[Several events in one request](writing-a-source.md#several-events-in-one-request).",
        without="the items of a list, else one event",
    )
    id = optional(
        Text("expression"),
        "An expression: the sender's id of the event. See "
        "[Id and identity](writing-a-source.md#id-and-identity).",
        without="AWS's id, or a hash of the body",
    )
    type = optional(
        Text("expression"),
        "An expression: the kind of event, in the sender's words.",
        without="empty",
    )
    remember = optional(
        Duration(
            LEAST_REMEMBER_SECS, "is less than a minute: a sender's second attempt would be another event"
        ),
        "How long the same content is the same event, at least `60s`. See "
        "[Id and identity](writing-a-source.md#id-and-identity).",
        without="by scheme",
    )
    max_age = optional(
        Duration(),
        "The age at which an event is no longer worth a push. A route's `max_age` is used before it.",
        without="the account's",
    )


class AnswerTable(Table):
    """How accepted requests are answered, for a sender that does not understand the relay's own answer."""

    status = optional(
        Integer(at_least=200, at_most=299),
        "The status of the answer to an accepted request.",
        without="the relay's own answer",
    )
    body = default(
        Text(may_be_empty=True), "", "The body of that answer.", without="empty, if there is a `status`"
    )
    content_type = default(
        Text(
            "media type", "[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; ?[ -~]+)?", "is not a media type"
        ),
        "text/plain; charset=utf-8",
        "The body's media type.",
    )
    rejected_status = optional(
        Integer(at_least=400, at_most=499),
        "The status of a request that is refused permanently although its proof fits, for a sender that "
        "retries after any other.",
        without="the error's own",
    )


class MatchTable(Table):
    """A match rule: it fits an event from AWS if all of its keys fit. `*` and `?` are wildcards."""

    sns_topic = optional(Text("pattern"), "The topic's ARN matches the pattern.")
    sqs_queue = optional(
        Text("pattern"),
        "The ARN of the queue matches the pattern, and the message has neither an envelope nor message "
        "attributes.",
    )
    eventbridge_source = optional(Text("pattern"), "The event's `source` matches the pattern.")
    eventbridge_detail_type = optional(Text("pattern"), "The event's `detail-type` matches the pattern.")
    eventbridge_account = optional(
        Text("pattern"), "The AWS account of the event, 12 digits, matches the pattern."
    )
    eventbridge_region = optional(Text("pattern"), "The AWS region of the event matches the pattern.")
    when = optional(
        Text("expression"),
        "The expression holds. A rule without a pattern is for messages in a queue with neither an envelope "
        "nor message attributes, as if it had `sqs_queue`.",
    )
    fallback = default(
        Boolean(),
        False,  # noqa: FBT003 (the key's default)
        "Whether the rule counts only if no other rule of a source with a route fits. "
        "See [Fallback sources](writing-a-source.md#fallback-sources).",
    )

    def check(self) -> None:
        """Refuse a rule without a pattern and a condition, which would fit every event."""
        if not self.is_wrong and not any(name in self for name in (*MATCH_KEYS, "when")):
            self.mistake(f"names none of: {', '.join((*MATCH_KEYS, 'when'))}")
        for key, pattern in (("sns_topic", self.sns_topic), ("sqs_queue", self.sqs_queue)):
            if pattern and not _can_fit_an_arn(pattern):
                self.wrong(key, f'`{pattern}` fits no ARN: write `"arn:*:{pattern}"` for that name')


def _can_fit_an_arn(pattern: str) -> bool:
    """Return whether a pattern begins as an ARN or with a wildcard. A name alone is a common mistake."""
    begin = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return begin.startswith("arn:") or "arn:".startswith(begin)


class MessageTable(Table):
    """A message rule: it writes the wording of an event if it is the first one whose condition holds."""

    when = optional(Text("expression"), "A condition.", without="always")
    title = optional(
        Text("template"),
        "The title, which must not come out blank. Required, unless the rule has `skip`.",
        without="only with `skip`",
    )
    body = optional(
        Text("template"),
        "The body, which must not come out blank. Required, unless the rule has `skip`.",
        without="only with `skip`",
    )
    sound = optional(
        ConstantOrTemplate(Boolean()),
        "Whether the phone plays a sound: a constant, or a template of one expression.",
        without="left out",
    )
    expiry_secs = optional(
        ConstantOrTemplate(Integer()),
        "Seconds after which the push disappears from the phone: a constant, or a template of one "
        "expression.",
        without="left out",
    )
    skip = optional(
        Text("reason"),
        "Instead of the wording: the reason why nobody wants a push about the event. It is `filtered` then, "
        "and the reason is logged.",
    )

    def check(self) -> None:
        """Refuse a rule that has both wording and `skip`, or neither."""
        written = [name for name in ("title", "body", "sound", "expiry_secs") if name in self]
        if "skip" in self:
            if written:
                self.wrong("skip", f"the rule has `{written[0]}` too: a rule skips an event or writes a push")
            return
        for name in ("title", "body"):
            if name not in self:
                self.missing(name)


class SourceFile(Table):
    """A source: how a kind of sender proves itself, and the wording of its pushes."""

    title = required(Text(), "The sender's name.")
    docs = required(Text("URL or file"), "The documentation of the sender's events.")
    handshake = optional(
        Choice(*HANDSHAKE_NAMES),
        "The question that the sender asks before it sends ([security.md](security.md#handshakes)). `sns` "
        "needs the scheme `sns-http`. `none` switches off the handshake of a scheme.",
        without="the scheme's, if one has its name",
    )
    verify = maybe(
        Verify,
        "How a webhook proves its origin ([security.md](security.md#schemes)). A source without it takes no "
        "webhooks.",
    )
    event = one(EventTable, "How a request becomes an event.")
    answer = maybe(
        AnswerTable, "How accepted requests are answered; see [Answers](writing-a-source.md#answers)."
    )
    match = listed(MatchTable, "The match rules, for [events from AWS](writing-a-source.md#events-from-aws).")
    value = default(
        TextsByName(Text("name", _VALUE_NAME, "is not a name: a letter, then letters, digits and `_`")),
        {},
        "Expressions by name, which message rules and later values can read; see "
        "[Named values](writing-a-source.md#named-values).",
        without="none",
    )
    message = listed(MessageTable, "The message rules, in the order in which they are tried.")

    def __init__(self, given: object, report: Report | None = None, path: Path = ()) -> None:
        super().__init__(_with_preset(given), report, path)

    def check(self) -> None:
        """Refuse a value with the name of something else that expressions read."""
        for name in SCOPE_NAMES & self.value.keys():
            self.is_wrong = True
            self.report.add(("value", name), f"`{name}` is a part of each event: choose another name")

    @property
    def preset(self) -> str:
        """The preset that its `[verify]` names, or empty."""
        return self.verify.preset if self.verify else ""

    @property
    def handshake_name(self) -> str | None:
        """The name of its handshake, which may be its preset's; None if it has none."""
        return handshake_of(self.handshake, self.preset)


def _with_preset(given: object) -> object:
    """Return a source's document with the defaults of the preset that its `[verify]` names."""
    preset = preset_of(given.get("verify")) if isinstance(given, Mapping) else ""
    if not preset or not isinstance(given, Mapping):
        return given
    # Imported here: most sources name a scheme.
    from push_relay.core.trust.presets import PRESETS  # noqa: PLC0415

    row = PRESETS[preset]
    tables = {"event": (row.event, EventTable), "answer": (row.answer, AnswerTable)}
    changed = {
        name: with_defaults(given.get(name), defaults, table)
        for name, (defaults, table) in tables.items()
        if defaults
    }
    return {**given, **changed}


def with_defaults(written: object, defaults: Mapping[str, object], table: type[Table]) -> object:
    """Return a table of a file with the keys that it lacks, by the defaults of a preset.

    A key that the file has, under its name or an old one, is never replaced: the source's author knows more
    than the preset. The keys of the body belong together: if the file has one of them, it describes the body,
    and no other comes from the preset. Anything but a table is returned as it is, because it is the mistake
    to report.
    """
    if not isinstance(written, Mapping | None):
        return written
    given = dict(written or {})
    own_body = any(_is_written(name, given, table) for name in BODY_KEYS & table.keys.keys())
    for name, value in defaults.items():
        if not _is_written(name, given, table) and not (own_body and name in BODY_KEYS):
            given[name] = value
    return given


def _is_written(name: str, given: Mapping[object, object], table: type[Table]) -> bool:
    key = table.keys.get(name)
    return bool({name, *(key.old_names if key else ())} & given.keys())
