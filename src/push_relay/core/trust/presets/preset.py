"""The form of a preset: the rules of one provider as data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

NO_KEYS: Final[Mapping[str, Any]] = MappingProxyType({})


class Preset(NamedTuple):
    """How one provider proves its webhooks, and what else a source of it needs.

    verify  the keys of `[verify]`
    secret  the value that the deployer stores
    note    what a deployer should know about the proof
    event   defaults of `[event]`
    answer  defaults of `[answer]`
    """

    title: str
    docs: str
    verify: Mapping[str, Any]
    secret: str = "the webhook's signing secret"
    note: str = ""
    event: Mapping[str, Any] = NO_KEYS
    answer: Mapping[str, Any] = NO_KEYS


#: Why nothing has to separate the body from other values, such as an address, a time that is not judged or an
#: id: with another border it would not be JSON any more, and its event would be refused.
JSON_SHOWS_ITS_ENDS: Final = "the body is JSON, so that no other border leaves a body that can be read"

#: Bodies that are not one JSON object, as defaults of `[event]`.
LIST: Final[Mapping[str, Any]] = MappingProxyType({"format": "list"})
FORM: Final[Mapping[str, Any]] = MappingProxyType({"form_field": "*"})
XML: Final[Mapping[str, Any]] = MappingProxyType({"format": "xml"})
