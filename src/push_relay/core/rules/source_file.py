"""The keys of source.toml, the description of a kind of sender. Those of `[verify]` are in `verify_table.py`.

The documentation of each key is written once, here. `relayctl reference` puts it into
docs/writing-a-source.md and into the JSON Schema.
"""

from push_relay.core.rules.configuration import Table, default, listed, maybe, one, optional, required
from push_relay.core.rules.kinds import (
    Boolean,
    Choice,
    ConstantOrTemplate,
    Duration,
    Integer,
    Text,
)
from push_relay.core.trust.verify_table import Verify

#: The envelope's headers that a match rule may name, by the key that it uses for each.
MATCH_KEYS = {
    "sns_topic": "sns-topic",
    "sqs_queue": "sqs-queue",
    "eventbridge_source": "eventbridge-source",
    "eventbridge_detail_type": "eventbridge-detail-type",
}
#: Seconds that `[event] remember` may be at least: senders that get no answer try again within seconds.
LEAST_REMEMBER_SECS = 60.0


class EventTable(Table):
    """What a request says about its event."""

    format = default(
        Choice("json", "cloudevents", "list-of-one", "sns"),
        "json",
        "How bodies hold an event. `cloudevents`: both content modes are read as one structured event. "
        "`list-of-one`: a JSON list of one object, as Event Grid sends it. `sns`: an SNS notification, whose "
        "envelope is removed.",
    )
    form_field = optional(
        Text("field of a form"),
        "The field of a form that holds the JSON document, or `*` if all fields together are the document.",
        without="no form is accepted",
        old=("form",),
    )
    id = optional(
        Text("expression"),
        "The event's id, for logs and answers. Name no id that is a person's. Under `token`, `basic` and "
        "`none` the id and the document make two webhooks the same event, so name one that stays the same "
        "when the sender tries again.",
        without="a hash of what the proof covers",
    )
    type = optional(Text("expression"), "The event's type, for conditions.", without="empty")
    remember = optional(
        Duration(
            LEAST_REMEMBER_SECS, "is less than a minute: a sender's second attempt would be another event"
        ),
        "How long the same content is the same event, such as `5m`. Configure less than the time between two "
        "reminders with the same words, and more than a sender needs to try again. It does not apply to a "
        "CloudEvent, nor to an event whose id is signed or given by AWS.",
        without="see reliability.md, *The ledger*",
    )
    max_age = optional(
        Duration(),
        "The age at which an event is not worth a push any more, such as `90s`, `5m`, `2h` or `7d`. A "
        "route's `max_age` is used instead if it is configured.",
        without="the account's",
    )


class MatchTable(Table):
    """A rule that recognises the source's events among those that AWS delivers. All its keys must fit."""

    sns_topic = optional(Text("pattern"), "The ARN of the SNS topic, with `*` and `?`.")
    sqs_queue = optional(
        Text("pattern"),
        "The ARN of the queue to which a message was sent that has neither an envelope nor attributes.",
    )
    eventbridge_source = optional(Text("pattern"), "EventBridge's `source`, with `*` and `?`.")
    eventbridge_detail_type = optional(Text("pattern"), "EventBridge's `detail-type`, with `*` and `?`.")
    when = optional(Text("expression"), "A condition on the event.", without="always")

    def check(self) -> None:
        """Refuse a rule that names nothing: it would take every event."""
        if not self.is_wrong and not any(name in self for name in MATCH_KEYS):
            self.mistake(f"names none of: {', '.join(MATCH_KEYS)}")


class MessageTable(Table):
    """A message rule. The first one whose condition holds writes the push. If none holds, there is none."""

    when = optional(
        Text("expression"),
        "The condition. If it fails on an event, a later rule writes the push, and the failure is reported "
        "as `mapping_failed`.",
        without="always",
    )
    title = required(Text("template"), "The push's title. If it is blank, the event fails.")
    body = required(Text("template"), "The push's body. If it is blank, the event fails.")
    sound = optional(
        ConstantOrTemplate(Boolean()),
        "Whether the phone plays a sound: a constant, or a template of one expression.",
        without="the vendor's default",
    )
    expiry_secs = optional(
        ConstantOrTemplate(Integer()),
        "Seconds after which the push disappears from the phone: a constant, or a template of one "
        "expression.",
        without="the vendor's default",
    )


class SourceFile(Table):
    """source.toml."""

    title = required(Text(), "The sender's name.")
    docs = required(Text("URL or file"), "Where the sender's events are documented.")
    handshake = optional(
        Choice("slack", "zoom", "event-grid", "microsoft-graph", "sns", "cloudevents"),
        "What the sender asks before it sends events. `sns` needs the scheme `sns-http`.",
        without="nothing",
    )
    verify = maybe(
        Verify, "How a webhook proves its origin. Without it the source takes no webhooks.", "no webhooks"
    )
    event = one(EventTable, "What a request says about its event.")
    match = listed(MatchTable, "Rules that recognise the source's events among those that AWS delivers.")
    message = listed(MessageTable, "The message rules, in the order in which they are tried.")
