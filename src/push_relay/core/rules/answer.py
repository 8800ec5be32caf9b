"""The answer that a source's sender expects instead of the relay's own."""

from typing import NamedTuple

from push_relay.core.rules.source_file import AnswerTable

_NO_CONTENT = 204


class FixedAnswer(NamedTuple):
    """How a source's accepted requests are answered, and the status of those that are refused permanently.

    status           None: the relay's own answer
    rejected_status  None: the error's own status
    """

    status: int | None = None
    body: str = ""
    content_type: str = ""
    rejected_status: int | None = None


#: The relay's own answers.
NO_ANSWER = FixedAnswer()


def read_answer(table: AnswerTable | None) -> FixedAnswer:
    """Return the answer that `[answer]` describes. A mistake is added to the table's report."""
    if table is None:
        return NO_ANSWER
    if table.status == _NO_CONTENT and table.body:
        table.wrong("body", "is not sent with the status 204")
    if table.status is None:
        for name in ("body", "content_type"):
            if name in table:
                table.wrong(name, "has no effect without `status`")
    return FixedAnswer(table.status, table.body, table.content_type, table.rejected_status)
