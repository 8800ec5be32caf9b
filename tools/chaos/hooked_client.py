"""A client of AWS with hooks: around each call, and around each attempt that it makes."""

from collections.abc import Callable
from typing import Any, cast

from push_relay.adapters import aws

#: Is called with an operation and its arguments, which it may change, before the call. May raise AwsError.
type Before = Callable[[str, dict[str, Any]], None]
#: Is called with an operation and its answer, which it may change; None if the call has failed.
type After = Callable[[str, dict[str, Any] | None], None]


class HookedClient:
    """The relay's own client of a service, with hooks. Everything below them is the real one."""

    def __init__(self, client: aws.AwsClient) -> None:
        self.client = client
        self.before: list[Before] = []
        self.after: list[After] = []

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation. Raises AwsError."""
        answer: dict[str, Any] | None = None
        try:
            for hook in self.before:
                hook(operation, arguments)
            answer = self.client.call(operation, **arguments)
        finally:
            for change in self.after:
                change(operation, answer)
        return answer


def hooked(service: str) -> HookedClient:
    """Return this process's client of a service, to register hooks with."""
    client: Any = getattr(aws, service)()
    if isinstance(client, HookedClient):
        return client
    made: Any = HookedClient(client)
    aws._clients[service] = made  # noqa: SLF001 (the place from which the adapters take it)
    return cast("HookedClient", made)
