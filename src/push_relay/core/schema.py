"""Check an event against its source's JSON Schema: compiled once, every violation told, no value shown.

The validator is jsonschema-rs: 2020-12 and the older drafts by `$schema`, `format` asserted, patterns
matched by an engine that is linear in the text, so that no pattern can run away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import jsonschema_rs

from push_relay.core.errors import ConfigurationInvalid, SchemaViolation, Violation
from push_relay.core.strict_json import JsonObject

#: Violations listed at the most; the count is of all that were looked at.
MAX_VIOLATIONS = 50


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
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as exc:
            cause = next(iter(str(exc).splitlines()), type(exc).__name__)
            raise ConfigurationInvalid(f"the schema is wrong: {cause}") from exc
        return cls(validator, frozenset(_property_names(document)))

    def check(self, event: JsonObject) -> None:
        """Raise SchemaViolation with every breach, up to MAX_VIOLATIONS, by pointer and keyword."""
        if self._validator.is_valid(event):
            return
        errors = islice(self._validator.iter_errors(event), MAX_VIOLATIONS)
        raise SchemaViolation(tuple(self._violation(error) for error in errors))

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        return Violation("".join(self._segments(error.instance_path)), str(error.kind.name))

    def _segments(self, path: list[str | int]) -> Iterator[str]:
        """Write a pointer (RFC 6901) in the schema's own names: one that the sender chose is `*`."""
        for step in path:
            shown = str(step) if isinstance(step, int) or step in self._declared else "*"
            yield "/" + shown.replace("~", "~0").replace("/", "~1")


def _refuse(uri: str) -> Any:
    raise ValueError(f"$ref to another document is refused: {uri}")


def _property_names(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        for child in schema.values():
            yield from _property_names(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from _property_names(child)
