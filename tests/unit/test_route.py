"""Routes select the recipients, each of them once. Most mistakes in them are found at build time."""

from typing import Any

import pytest

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.event import Event
from push_relay.core.push import Recipient, RecipientKind
from push_relay.core.rules.routing import Routed
from push_relay.core.rules.routing_file import read_routing

ADA = Recipient(RecipientKind.EMAIL, "ada@example.com")
PEOPLE = {"ada": {"email": "ada@example.com"}, "bob": {"external": "4711"}}


def recipients(to: list[str], data: dict[str, Any] | None = None, **more: Any) -> tuple[Recipient, ...]:
    """Return the recipients of one route, none of which may fail."""
    routed = route([{"to": to, **more}], data)
    assert routed.failures == ()
    return tuple(recipient for _, recipient in routed.recipients)


def route(routes: list[dict[str, Any]], data: dict[str, Any] | None = None) -> Routed:
    """Return the result of these routes for an event."""
    routing = read_routing({"people": PEOPLE, "route": [{"source": "shop", **each} for each in routes]})
    return routing.route(Event("shop", "1", "sold", data or {}, 1.0, "i"))


def failures(routes: list[dict[str, Any]], data: dict[str, Any] | None = None) -> list[str]:
    """Return the failures of these routes for an event."""
    return [error.detail for error in route(routes, data).failures]


@pytest.mark.parametrize(
    ("to", "recipient"),
    [
        ("user:u-1", Recipient(RecipientKind.USER, "u-1")),
        ("email:ada@example.com", ADA),
        ("external:a:b", Recipient(RecipientKind.EXTERNAL, "a:b")),
        ("person:ada", ADA),
        ("person:{{ data.who }}", ADA),
        ("email:{{ data.who }}@example.com", ADA),
        ("external:{{ data.n }}", Recipient(RecipientKind.EXTERNAL, "7")),
    ],
)
def test_every_kind_of_recipient(to: str, recipient: Recipient) -> None:
    """The vendor has three kinds of recipients, and a person is a name for one of these."""
    assert recipients([to], {"who": "ada", "n": 7}) == (recipient,)


@pytest.mark.parametrize(
    "to",
    ["person:{{ data.stranger }}"]
    + [
        f"{kind}:{{{{ data.{value} }}}}"
        for kind in ("person", "user", "email")
        for value in ("none", "blank")
    ],
)
def test_a_recipient_that_is_not_listed_or_empty_is_left_out(to: str) -> None:
    """An issue without an assignee, for example, is not a mistake."""
    assert recipients([to], {"stranger": "mallory", "none": None, "blank": " \n"}) == ()


def test_a_recipient_gets_one_push_for_an_event() -> None:
    """It may be listed twice, in two routes, as a person and directly. The order is that of the routes."""
    routing = read_routing(
        {
            "people": PEOPLE,
            "route": [
                {"source": "shop", "to": ["person:bob", "external:4711", "user:1"]},
                {"source": "shop", "to": ["person:ada", "user:1", "email:ada@example.com"]},
            ],
        }
    )
    found = routing.route(Event("shop", "1", "", {}, 1.0, "i")).recipients
    assert [(r.kind, r.value) for _, r in found] == [
        ("external", "4711"),
        ("user", "1"),
        ("email", "ada@example.com"),
    ]


@pytest.mark.parametrize(("when", "number"), [("type == 'sold'", 1), ("type == 'lost'", 0), ("data.none", 0)])
def test_a_route_applies_if_its_condition_is_true(when: str, number: int) -> None:
    """A route without a condition applies to every event of its source."""
    assert len(recipients(["user:1"], when=when)) == number


def test_an_event_of_unknown_type_fails_instead_of_being_filtered() -> None:
    """No condition could be true, and the event would look as if it concerned nobody."""
    routing = read_routing({"route": [{"source": "shop", "when": "type == 'sold'", "to": "user:1"}]})
    with pytest.raises(MappingFailed):
        routing.route(Event("shop", "1", None, {}, 1.0, "i"))


def test_a_route_applies_only_to_its_source() -> None:
    """Events of other sources are not affected."""
    routing = read_routing({"route": [{"source": "other", "to": "user:1"}]})
    assert not routing.route(Event("shop", "1", "", {}, 1.0, "i")).recipients


@pytest.mark.parametrize("value", ["not an address", "a@b@c", "@", "a @b", "ada@"])
def test_an_invalid_email_address_is_a_mapping_error_and_is_not_shown(value: str) -> None:
    """A sender could have written anybody's data there."""
    assert failures([{"to": ["email:{{ data.v }}"]}], {"v": value}) == [
        "route[1].to[1]: a recipient's email address is invalid"
    ]


