"""The keys of relay.toml, the deployer's file: its accounts, people, routes and sources.

The documentation of each key is written once, here. `relayctl reference` puts it into docs/configuration.md
and into the JSON Schema.
"""

from push_relay.core.push import RecipientKind
from push_relay.core.rules.configuration import Table, default, listed, named, one, optional, required
from push_relay.core.rules.kinds import (
    Boolean,
    Choice,
    Duration,
    Integer,
    Networks,
    Text,
    Texts,
    TimeZone,
    Url,
)

#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html#amazonsns-resources-for-iam-policies
_TOPIC = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?"
ACCOUNT_NAME = r"[a-z0-9-]{1,32}"
#: The account that needs no configuration, because the environment gives its base URL and credentials.
DEFAULT_ACCOUNT = "default"


class AccountTable(Table):
    """One organisation's account at the vendor."""

    base_url = optional(
        Url(),
        "The vendor's base URL. It is https, or http on this machine.",
        without="the template's `PushBaseUrl`",
    )
    credentials_secret = optional(
        Text("name or ARN of a secret"),
        "The Secrets Manager secret with the account's `CompanyId` and `IntegrationKey`. It is required for "
        "every account but `default`.",
        without="the template's `PushCredentialsArn`",
    )
    format = default(
        Choice("json", "xml"), "json", "The format of requests to the vendor and of its answers."
    )
    xml_root = default(
        Text("name of an XML element", "[A-Za-z_][A-Za-z0-9_.-]*", "is not the name of an XML element"),
        "Push",
        "The name of the XML root element. The vendor does not document it.",
    )
    connections = default(
        Integer(at_least=1),
        3,
        "Calls to the vendor at a time, over all running functions. Each call has a connection of its own.",
    )
    keep_alive = default(
        Boolean(),
        True,  # noqa: FBT003 (the key's default)
        "Whether a running function keeps its connections open for its next calls. Use `false` if the vendor "
        "counts idle connections.",
    )
    title_limit = default(
        Integer(at_least=1), 100, "Characters of a title, as a reader counts them. A longer title is cut."
    )
    body_limit = default(
        Integer(at_least=1), 1000, "Characters of a body, as a reader counts them. A longer body is cut."
    )
    connect_timeout_secs = default(
        Integer(at_least=1), 3, "Seconds for a connection to the vendor, with the name lookup and TLS."
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
        "Seconds for which a connection stays reserved after a call that timed out, or that a gateway gave "
        "up (504). The vendor may still be working on it.",
    )
    daily_calls = default(Integer(at_least=1), 2500, "Calls that the vendor allows in a day.")
    time_zone = default(TimeZone(), "UTC", "The organisation's time zone. Its day begins at midnight there.")
    reserved_percent = default(
        Integer(at_most=99),
        10,
        'The last part of the day\'s calls, in percent, that only routes with `priority = "high"` may use.',
        old=("reserve_percent",),
    )
    delivery_unknown = default(
        Choice("resend", "hold"),
        "resend",
        "What happens to a push if nobody can know whether the vendor has shown it: `resend` sends it again, "
        "`hold` keeps it for a person.",
    )
    resends = default(
        Integer(),
        1,
        "How often a push of unknown fate is sent again before it is kept for a person. `0` is the same as "
        '`delivery_unknown = "hold"`.',
    )
    max_age = default(
        Duration(),
        7 * 86_400.0,
        "The age at which an event is not worth a push any more: the push is `expired`. The `max_age` of a "
        "route or a source is used instead if it is configured.",
        without="`7d`",
    )

    def check(self) -> None:
        """Refuse a number of resends that has no effect."""
        if "resends" in self and self.resends and self.delivery_unknown == "hold":
            self.wrong("resends", 'has no effect with `delivery_unknown = "hold"`: remove one of the two')


