"""Which values are secret or personal, by the names of their fields.

A name decides about values of any look, such as a password. `texts.py` finds the others by their look.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from relayctl.drafting.names import singular, words_of
from relayctl.drafting.word_lists import words as listed


class Kind(StrEnum):
    """The kind of a value, and of its stand-in."""

    SECRET = "secret"  # noqa: S105 (a kind of value)
    PERSON = "person"
    USER = "user name"
    EMAIL = "email address"
    PHONE = "phone number"
    ORGANISATION = "organisation"
    ADDRESS = "postal address"
    HOST = "host"
    URL = "URL"
    IP = "IP address"
    MAC = "MAC address"
    ID = "id"
    NUMBER = "number"
    #: A word out of few, such as a state: only what looks secret is replaced.
    WORD = "word"


_SECRET: Final = frozenset(listed("secrecy", "secret"))
#: `key` alone is often harmless (`BAKE-42`, `severity`).
_KEY_OF: Final = frozenset(listed("secrecy", "key_of"))
_NUMBER_OF: Final = frozenset(listed("secrecy", "number_of"))
#: Containers in which every value is secret.
SECRET_CONTAINERS: Final = frozenset(listed("secrecy", "secret_object"))
_USER: Final = frozenset(listed("secrecy", "user"))
_PERSON: Final = frozenset(listed("secrecy", "person"))
_NAME_OF: Final = _PERSON.union(listed("secrecy", "name_of"))
_ORGANISATION: Final = frozenset(listed("secrecy", "organisation"))
_ADDRESS: Final = frozenset(listed("secrecy", "address"))
_PHONE: Final = frozenset(listed("secrecy", "phone"))
_HOST: Final = frozenset(listed("secrecy", "host"))
_IP: Final = frozenset(listed("secrecy", "ip"))
_WORD: Final = frozenset(listed("secrecy", "word"))
_CODE_OF: Final = frozenset({"verification", "security", "access", "login", "auth", "session"})
_ADDRESS_OF_HOST: Final = frozenset({"ip", "mac", "remote", "source", "client"})
#: Members of an object about a person that hold its name.
_OF_PERSON: Final = frozenset(
    {"name", "first", "last", "middle", "full", "display", "initials", "value", "text"}
)
_PERSONAL: Final = frozenset({Kind.EMAIL, Kind.PHONE})
#: Names that hold a word of the lists above and mean something else.
_OTHER: Final = frozenset(
    {
        ("user", "agent"),
        ("account", "type"),
        ("order", "by"),
        ("sort", "by"),
        ("group", "by"),
        ("ip", "version"),
    }
)


class _Name(NamedTuple):
    """The end of a field's name: its last word, the singular of it, and the word before it."""

    before: str
    last: str
    one: str
    in_person: bool


def kind_of(words: tuple[str, ...], *, in_person: bool = False) -> Kind | None:
    """Return what the value of a field is, by the field's name; None if the name does not decide.

    in_person  whether the field belongs to an object about a person
    """
    if not words or words[-2:] in _OTHER:
        return None
    *_, before, last = ("", *words)
    name = _Name(before, last, singular(last), in_person)
    return next((kind for kind, holds in _RULES if holds(name)), None)


def _is_secret(name: _Name) -> bool:
    before, last = name.before, name.last
    return (
        bool({last, name.one} & _SECRET)
        or (last == "key" and before in _KEY_OF)
        or (last == "number" and before in _NUMBER_OF)
        or (before == "birth" and last in {"date", "day", "year"})
        or (before in _SECRET and last in {"value", "key", "id", "hash", "text", "code", "number"})
        or (before in _CODE_OF and last in {"code", "id"})
    )


def _is_email(name: _Name) -> bool:
    return name.one in {"email", "mail"} or (name.before in {"email", "mail"} and name.last == "address")


def _is_phone(name: _Name) -> bool:
    return name.one in _PHONE or (name.before in _PHONE and name.last == "number")


def _is_ip(name: _Name) -> bool:
    return name.one in _IP or (name.last == "address" and name.before in _ADDRESS_OF_HOST)


def _is_user(name: _Name) -> bool:
    return name.one in _USER or (name.before in {"user", "login", "screen"} and name.last == "name")


def _is_person(name: _Name) -> bool:
    is_name = name.one == "name" and name.before in _NAME_OF
    return is_name or name.one in _PERSON or (name.in_person and not name.before and name.last in _OF_PERSON)


#: The first rule that holds decides.
_RULES: Final[Sequence[tuple[Kind, Callable[[_Name], bool]]]] = (
    (Kind.SECRET, _is_secret),
    (Kind.EMAIL, _is_email),
    (Kind.PHONE, _is_phone),
    (Kind.IP, _is_ip),
    (Kind.USER, _is_user),
    (Kind.PERSON, _is_person),
    (Kind.ORGANISATION, lambda name: bool({name.one, name.last == "name" and name.before} & _ORGANISATION)),
    (Kind.ADDRESS, lambda name: bool({name.one, name.last} & _ADDRESS)),
    (Kind.HOST, lambda name: bool({name.one, name.last == "name" and name.before} & _HOST)),
    (Kind.WORD, lambda name: name.last in _WORD),
)


def kind_of_label(words: tuple[str, ...]) -> Kind | None:
    """Return what the answer to a question of a form is: `What is your full name?`."""
    for word in words:
        one = singular(word.strip("?:.,!*()"))
        found = kind_of((one,))
        if found and found is not Kind.WORD:
            return found
    asks_name = any(word.strip("?:.,!*()") in {"name", "names"} for word in words)
    return Kind.PERSON if asks_name else None


def is_person(words: tuple[str, ...]) -> bool:
    """Return whether an object of a name is about a person, or a list of the name about people."""
    return bool(words) and words[-2:] not in _OTHER and singular(words[-1]) in _PERSON | _USER


def has_personal_fields(names: Iterable[str]) -> bool:
    """Return whether an object's names are those of a person's data: an email address, a first name."""
    return any(
        kind_of(words) in _PERSONAL or words[-2:] in {("first", "name"), ("last", "name")}
        for words in map(words_of, names)
    )
