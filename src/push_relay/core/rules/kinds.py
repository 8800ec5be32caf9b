"""The kinds of values that a key of a configuration file may have.

A kind is data as well: the reference and the JSON Schemas are written from it (`relayctl reference`).
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from push_relay.core.duration import seconds
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.findings import choices

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


#: Hosts that http may be used for.
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


class Kind:
    """A kind of values. `placeholder` is used for a required value that is absent or wrong."""

    placeholder: Any = None

    def read(self, value: object) -> Any:
        """Return the value as the relay uses it. Raises ConfigurationInvalid."""
        raise NotImplementedError


class Text(Kind):
    """A text. `title` is its meaning, and `wrong` follows a value that does not match the pattern."""

    placeholder = ""

    def __init__(
        self, title: str = "text", pattern: str = "", wrong: str = "", *, may_be_empty: bool = False
    ) -> None:
        self.title = title
        self.pattern = pattern
        self.wrong = wrong
        self.may_be_empty = may_be_empty

    def read(self, value: object) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise ConfigurationInvalid("is not a text")
        if not value and not self.may_be_empty:
            raise ConfigurationInvalid("is empty")
        # Compiled when a file has the key, because most files have few of all keys.
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ConfigurationInvalid(f"`{value}` {self.wrong}")
        return value


class HeaderName(Text):
    """The name of an HTTP header, which is returned in lower case."""

    def __init__(self) -> None:
        super().__init__("header name", "[A-Za-z0-9_-]{1,100}", "is not a header's name")

    def read(self, value: object) -> str:
        """Return the name in lower case."""
        return super().read(value).lower()


class Choice(Text):
    """One of several words."""

    def __init__(self, *names: str) -> None:
        super().__init__("one of several words")
        self.names = names

    def read(self, value: object) -> str:
        """Return the word."""
        name = super().read(value)
        if name not in self.names:
            raise ConfigurationInvalid(f"`{name}` is not one of: {', '.join(self.names)}")
        return name


class Name(Text):
    """A word of which there may be many. A wrong one is answered with the one that was probably meant."""

    def __init__(self, title: str, names: Collection[str]) -> None:
        super().__init__(title)
        self.names = names

    def read(self, value: object) -> str:
        """Return the word."""
        name = super().read(value)
        if name not in self.names:
            raise ConfigurationInvalid(f"`{name}` does not exist; {choices(name, self.names)}")
        return name


class TimeZone(Text):
    """A time zone of the IANA database."""

    def __init__(self) -> None:
        super().__init__("time zone")

    def read(self, value: object) -> str:
        """Return the time zone's name."""
        name = super().read(value)
        # Imported here: UTC has no rules to read.
        from zoneinfo import ZoneInfo  # noqa: PLC0415

        try:
            ZoneInfo(name)
        except (ValueError, LookupError, OSError) as exc:
            raise ConfigurationInvalid(f"`{name}` is not a time zone (Europe/Berlin)") from exc
        return name


class Integer(Kind):
    """A whole number within bounds."""

    placeholder = 0

    def __init__(self, at_least: int = 0, at_most: int | None = None) -> None:
        self.at_least = at_least
        self.at_most = at_most

    def read(self, value: object) -> int:
        """Return the number."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigurationInvalid("is not a whole number")
        if value < self.at_least:
            raise ConfigurationInvalid(f"is less than {self.at_least}")
        if self.at_most is not None and value > self.at_most:
            raise ConfigurationInvalid(f"is more than {self.at_most}")
        return value


class Boolean(Kind):
    """True or false."""

    placeholder = False

    def read(self, value: object) -> bool:
        """Return the truth value."""
        if not isinstance(value, bool):
            raise ConfigurationInvalid("is not true or false")
        return value


class Duration(Kind):
    """A duration as people write it, such as `5m`, which is returned in seconds."""

    placeholder = 0.0

    def __init__(self, at_least_secs: float = 0.0, too_short: str = "") -> None:
        self.at_least_secs = at_least_secs
        self.too_short = too_short

    def read(self, value: object) -> float:
        """Return the seconds."""
        if not isinstance(value, str):
            raise ConfigurationInvalid("is not a text such as 5m")
        secs = seconds(value)
        if secs < self.at_least_secs:
            raise ConfigurationInvalid(f"`{value}` {self.too_short}")
        return secs


class Texts(Kind):
    """A list of texts. A single text is a list of one."""

    placeholder = ()

    def __init__(self, item: Text | None = None, *, at_least_one: bool = False) -> None:
        self.item = item or Text()
        self.at_least_one = at_least_one

    def read(self, value: object) -> tuple[str, ...]:
        """Return the texts."""
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(item, str) and item for item in listed):
            raise ConfigurationInvalid("is not a text or a list of texts")
        if self.at_least_one and not listed:
            raise ConfigurationInvalid("is an empty list")
        return tuple(self.item.read(item) for item in listed)


class TextsByName(Kind):
    """A table of texts, whose names the file chooses."""

    def __init__(self, name: Text | None = None) -> None:
        self.name = name or Text(
            "name", "[A-Za-z0-9_.-]{1,64}", "is not a name: letters, digits, `_`, `.` and `-`"
        )

    def read(self, value: object) -> dict[str, str]:
        """Return the texts by name."""
        if not isinstance(value, dict):
            raise ConfigurationInvalid("is not a table")
        return {self.name.read(name): Text().read(text) for name, text in value.items()}


class Networks(Kind):
    """A list of networks in CIDR form."""

    placeholder = ()
    item = Text("network, such as `192.0.2.0/24`")

    def read(self, value: object) -> "tuple[IPv4Network | IPv6Network, ...]":
        """Return the networks."""
        from ipaddress import ip_network  # noqa: PLC0415 (few deployers list addresses)

        networks = []
        for text in Texts().read(value):
            try:
                networks.append(ip_network(text))
            except ValueError as exc:
                raise ConfigurationInvalid(f"`{text}` is not a network in CIDR form: {exc}") from exc
        return tuple(networks)


class ConstantOrTemplate(Kind):
    """A constant, or a template of one expression whose value has the constant's type."""

    placeholder = ""

    def __init__(self, constant: Boolean | Integer) -> None:
        self.constant = constant

    def read(self, value: object) -> bool | int | str:
        """Return the constant or the template's text."""
        if isinstance(value, str):
            return Text().read(value)
        try:
            return self.constant.read(value)
        except ConfigurationInvalid as exc:
            raise ConfigurationInvalid(f"{exc.detail}, nor an expression in {{{{ }}}}") from exc


class Url(Text):
    """The base URL of an HTTP API to which secrets are sent: https, or http on this machine."""

    def __init__(self) -> None:
        super().__init__("base URL")

    def read(self, value: object) -> str:
        """Return the URL without a slash at its end."""
        return base_url(super().read(value))


def base_url(text: str) -> str:
    """Return a base URL without a slash at its end. Raises ConfigurationInvalid."""
    from urllib.parse import urlsplit  # noqa: PLC0415 (few deployers configure a URL here)

    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError as exc:
        raise ConfigurationInvalid("is not a URL") from exc
    if url.scheme != "https" and not (url.scheme == "http" and host in _THIS_MACHINE):
        raise ConfigurationInvalid("is not an https URL (http is only for this machine)")
    if not host or url.username or url.query or url.fragment:
        raise ConfigurationInvalid("is not a plain base URL: https://host[:port][/path]")
    return text.rstrip("/")
