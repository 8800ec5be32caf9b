"""A fake of every AWS client: it notes its calls, and gives a planned answer or raises a planned error."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from push_relay.adapters import aws

SERVICES = ("sqs", "dynamodb", "secretsmanager")


def client_error(code: str, **more: Any) -> ClientError:
    """Return the exception that botocore raises for an error of a service."""
    return ClientError({"Error": {"Code": code, "Message": "planted"}, **more}, "Operation")


class FakeClient:
    """An AWS client that accepts every call.

    calls   the operations that were called, with their arguments
    error   is raised by every call, if there is one
    answer  is returned by every call
    """

    def __init__(self) -> None:
        """Start without calls, error or answer."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.answer: dict[str, Any] = {}

    @classmethod
    def install(cls, monkeypatch: pytest.MonkeyPatch) -> "FakeClient":
        """Replace the client of every service."""
        fake = cls()
        for service in SERVICES:
            monkeypatch.setitem(aws._clients, service, fake)
        return fake

    def __getattr__(self, operation: str) -> Any:
        """Return an operation of the service."""

        def call(**arguments: Any) -> dict[str, Any]:
            self.calls.append((operation, arguments))
            if self.error:
                raise self.error
            return self.answer

        return call
