"""Routes say who is told, each recipient once, and what can be found wrong is found at build time."""

from typing import Any

import pytest

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.event import Event
from push_relay.core.push import Recipient, RecipientKind
from push_relay.core.route import read_routing

ADA = Recipient(RecipientKind.EMAIL, "ada@example.com")
PEOPLE = {"ada": {"email": "ada@example.com"}, "bob": {"external": "4711"}}


def recipients(to: list[str], data: dict[str, Any] | None = None, **more: Any) -> tuple[Recipient, ...]:
    """Return whom one route tells."""
    routing = read_routing({"people": PEOPLE, "route": [{"source": "shop", "to": to, **more}]})
    event = Event("shop", "1", "sold", data or {}, 1.0, "i")
    return tuple(routing.recipients(event))


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
    """The three kinds that the vendor has, and a person who stands for one of them."""
    assert recipients([to], {"who": "ada", "n": 7}) == (recipient,)


@pytest.mark.parametrize(
    "to",
    ["person:{{ data.stranger }}", "person:{{ data.none }}", "user:{{ data.none }}", "email:{{ data.none }}"],
)
def test_who_is_not_listed_or_comes_out_empty_is_left_out(to: str) -> None:
    """An issue without an assignee is no mistake."""
    assert recipients([to], {"stranger": "mallory", "none": None}) == ()


def test_a_recipient_is_told_once() -> None:
    """Named twice, by two routes, as a person and directly: one push, in the order of the routes."""
    routing = read_routing(
        {
            "people": PEOPLE,
            "route": [
                {"source": "shop", "to": ["person:bob", "external:4711", "user:1"]},
                {"source": "shop", "to": ["person:ada", "user:1", "email:ada@example.com"]},
            ],
        }
    )
    told = routing.recipients(Event("shop", "1", "", {}, 1.0, "i"))
    assert [(r.kind, r.value) for r in told] == [
        ("external", "4711"),
        ("user", "1"),
        ("email", "ada@example.com"),
    ]


@pytest.mark.parametrize(("when", "told"), [("type == 'sold'", 1), ("type == 'lost'", 0), ("data.none", 0)])
def test_a_route_holds_on_its_condition(when: str, told: int) -> None:
    """No condition is every event of the source."""
    assert len(recipients(["user:1"], when=when)) == told


def test_an_event_whose_type_cannot_be_told_is_nobodys_to_drop() -> None:
    """No condition would hold, and it would pass for one that concerns nobody."""
    routing = read_routing({"route": [{"source": "shop", "when": "type == 'sold'", "to": "user:1"}]})
    with pytest.raises(MappingFailed):
        routing.recipients(Event("shop", "1", None, {}, 1.0, "i"))


def test_a_route_is_of_its_source_alone() -> None:
    """Another source's events lead nowhere."""
    routing = read_routing({"route": [{"source": "other", "to": "user:1"}]})
    assert not routing.recipients(Event("shop", "1", "", {}, 1.0, "i"))


@pytest.mark.parametrize("value", ["not an address", "a@b@c", "@", "a @b", "ada@"])
def test_an_address_that_is_none_is_a_wrong_mapping_and_not_shown(value: str) -> None:
    """What a sender wrote there may be anybody's."""
    with pytest.raises(MappingFailed) as failed:
        recipients(["email:{{ data.v }}"], {"v": value})
    assert value not in str(failed.value)


def test_an_object_is_no_recipient() -> None:
    """Nor is a list."""
    with pytest.raises(MappingFailed):
        recipients(["user:{{ data.v }}"], {"v": {"planted": 1}})


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
    """Rather than by the first event."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        recipients([to])
    assert wrong.value.detail.startswith("route[1].to: ")
    assert cause in wrong.value.detail


def test_a_source_that_does_not_exist_is_found_at_build_time() -> None:
    """Where the sources are known."""
    document = {"route": [{"source": "gihtub", "to": "user:1"}]}
    with pytest.raises(ConfigurationInvalid, match="there is no source `gihtub`; there are: github"):
        read_routing(document, {"github"})
    read_routing(document)
