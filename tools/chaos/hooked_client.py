"""A client of AWS with hooks: around each call, and around each attempt that it makes."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from push_relay.adapters import aws
from push_relay.adapters.aws_http import Result

#: Is called with the arguments of a call, which it may change. May raise AwsError.
type Before = Callable[[dict[str, Any]], None]
#: Is called with the answer to a call, which it may change; None if the call has failed.
type After = Callable[[dict[str, Any] | None], None]
#: Stands for every operation.
EVERY: Final = ""


class HookedClient:
    """The relay's own client of a service, with hooks. Everything below them is the real one."""

    def __init__(self, client: aws.AwsClient) -> None:
        self.client = client
        self._before: defaultdict[str, list[Before]] = defaultdict(list)
        self._after: defaultdict[str, list[After]] = defaultdict(list)

    def before(self, operation: str, hook: Before) -> None:
        """Register a hook before the calls of an operation."""
        self._before[operation].append(hook)

    def after(self, operation: str, hook: After) -> None:
        """Register a hook after the calls of an operation, also after those that fail."""
        self._after[operation].append(hook)

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation. Raises AwsError."""
        (answer,) = self.begin(operation, [arguments])()
        if isinstance(answer, aws.AwsError):
            raise answer
        return answer

    def begin(self, operation: str, calls: Sequence[Mapping[str, Any]]) -> Callable[[], Sequence[Result]]:
        """Begin calls of an operation; return a function that waits for their answers. Neither raises."""
        results: dict[int, Result] = {}
        changed: dict[int, dict[str, Any]] = {}
        for number, arguments in enumerate(calls):
            mine = dict(arguments)
            try:
                for hook in (*self._before[operation], *self._before[EVERY]):
                    hook(mine)
                changed[number] = mine
            except aws.AwsError as exc:
                results[number] = exc
        end = self.client.begin(operation, [*changed.values()])

        def ended() -> Sequence[Result]:
            results.update(zip(changed, end(), strict=True))
            found = [results[number] for number in range(len(calls))]
            for result in found:
                for change in self._after[operation]:
                    change(None if isinstance(result, aws.AwsError) else result)
            return found

        return ended


def hooked(service: str) -> HookedClient:
    """Return this process's client of a service, to register hooks with."""
    client: Any = getattr(aws, service)()
    if isinstance(client, HookedClient):
        return client
    made: Any = HookedClient(client)
    aws._clients[service] = made  # noqa: SLF001 (the place from which the adapters take it)
    return cast("HookedClient", made)
