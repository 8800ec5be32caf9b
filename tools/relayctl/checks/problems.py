"""The problems that checks report, and their codes. docs/configuration.md lists the codes."""

from typing import Final, NamedTuple

from push_relay.core.rules.findings import ERROR

UNKNOWN_NAME: Final = "unknown_name"
INVALID_CALL: Final = "invalid_call"
INVALID_COMPARISON: Final = "invalid_comparison"
CONSTANT_CONDITION: Final = "constant_condition"
UNREACHABLE_RULE: Final = "unreachable_rule"
NOT_A_TEMPLATE: Final = "not_a_template"
WRONG_TYPE: Final = "wrong_type"
UNKNOWN_FIELD: Final = "unknown_field"
UNKNOWN_VALUE: Final = "unknown_value"
FAILED_EXAMPLE: Final = "failed_example"
UNKNOWN_KEYWORD: Final = "unknown_keyword"
INVALID_NAME: Final = "invalid_name"
UNUSED_FILE: Final = "unused_file"
NO_ROUTE: Final = "no_route"
NO_MESSAGE: Final = "no_message"


class Problem(NamedTuple):
    """A problem, still without its place."""

    code: str
    message: str
    severity: str = ERROR
