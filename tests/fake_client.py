"""A fake of every AWS client: it notes its calls, and gives a planned answer or raises a planned error."""

from typing import TYPE_CHECKING, Any

import pytest

from push_relay.adapters import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SERVICES = ("sqs", "dynamodb", "secretsmanager")


def client_error(code: str, *, is_repeated: bool = False, **fields: Any) -> aws.AwsError:
    """Return the exception that a client raises for an error of a service, with the answer's fields."""
    return aws.AwsError(code, {"message": "planted", **fields}, is_repeated=is_repeated)


class FakeClient:
    """An AWS client that accepts every call.

    calls    the operations that were called, with their arguments
    error    is raised by every call, if there is one
    answer   is returned by every call
    answers  functions of operations, which return the answer to arguments instead
    """

    def __init__(self) -> None:
        """Start without calls, error or answer."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.answer: dict[str, Any] = {}
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch) -> "FakeClient":
        """Replace the client of every service."""
        fake = cls()
        for service in SERVICES:
            monkeypatch.setitem(aws._clients, service, fake)
        return fake

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of the service."""
        self.calls.append((operation, arguments))
        if self.error:
            raise self.error
        if operation in self.answers:
            return self.answers[operation](arguments)
        return self.answer

    def begin(
        self, operation: str, calls: "Sequence[Mapping[str, Any]]"
    ) -> "Callable[[], list[dict[str, Any] | aws.AwsError]]":
        """Make calls of an operation at once, and return the results later."""
        results: list[dict[str, Any] | aws.AwsError] = []
        for arguments in calls:
            try:
                results.append(self.call(operation, **arguments))
            except aws.AwsError as exc:
                results.append(exc)
        return lambda: results