@pytest.mark.parametrize("value", [{"planted": 1}, ["planted"]])
def test_an_object_or_a_list_cannot_be_a_recipient(value: Any) -> None:
    """There is no text that could stand for it."""
    assert failures([{"to": ["user:{{ data.v }}"]}], {"v": value}) == [
        "route[1].to[1]: `user:{{ data.v }}` puts an object or a list into a text"
    ]


def test_an_invalid_recipient_does_not_affect_the_others() -> None:
    """Each failure has the numbers of the route and the recipient, as the mistakes in relay.toml do."""
    routed = route(
        [
            {"to": ["email:{{ data.mail }}", "user:1", "user:{{ data.list[::0] }}"]},
            {"to": ["user:2"], "when": "`[1]`[::0]"},
            {"to": ["user:3"]},
        ],
        {"mail": "planted", "list": ["planted"]},
    )
    assert [recipient.value for _, recipient in routed.recipients] == ["1", "3"]
    assert [error.detail for error in routed.failures] == [
        "route[1].to[1]: a recipient's email address is invalid",
        "route[1].to[3]: `data.list[::0]` cannot be evaluated on this event",
        "route[2].when: ``[1]`[::0]` cannot be evaluated on this event",
    ]


def test_routes_are_counted_over_all_sources() -> None:
    """Thus the number is the same as in the messages about mistakes in relay.toml."""
    other = {"source": "other", "to": ["user:1"]}
    assert failures([other, {"to": ["email:{{ data.v }}"]}], {"v": "x"})[0].startswith("route[2].to[1]: ")


URGENT = {"priority": "high", "max_age": "2m"}
SLOW = {"batch": "10m", "max_age": "10m"}
QUICK = {"batch": "5m", "max_age": "5m"}
PLAIN = {"max_age": "3m"}


@pytest.mark.parametrize(
    ("routes", "max_age"),
    [
        ([SLOW, QUICK, PLAIN, URGENT], 120),
        ([SLOW, QUICK, PLAIN], 180),
        ([SLOW, QUICK], 300),
        ([SLOW, {**SLOW, "priority": "high", "max_age": "9m"}], 540),
        ([PLAIN, {**QUICK, "priority": "high"}], 180),
        ([PLAIN, {**PLAIN, "max_age": "4m"}], 180),
    ],
)
def test_the_most_urgent_route_of_a_recipient_applies(routes: list[dict[str, Any]], max_age: float) -> None:
    """First counts having no batch window, then a shorter window, then high priority, then the order."""
    for given in (routes, routes[:1] + routes[:0:-1]):
        routed = route([{"to": ["user:1"], **each} for each in given])
        assert [applied.max_age for applied in routed.recipients.values()] == [max_age]


@pytest.mark.parametrize(
    ("to", "cause"),
    [
        ("person:mallory", "not in [people]"),
        ("mallory", "begins with none of"),
        ("{{ data.a }}:x", "begins with none of"),
        ("Person:ada", "begins with none of"),
        ("sms:1", "begins with none of"),
        ("email:nobody", "email"),
        ("user:", "`user:`"),
        ("external:", "`external:`"),
        ("person:", "not in [people]"),
        ("user:{{ data. }}", "JMESPath"),
        ("user:{{ data.a", "never closes"),
    ],
)
def test_a_wrong_recipient_is_found_at_build_time(to: str, cause: str) -> None:
    """Otherwise the first event would show it."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        recipients([to])
    assert wrong.value.detail.startswith("route[1].to: ")
    assert cause in wrong.value.detail


def test_a_source_that_does_not_exist_is_found_at_build_time() -> None:
    """The check is made only if the names of the sources are given."""
    document = {"route": [{"source": "gihtub", "to": "user:1"}]}
    with pytest.raises(ConfigurationInvalid, match="there is no source `gihtub`; did you mean `github`"):
        read_routing(document, {"github"})
    read_routing(document)


@pytest.mark.parametrize(
    ("document", "warned"),
    [
        ({"route": [{"source": "trello", "to": ["user:1"]}]}, ["source.trello"]),
        ({"route": [{"source": "github", "to": ["user:1"]}]}, []),
        ({}, []),
        (
            {
                "route": [{"source": "trello", "to": ["user:1"]}],
                "source": {"trello": {"url": "https://relay.example.com/webhooks/trello"}},
            },
            [],
        ),
    ],
    ids=["routed", "another-route", "no-route", "with-url"],
)
def test_a_routed_source_whose_sender_signs_the_url_needs_the_url(
    document: dict[str, Any], warned: list[str]
) -> None:
    """The shipped sources that nobody uses are not worth a warning."""
    routing = read_routing(document, signing_url=["trello"])
    assert [warning.key for warning in routing.warnings] == warned
