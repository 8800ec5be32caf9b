"""The keywords of the drafts of JSON Schema, by their own metaschemas."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY

from relayctl.checks.values import ARRAY, NUMBER, OBJECT, STRING

#: The formats that the validator checks at run time. It ignores all others.
FORMATS: Final = (
    *("date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname"),
    *("ipv4", "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template"),
    *("json-pointer", "relative-json-pointer", "regex"),
)
#: Keywords whose value is a schema, a list of schemas, or schemas by name.
ONE: Final = frozenset({
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
LISTED: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
NAMED: Final = frozenset({
    "$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties",
})  # fmt: skip
#: Keywords whose schemas are about the same value.
IN_PLACE: Final = frozenset({"allOf", "anyOf", "else", "if", "not", "oneOf", "then"})
#: The type of the values that a keyword is about.
ABOUT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("format", "maxLength", "minLength", "pattern"), STRING),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"), NUMBER),
    **dict.fromkeys(("contains", "items", "maxItems", "minItems", "prefixItems", "uniqueItems"), ARRAY),
    **dict.fromkeys(("additionalProperties", "maxProperties", "minProperties"), OBJECT),
    **dict.fromkeys(("patternProperties", "properties", "required"), OBJECT),
}  # fmt: skip
#: Keywords of OpenAPI and of other drafts, and what does the same in the newest one.
FOREIGN: Final = {
    "nullable": '`"type": ["string", "null"]` allows null',
    "optional": "a property is optional unless `required` lists it",
    "example": "the keyword is `examples`, a list",
    "id": "the keyword is `$id`",
    "additionalItems": "the keyword is `items`, after `prefixItems`",
    "discriminator": "it is OpenAPI's",
    "values": "the keyword is `enum`",
    "options": "the keyword is `enum`",
    "regex": "the keyword is `pattern`",
    "length": "the keywords are `minLength` and `maxLength`",
    "min": "the keyword is `minimum`, `minLength` or `minItems`",
    "max": "the keyword is `maximum`, `maxLength` or `maxItems`",
    "fields": "the keyword is `properties`",
}


class Draft(NamedTuple):
    """A draft of JSON Schema.

    metaschema  validates schemas of the draft
    keywords    the keywords that it knows
    """

    metaschema: Validator
    keywords: frozenset[str]


@cache
def draft_named(name: str) -> Draft | None:
    """Return the draft of a `$schema`. An empty name: the newest. None if there is no such draft."""
    kind = validator_for({"$schema": name}, default=None) if name else validator_for({})
    return Draft(kind(kind.META_SCHEMA), frozenset(_keywords(kind.META_SCHEMA))) if kind else None


def _keywords(metaschema: Mapping[str, Any]) -> Iterator[str]:
    yield from metaschema.get("properties", {})
    resolver = REGISTRY.resolver(metaschema.get("$id", ""))
    for vocabulary in metaschema.get("allOf", ()):
        yield from resolver.lookup(vocabulary["$ref"]).contents.get("properties", {})
