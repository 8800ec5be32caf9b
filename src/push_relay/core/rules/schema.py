"""Check an event against its source's JSON Schema: every violation is reported, and no value is shown.

The validator is jsonschema-rs: 2020-12 and the older drafts by `$schema`, `format` asserted, patterns
matched by an engine that is linear in the text, so that no pattern can run away.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from push_relay.core.errors import ConfigurationInvalid, SchemaViolation, Violation
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.strict_json import Json, JsonObject

_Required = jsonschema_rs.ValidationErrorKind.Required

#: Violations that are listed at most.
MAX_VIOLATIONS = 50
#: Size (characters, and _NODE for each value) beyond which only the first violation is listed: the validator
#: makes all of them at once, each with a copy of what it is about, and half a million fill a function.
MAX_LISTED = 512 * 1024
_NODE = 16


@dataclass(frozen=True, slots=True)
class Schema:
    """One compiled schema."""

    _validator: jsonschema_rs.Validator
    _declared: frozenset[str]

    @classmethod
    def compile(cls, document: JsonObject) -> "Schema":
        """Compile a JSON Schema. Raises ConfigurationInvalid, also for a `$ref` to another document."""
        try:
            validator = jsonschema_rs.validator_for(
                document,
                validate_formats=True,
                retriever=_refuse,
                pattern_options=jsonschema_rs.RegexOptions(),
                mask="*",  # nobody reads the validator's own words, which quote the value
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as exc:
            cause = next(iter(str(exc).splitlines()), type(exc).__name__)
            raise ConfigurationInvalid(f"the schema is wrong: {cause}") from exc
        return cls(validator, frozenset(_property_names(document)))

    def check(self, event: JsonObject) -> None:
        """Raise SchemaViolation with every breach, up to MAX_VIOLATIONS, by pointer and keyword.

        Of an event larger than MAX_LISTED with the first alone.
        """
        if self._validator.is_valid(event):
            return
        errors = self._first(event) if _is_large(event) else self._validator.iter_errors(event)
        raise SchemaViolation(tuple(self._violation(error) for error in islice(errors, MAX_VIOLATIONS)))

    def _first(self, event: JsonObject) -> Iterator[jsonschema_rs.ValidationError]:
        try:
            self._validator.validate(event)
        except jsonschema_rs.ValidationError as exc:
            yield exc

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        # A field that is missing is named: ten of them at one place would look alike.
        missing = [error.kind.property] if isinstance(error.kind, _Required) else []
        return Violation("".join(self._segments([*error.instance_path, *missing])), str(error.kind.name))

    def _segments(self, path: list[str | int]) -> Iterator[str]:
        """Write a pointer (RFC 6901) in the schema's own names: one that the sender chose is `*`."""
        for step in path:
            shown = str(step) if isinstance(step, int) or step in self._declared else "*"
            yield "/" + shown.replace("~", "~0").replace("/", "~1")


def _is_large(event: JsonObject) -> bool:
    """Tell whether an event is larger than MAX_LISTED, without looking at more of it than that."""
    left: list[Json] = [event]
    size = 0
    while left and size <= MAX_LISTED:
        value = left.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict | list):
            size += _NODE * len(value)
            if isinstance(value, dict):
                size += sum(map(len, value))
            if size <= MAX_LISTED:
                left += value.values() if isinstance(value, dict) else value
    return size > MAX_LISTED


def _refuse(uri: str) -> Any:
    raise ValueError(f"$ref to another document is refused: {uri}")


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        required = schema.get("required")
        if isinstance(required, list):
            yield from (name for name in required if isinstance(name, str))
        for child in schema.values():
            yield from _property_names(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from _property_names(child)