class PersonTable(Table):
    """A person to whom routes may send pushes as `person:NAME`. Exactly one of the keys is required."""

    user = optional(Text(), "The user's API identifier.")
    email = optional(Text(), "The user's email address.")
    external = optional(Text(), "The user's external identifier.")

    def check(self) -> None:
        """Refuse a person with no identifier, or with several: the vendor does not say which one it uses."""
        if not self.is_wrong and sum(kind in self for kind in RecipientKind) != 1:
            self.mistake(f"has to have exactly one of: {', '.join(RecipientKind)}")


class RouteTable(Table):
    """Who receives the pushes of a source's events. All routes whose condition holds apply."""

    source = required(Text("source's name"), "The source whose events the route is about.")
    when = optional(
        Text("expression"), "The condition under which the route applies to an event.", without="always"
    )
    to = required(
        Texts(Text("template"), at_least_one=True),
        "The recipients, as templates: `user:...`, `email:...`, `external:...` or `person:NAME`.",
    )
    account = default(
        Text("account's name", ACCOUNT_NAME, "is not an account's name"),
        DEFAULT_ACCOUNT,
        "The account by which the pushes are sent.",
    )
    priority = default(
        Choice("normal", "high"),
        "normal",
        "`high` goes first, waits less, and may use the reserved part of the day's calls.",
    )
    batch = optional(
        Duration(),
        "A batch window, such as `5m`: the route's pushes to one recipient in that time become one push (\"3 "
        'new alerts", with their titles). A push of more than 10,000 characters is sent on its own.',
        without="each push is sent on its own",
        old=("digest",),
    )
    max_age = optional(
        Duration(),
        "The age at which an event is not worth a push any more, such as `90s`, `5m`, `2h` or `7d`.",
        without="the source's, or else the account's",
    )


class SourcePolicyTable(Table):
    """What the deployer allows to a source."""

    allow_ips = default(
        Networks(),
        (),
        "Networks in CIDR form that may call the webhook. The address is the one that API Gateway vouches "
        "for.",
        without="every address",
    )
    daily_calls = optional(
        Integer(at_least=1),
        "Calls of an account's day that pushes of this source may use, in each account. It is at most the "
        "account's `daily_calls`.",
        without="see *A source's budget*",
    )
    url = optional(
        Text("URL", r"https?://[A-Za-z0-9.:\[\]-]+/[^\s?#]*", "is not https://HOST/PATH, without a query"),
        "The webhook's URL as its sender calls it, if the relay is behind a proxy or an API mapping. Twilio "
        "signs it.",
        without="the URL of the request",
        old=("address",),
    )
    topics = default(
        Texts(Text("ARN of an SNS topic")),
        (),
        "SNS topics (ARNs) that a source with the scheme `sns-http` trusts.",
        without="no topic",
    )
    origins = default(
        Texts(Text("host")),
        (),
        "Hosts that may send according to CloudEvents' abuse protection.",
        without="every host",
    )
    unverified = default(
        Boolean(),
        False,  # noqa: FBT003 (the key's default)
        "Whether a source with the scheme `none` accepts requests. Without it such a source takes no "
        "webhooks.",
    )


class AwsTable(Table):
    """What AWS delivers."""

    eventbridge_topics = default(
        Texts(Text("ARN of an SNS topic", _TOPIC, "is not the ARN of an SNS topic")),
        (),
        "SNS topics (ARNs) to which only EventBridge rules publish. An EventBridge event in their messages "
        "is read as one. Don't list a topic whose messages hold text that others write (security.md, "
        "*Envelopes*).",
        without="no topic",
    )


class RelayFile(Table):
    """relay.toml."""

    account = named(
        AccountTable,
        Text(
            "account's name",
            ACCOUNT_NAME,
            "is not an account's name: a to z, 0 to 9, -, at most 32 characters",
        ),
        "Accounts at the vendor. `default` is used by routes that name no account, and needs no table.",
    )
    people = named(PersonTable, Text("person's name"), "People by the names that routes use for them.")
    route = listed(RouteTable, "The routes.")
    source = named(SourcePolicyTable, Text("source's name"), "What the deployer allows to each source.")
    aws = one(AwsTable, "What AWS delivers.")
