"""The keys of relay.toml, the deployer's file: accounts, people, routes and policies for sources.

The documentation of each key is written once, here. `relayctl reference` puts it into docs/configuration.md
and into the JSON Schema.
"""

from push_relay.core.push import DEFAULT_ACCOUNT, RecipientKind
from push_relay.core.rules.configuration import Table, default, listed, named, one, optional, required
from push_relay.core.rules.kinds import (
    Boolean,
    Choice,
    Duration,
    Integer,
    Networks,
    Text,
    Texts,
    TextsByName,
    TimeZone,
    Url,
)

#: The members of a stored secret that are not settings.
_SECRET_KINDS = frozenset({"secret", "signing-key"})
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html#amazonsns-resources-for-iam-policies
_TOPIC = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?"
_ACCOUNT_NAME = Text(
    "account's name",
    "[a-z0-9-]{1,32}",
    "is not an account's name: at most 32 of the characters a to z, 0 to 9 and -",
)


class AccountTable(Table):
    """An account: one organisation at the vendor."""

    base_url = optional(
        Url(),
        "The vendor's base URL. It is https, or http on this machine.",
        without="the parameter `PushBaseUrl`",
    )
    credentials_secret = optional(
        Text("name or ARN of a secret"),
        "The Secrets Manager secret with the organisation's `CompanyId` and `IntegrationKey`. It is "
        "required, except for the account `default`.",
        without="the parameter `PushCredentialsArn`",
    )
    format = default(
        Choice("json", "xml"), "json", "The format of the requests to the vendor and its answers."
    )
    xml_root = default(
        Text("name of an XML element", "[A-Za-z_][A-Za-z0-9_.-]*", "is not the name of an XML element"),
        "Push",
        "The name of the XML root element, which the vendor does not document.",
    )
    connections = default(
        Integer(at_least=1),
        3,
        "The calls to the vendor at a time, over all running functions. Each has a connection of its own.",
    )
    keep_alive = default(
        Boolean(),
        True,  # noqa: FBT003 (the key's default)
        "Whether a running function keeps its connections open for its next calls. Set it to `false` for a "
        "vendor that counts idle connections.",
    )
    title_limit = default(
        Integer(at_least=1), 100, "The characters of a title, as a reader counts them. A longer one is cut."
    )
    body_limit = default(
        Integer(at_least=1), 1000, "The characters of a body, as a reader counts them. A longer one is cut."
    )
    connect_timeout_secs = default(
        Integer(at_least=1), 3, "Seconds for connecting, name lookup and TLS included."
    )
    read_timeout_secs = default(
        Integer(at_least=1),
        10,
        "Seconds for sending a push and reading the whole answer. A call also ends within the time that the "
        "invocation has left.",
    )
    vendor_finish_secs = default(
        Integer(),
        60,
        "Seconds for which a connection stays reserved after a call that timed out or was ended by a "
        "gateway (504), because the vendor may still be working on it.",
    )
    daily_calls = default(Integer(at_least=1), 2500, "The calls that the vendor allows in a day.")
    time_zone = default(
        TimeZone(),
        "UTC",
        "The time zone of the organisation, such as `Europe/Berlin`. Its day begins at midnight there.",
    )
    reserved_percent = default(
        Integer(at_most=99),
        10,
        "The percent of the day's calls that are reserved for routes of high priority.",
        old=("reserve_percent",),
    )
    delivery_unknown = default(
        Choice("resend", "hold"),
        "resend",
        "The policy for a push of unknown fate: it is sent again, or held for a person "
        "([reliability.md](reliability.md#if-a-worker-dies)).",
    )
    resends = default(
        Integer(),
        1,
        "How often a push of unknown fate is sent again before it is held for a person. `0` has the same "
        'effect as `delivery_unknown = "hold"`.',
    )
    max_age = default(
        Duration(),
        7 * 86_400.0,
        "The age at which an event is no longer worth a push: it is `expired`. The `max_age` of a route or a "
        "source is used before this one.",
    )

    def check(self) -> None:
        """Refuse a number of resends that has no effect."""
        if "resends" in self and self.resends and self.delivery_unknown == "hold":
            self.wrong("resends", 'has no effect with `delivery_unknown = "hold"`: remove one of the two')


