"""The form of a preset: the rules of one provider as data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

NO_KEYS: Final[Mapping[str, Any]] = MappingProxyType({})


class Preset(NamedTuple):
    """How one provider proves its webhooks, and what else a source of it needs.

    verify  the keys of `[verify]`
    event   defaults of `[event]`
    answer  defaults of `[answer]`
    secret  the value that the deployer stores
    note    what a deployer should know about the proof
    """

    title: str
    docs: str
    verify: Mapping[str, Any]
    event: Mapping[str, Any] = NO_KEYS
    answer: Mapping[str, Any] = NO_KEYS
    secret: str = "the webhook's signing secret"
    note: str = ""


#: Bodies that are not one JSON object, as defaults of `[event]`.
LIST: Final[Mapping[str, Any]] = MappingProxyType({"format": "list"})
FORM: Final[Mapping[str, Any]] = MappingProxyType({"format": "form", "form_field": "*"})
XML: Final[Mapping[str, Any]] = MappingProxyType({"format": "xml"})
