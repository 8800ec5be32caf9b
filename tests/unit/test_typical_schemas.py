"""`relayctl check` finds the mistakes that people make in schema.json, each with a hint."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from kiln import check_kiln, place
from push_relay.core.rules.findings import ERROR, WARNING
from relayctl.checks.vocabulary import FORMATS, draft_named


def of_severity(**keywords: Any) -> dict[str, Any]:
    """Return a schema with the schema of one field."""
    return {"type": "object", "properties": {"severity": keywords}}


def of_event(**keywords: Any) -> dict[str, Any]:
    """Return a schema."""
    return {"type": "object", **keywords}


#: A schema, the code of the finding, the line, the key, and what the message has to contain.
CERTAIN = [
    (of_event(requierd=["id"]), "unknown_keyword", 3, "/requierd", "did you mean `required`?"),
    (of_event(propertys={"id": {}}), "unknown_keyword", 3, "/propertys", "did you mean `properties`?"),
    (of_event(severity={"type": "string"}), "unknown_keyword", 3, "/severity", "is declared in `properties`"),
    (of_event(required="id"), "invalid_value", 3, "/required", "is a text, and has to be a list"),
    (of_event(properties=["id"]), "invalid_value", 3, "/properties", "has to be an object"),
    (of_event(additionalProperties="false"), "invalid_value", 3, "/additionalProperties", "true or false"),
    (of_event(minProperties="1"), "invalid_value", 3, "/minProperties", "has to be a number"),
    (of_event(allOf={"required": ["id"]}), "invalid_value", 3, "/allOf", "has to be a list"),
    (of_severity(type="text"), "invalid_value", 5, "/properties/severity/type", "write `string`"),
    (of_severity(type="int"), "invalid_value", 5, "/properties/severity/type", "write `integer`"),
    (of_severity(type="datetime"), "invalid_value", 5, "/properties/severity/type", '"format": "date-time"'),
    (of_severity(type="string, null"), "invalid_value", 5, "/properties/severity/type", "several are a list"),
    (of_severity(type=["string", "nul"]), "invalid_value", 5, "/properties/severity/type", "write `null`"),
    (of_severity(required=True), "invalid_value", 5, "/properties/severity/required", '"required": ["name"]'),
    (of_severity(nullable=True), "unknown_keyword", 5, "/properties/severity/nullable", "allows null"),
    (of_severity(example="x"), "unknown_keyword", 5, "/properties/severity/example", "is `examples`, a list"),
    (of_severity(maxlength=5), "unknown_keyword", 5, "/properties/severity/maxlength", "mean `maxLength`?"),
    (of_severity(max=5), "unknown_keyword", 5, "/properties/severity/max", "`maximum`"),
    (of_severity(pattern="(a"), "invalid_value", 5, "/properties/severity/pattern", "not a regular expr"),
    (of_severity(pattern="^(?!x)"), "invalid_value", 5, "/properties/severity/pattern", "look-around"),
    (of_severity(items=[{"type": "x"}]), "invalid_value", 5, "/properties/severity/items", "`prefixItems`"),
    (of_severity(enum="high"), "invalid_value", 5, "/properties/severity/enum", "has to be a list"),
    (
        {"type": "object", "properties": {"severity": "string"}},
        "invalid_value",
        4,
        "/properties/severity",
        'write {"type": "string"}',
    ),
    (
        {"$schema": "http://json-schema.org/draft-99", "type": "object"},
        "invalid_value",
        2,
        "/$schema",
        "https://json-schema.org/draft/2020-12/schema",
    ),
    (
        {"if": {"properties": {"a": {"cosnt": 1}}}},
        "unknown_keyword",
        5,
        "/if/properties/a/cosnt",
        "did you mean `const`?",
    ),
    (
        {"$schema": "http://json-schema.org/draft-07/schema#", "unevaluatedProperties": False},
        "unknown_keyword",
        3,
        "/unevaluatedProperties",
        "is not a keyword",
    ),
]
PROBABLE = [
    (of_severity(format="datetime"), 5, "/properties/severity/format", "did you mean `date-time`?"),
    (of_severity(format="int32"), 5, "/properties/severity/format", "not a format that is checked"),
    (of_severity(type="string", minimum=3), 6, "/properties/severity/minimum", "has no effect"),
    (
        {"properties": {"severity": {}}, "anyOf": [{"required": ["severty"]}, {"required": ["severity"]}]},
        7,
        "/anyOf/0/required",
        "did you mean `severity`?",
    ),
]


@pytest.mark.parametrize(("schema", "code", "line", "key", "hint"), CERTAIN)
def test_a_mistake_in_a_schema_is_an_error_with_a_hint(  # noqa: PLR0913, PLR0917 (a row of the table)
    schema: dict[str, Any], code: str, line: int, key: str, hint: str, tmp_path: Path
) -> None:
    """A keyword that a validator does not know is ignored, and so is the promise that the author meant."""
    result = check_kiln(tmp_path, schema=json.dumps(schema, indent=1))
    found = next(each for each in result.findings if place(each)[0] == "schema.json")
    assert (found.code, place(found), found.key) == (code, ("schema.json", line), key)
    assert (hint in found.message, found.severity) == (True, ERROR)
    assert [each for each in result.findings if place(each)[0] == "schema.json"] == [found]


@pytest.mark.parametrize(("schema", "line", "key", "hint"), PROBABLE)
def test_a_keyword_without_effect_is_a_warning(
    schema: dict[str, Any], line: int, key: str, hint: str, tmp_path: Path
) -> None:
    """It does no harm, and is not what the author meant."""
    (found,) = check_kiln(tmp_path, schema=json.dumps(schema, indent=1)).findings
    assert (found.code, place(found), found.key) == ("unknown_keyword", ("schema.json", line), key)
    assert (hint in found.message, found.severity) == (True, WARNING)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        of_event(required=["id"], properties={"id": {"type": ["string", "null"], "x-note": "mine"}}),
        of_event(properties={"required": {"description": "a field that has a keyword's name"}}),
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "object"}}},
        {"$defs": {"a": {"minLength": 1}}, "properties": {"id": {"$ref": "#/$defs/a"}}},
        {"anyOf": [{"required": ["id"]}, {"required": ["key"]}]},
    ],
)
def test_a_right_schema_has_no_finding(schema: dict[str, Any], tmp_path: Path) -> None:
    """A check that is wrong too often is switched off."""
    assert check_kiln(tmp_path, schema=json.dumps(schema)).findings == ()


def test_a_schema_that_refuses_an_example_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """The sender's events would be refused too, and most senders do not send them again."""
    result = check_kiln(tmp_path, schema=json.dumps(of_severity(type="integer")))
    (found,) = result.findings
    assert (found.code, place(found)) == ("failed_example", ("firing.request.json", 0))
    assert found.message.startswith("is refused by schema.json: /severity breaks `type`; correct the schema")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"type": "object",}', 1, "Illegal trailing comma"),
        ('{\n"type": "object" // the event\n}', 2, "is not JSON"),
        ("[]", 1, "is not an object"),
        ('{"$ref": "other.json"}', 1, "other.json"),
    ],
)
def test_a_schema_that_cannot_be_used_is_one_finding(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    """The checks have nothing to add."""
    (found,) = check_kiln(tmp_path, schema=text).findings
    assert (place(found), found.severity) == (("schema.json", line), ERROR)
    assert message in found.message


@pytest.mark.parametrize("name", FORMATS)
def test_the_validator_checks_each_format_that_the_check_knows(name: str) -> None:
    """A format that it ignores would be a promise that nobody keeps."""
    validator = jsonschema_rs.validator_for({"format": name}, validate_formats=True)
    assert not validator.is_valid("((((\n^%|: {")


def test_the_keywords_are_those_of_the_metaschemas() -> None:
    """They are read from jsonschema, not listed by hand."""
    newest, older = draft_named(""), draft_named("http://json-schema.org/draft-07/schema")
    assert newest
    assert older
    assert {"prefixItems", "$defs", "minContains", "contentSchema"} <= newest.keywords - older.keywords
    assert {"type", "enum", "const", "if", "properties", "format"} <= newest.keywords & older.keywords
    assert draft_named("http://example.com/schema") is None