class PersonTable(Table):
    """A person, to whom routes may send pushes as `person:NAME`. Exactly one of the keys is required."""

    user = optional(Text(), "The API identifier of the person's user at the vendor.")
    email = optional(Text(), "The email address of the person's user.")
    external = optional(Text(), "The external identifier of the person's user.")

    def check(self) -> None:
        """Refuse a person without an identifier, or with several: the vendor does not document which wins."""
        if not self.is_wrong and sum(kind in self for kind in RecipientKind) != 1:
            self.mistake(f"has to have exactly one of: {', '.join(RecipientKind)}")


class RouteTable(Table):
    """A route: the recipients of the pushes of a source's events."""

    source = required(Text("source's name"), "The source whose events it routes.")
    when = optional(
        Text("expression"),
        "A condition, as in [writing-a-source.md](writing-a-source.md#expressions).",
        without="always",
    )
    to = required(
        Texts(Text("template"), at_least_one=True),
        "The recipients, each a template: `user:...`, `email:...`, `external:...` or `person:NAME`.",
    )
    account = default(_ACCOUNT_NAME, DEFAULT_ACCOUNT, "The account that sends the pushes.")
    priority = default(
        Choice("normal", "high"),
        "normal",
        "With `high` its pushes go first, wait less, and may use the reserved calls.",
    )
    batch = optional(
        Duration(),
        "The batch window: the route's pushes to one recipient in this time become one push, such as "
        '"3 new alerts" with their titles.',
        without="each push is sent alone",
        old=("digest",),
    )
    max_age = optional(
        Duration(), "The age at which an event is no longer worth a push.", without="the source's"
    )


class SourcePolicyTable(Table):
    """The deployer's policy for a source."""

    allow_ips = default(
        Networks(),
        (),
        "The networks (CIDR) whose addresses may call the webhook. The address is the one that API Gateway "
        "vouches for.",
        without="all",
    )
    daily_calls = optional(
        Integer(at_least=1),
        "The budget: the calls of an account's day that pushes of this source may use. It is at most the "
        "largest `daily_calls` of the accounts to which the source's routes lead.",
        without="see below",
    )
    url = optional(
        Text("URL", r"https?://[A-Za-z0-9.:\[\]-]+/[^\s?#]*", "is not https://HOST/PATH, without a query"),
        "The URL of the webhook as its sender knows it, such as "
        "`https://hooks.example.com/relay/webhooks/twilio`. Twilio signs it, and behind a proxy or an API "
        "mapping the request does not reveal it.",
        without="the URL of the request",
        old=("address",),
    )
    topics = default(
        Texts(Text("ARN of an SNS topic")),
        (),
        "The ARNs of the SNS topics that a source of the scheme `sns-http` trusts.",
        without="none",
    )
    origins = default(
        Texts(Text("host")),
        (),
        "The hosts that CloudEvents' abuse protection allows to send.",
        without="all",
    )
    unverified = default(
        Boolean(),
        False,  # noqa: FBT003 (the key's default)
        "Whether a source of the scheme `none` accepts everybody's requests. Otherwise it takes no webhooks.",
    )
    settings = default(
        TextsByName(),
        {},
        "Texts by name that the source's provider needs beside the secret and that are not secret, such as "
        "the id of a webhook. Those that are stored beside the secret "
        "([security.md](security.md#secrets-and-settings)) are used before them.",
        without="none",
    )

    def check(self) -> None:
        """Refuse a signing secret: it has no effect here, and is known to all who read the file."""
        for name in sorted(_SECRET_KINDS & self.settings.keys()):
            self.wrong(
                "settings", f"`{name}` is not a setting: store it in the signing secrets, in Secrets Manager"
            )


class AwsTable(Table):
    """Trust in events that AWS delivers."""

    eventbridge_topics = default(
        Texts(Text("ARN of an SNS topic", _TOPIC, "is not the ARN of an SNS topic")),
        (),
        "The ARNs of the SNS topics to which only EventBridge rules publish. An EventBridge event in a "
        "message of such a topic is read as one. Do not list a topic whose messages hold text that others "
        "write ([security.md](security.md#envelopes)).",
        without="none",
    )


class RelayFile(Table):
    """The deployer's file: accounts, people, routes and policies for sources."""

    account = named(
        AccountTable,
        _ACCOUNT_NAME,
        "The accounts by name. Routes use `default` unless they name another one. It needs no table.",
    )
    people = named(PersonTable, Text("person's name"), "The people by the names that routes use.")
    route = listed(RouteTable, "The routes.")
    source = named(SourcePolicyTable, Text("source's name"), "The policies for sources by their names.")
    aws = one(AwsTable, "Trust in events that AWS delivers.")
