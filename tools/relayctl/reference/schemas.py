"""The JSON Schemas of relay.toml and source.toml, for editors (docs/configuration.md, *In your editor*).

An editor with the schema completes keys, shows their documentation and underlines mistakes. `relayctl check`
is still the authority: it also compiles expressions and compares the files with each other.
"""

import json
import re
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from push_relay.core.duration import DURATION
from push_relay.core.rules.configuration import Key, Listed, Named, Nested, Table
from push_relay.core.rules.kinds import (
    Boolean,
    Choice,
    ConstantOrTemplate,
    Duration,
    Integer,
    Name,
    Networks,
    Text,
    Texts,
    TextsByName,
)
from push_relay.core.rules.relay_file import RelayFile
from push_relay.core.rules.source_file import SourceFile
from push_relay.core.trust.jwt_table import HASHES, Expectations
from push_relay.core.trust.verify_base import SchemeName
from push_relay.core.trust.verify_table import VERIFY_TABLES, Verify
from relayctl.reference.tables import default_in_toml

type Schema = dict[str, Any]

#: The schemas by the name of their file.
FILES: Mapping[str, type[Table]] = {"relay.schema.json": RelayFile, "source.schema.json": SourceFile}
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def build(name: str) -> Schema:
    """Return a file's JSON Schema."""
    file = FILES[name]
    title = name.replace(".schema.json", ".toml")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the draft that editors' TOML plug-ins support
        "title": f"{title} of Push Relay",
        **_table(file),
    }


def _table(table: type[Table]) -> Schema:
    if issubclass(table, Verify):
        return _verify()
    keys = table.keys.values()
    properties = {key.name: _key(key) for key in keys}
    for key in keys:
        renamed = {**kind_schema(key.kind), "description": f"Now called `{key.name}`.", "deprecated": True}
        properties |= dict.fromkeys(key.old_names, renamed)
    required = [key.name for key in keys if key.required]
    return {
        "type": "object",
        "description": _plain(table.__doc__ or ""),
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _verify() -> Schema:
    """Return the schema of a table whose keys depend on the scheme.

    All keys are in `properties`, from which editors complete. Conditions refuse the keys of other schemes.
    For an `if`, editors show a mistake with its key, and for a `oneOf` they would not.
    """
    tables = dict.fromkeys(VERIFY_TABLES.values())
    declared: dict[str, list[Schema]] = {}
    for table in tables:
        for name, key in table.keys.items():
            declared.setdefault(name, []).append(_key(key))
    return {
        "type": "object",
        "description": _plain(Verify.__doc__ or ""),
        "properties": {name: _common(schemas) for name, schemas in declared.items()},
        "required": ["scheme"],
        "allOf": [_variant(table) for table in tables],
    }


def _common(schemas: list[Schema]) -> Schema:
    """Return the schema of a key that several tables declare: what it may hold, if all of them agree."""
    allowed = [{name: part for name, part in schema.items() if name != "description"} for schema in schemas]
    if all(each == allowed[0] for each in allowed):
        return schemas[-1]
    return {"description": schemas[-1]["description"]}


def _variant(table: type[Verify]) -> Schema:
    schemes = [name for name, each in VERIFY_TABLES.items() if each is table]
    keys = [key for key in table.keys.values() if key.name != "scheme"]
    return {
        "if": {"required": ["scheme"], "properties": {"scheme": {"enum": schemes}}},
        "then": {
            "propertyNames": {"enum": ["scheme", *(key.name for key in keys)]},
            "properties": {key.name: _key(key) for key in keys},
            "required": [key.name for key in keys if key.required],
        },
    }


def _key(key: Key[Any]) -> Schema:
    schema = {**kind_schema(key.kind), "description": _plain(key.doc)}
    if isinstance(key.kind, Nested) or key.default is None or key.required:
        return schema
    return {**schema, "default": json.loads(default_in_toml(key))}


@singledispatch
def kind_schema(kind: object) -> Schema:
    """Return the schema of a kind of values."""
    raise TypeError(f"there is no JSON Schema for {type(kind).__name__}")


@kind_schema.register
def _nested(kind: Nested) -> Schema:
    return _table(kind.table)


@kind_schema.register
def _named(kind: Named) -> Schema:
    names = {"propertyNames": kind_schema(kind.name)} if kind.name.pattern else {}
    return {"type": "object", **names, "additionalProperties": _table(kind.table)}


@kind_schema.register
def _listed(kind: Listed) -> Schema:
    # The alternatives of `[verify]` are tables `[verify]` themselves.
    items = {"$ref": "#/properties/verify"} if issubclass(kind.table, Verify) else _table(kind.table)
    return {"type": "array", "items": items}


@kind_schema.register
def _text(kind: Text) -> Schema:
    if kind.pattern:
        return {"type": "string", "pattern": f"^(?:{kind.pattern})$"}
    return {"type": "string"} if kind.may_be_empty else {"type": "string", "minLength": 1}


@kind_schema.register
def _choice(kind: Choice | Name) -> Schema:
    return {"enum": list(kind.names)}


@kind_schema.register
def _integer(kind: Integer) -> Schema:
    most = {} if kind.at_most is None else {"maximum": kind.at_most}
    return {"type": "integer", "minimum": kind.at_least, **most}


@kind_schema.register
def _boolean(_kind: Boolean) -> Schema:
    return {"type": "boolean"}


@kind_schema.register
def _duration(_kind: Duration) -> Schema:
    return {"type": "string", "pattern": f"^{DURATION}$"}


@kind_schema.register
def _texts(kind: Texts | Networks) -> Schema:
    least = {"minItems": 1} if isinstance(kind, Texts) and kind.at_least_one else {}
    item = kind_schema(kind.item)
    return {"anyOf": [item, {"type": "array", "items": item, **least}]}


@kind_schema.register
def _expectations(_kind: Expectations) -> Schema:
    constant = {"type": ["string", "integer", "boolean"]}
    hashed = {"properties": {"text": {"type": "string"}, "hash": {"enum": list(HASHES)}}}
    choices = [constant, {"type": "array", "items": constant, "minItems": 1}, {"type": "object", **hashed}]
    return {"type": "object", "additionalProperties": {"anyOf": choices}}


@kind_schema.register
def _texts_by_name(kind: TextsByName) -> Schema:
    text = {"type": "string", "minLength": 1}
    return {"type": "object", "propertyNames": kind_schema(kind.name), "additionalProperties": text}


@kind_schema.register
def _scheme_name(kind: SchemeName) -> Schema:
    return {"enum": list(kind.names)}


@kind_schema.register
def _constant_or_template(kind: ConstantOrTemplate) -> Schema:
    return {"anyOf": [kind_schema(kind.constant), {"type": "string", "minLength": 1}]}


def _plain(text: str) -> str:
    """Return a text without links, because an editor shows it without the pages."""
    return _LINK.sub(r"\1", text.partition("\n")[0])
