"""A small client for AWS's JSON protocols: DynamoDB, SQS and Secrets Manager. It calls as boto3 would.

boto3 takes longer to import than the rest of the relay together, and a call costs it three times as much
(decision 127). Tests hold this client against botocore's own behaviour: endpoints, signatures, what is an
error, and what is repeated.

Protocols: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import binascii
import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from push_relay.adapters.aws_error import AwsError
from push_relay.adapters.aws_signature import Credentials, Signer
from push_relay.adapters.http_call import NoAnswer, NotConnected

if TYPE_CHECKING:
    from push_relay.adapters.http_call import Answer

#: The calls that are made at a time; each has a connection.
AT_A_TIME = 10
#: Attempts of a call. Another one follows on what is probably over soon.
ATTEMPTS = 2
#: The longest pause before the second attempt in seconds.
PAUSE_SECS = 1.0
#: Bytes of an answer that are read. A page of a query has at most 1 MB of items; as JSON it may be longer.
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
#: Pauses before the second attempt, in seconds, of which a random part is waited for, as botocore's standard
#: mode does.
_PAUSES_SECS = {"dynamodb": 0.025}
_PAUSE_SECS, _THROTTLED_PAUSE_SECS = 0.05, 1.0
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_TRANSIENT = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
_TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
_TOO_MANY_REQUESTS = 429
#: Made once, because `json.dumps` makes an encoder for each call, and `json.loads` looks for an encoding.
_JSON, _READ_JSON = json.JSONEncoder(separators=(",", ":")), json.JSONDecoder()
_OK = 200
_REFUSED = 300


class Service(NamedTuple):
    """A service as its calls name it.

    name    in its host and in signatures
    target  begins the header `X-Amz-Target`
    json    the version of its protocol
    """

    name: str
    target: str
    json: str = "1.0"


class Post(Protocol):
    """Makes one attempt: posts a body to the service."""

    def __call__(
        self, target: str, headers: Mapping[str, str], body: bytes, limit: int
    ) -> "Callable[[], Answer]":
        """Return a function that waits for the answer and returns it. Both raise NotConnected, NoAnswer."""
        ...


class _Failed(NamedTuple):
    """An attempt that has failed. `is_throttled`: because the service asks for fewer calls."""

    code: str
    fields: Mapping[str, Any]
    is_transient: bool = False
    is_throttled: bool = False
    retry_after_secs: float = 0.0

    @property
    def can_be_repeated(self) -> bool:
        """Whether another attempt may succeed."""
        return self.is_transient or self.is_throttled


#: The answer to a call, or why there is none.
type Result = dict[str, Any] | AwsError
#: A function that reads the answer to a request, or why nothing could be sent.
type _Sent = Callable[[], dict[str, Any] | _Failed] | _Failed


class AwsClient:
    """Calls one service. Safe to use from several threads.

    host, path   of the service's URL
    post         makes an attempt; the chaos run puts its faults there
    """

    def __init__(  # noqa: PLR0913 (all that a client is)
        self,
        service: Service,
        signer: Signer,
        credentials: Callable[[], Credentials],
        *,
        host: str,
        path: str,
        post: Post,
    ) -> None:
        self.service = service
        self.post = post
        self._signer, self._credentials = signer, credentials
        self._host, self._path = host, path

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation, and return its answer. Raises AwsError.

        Binary values are texts in Base64, in the arguments and in the answer.
        """
        (answer,) = self.begin(operation, [arguments])()
        if isinstance(answer, AwsError):
            raise answer
        return answer

    def begin(self, operation: str, calls: Sequence[Mapping[str, Any]]) -> Callable[[], Sequence[Result]]:
        """Begin calls of an operation; return a function that waits for their answers and returns them.

        calls  the arguments of each

        Neither raises: a call that has failed has its error as the result. One thread makes several calls at
        a time, and can do something else before it waits. Those that fail are repeated together.
        """
        bodies = [_JSON.encode(arguments).encode() for arguments in calls]
        end = self._attempt(operation, bodies)
        return lambda: self._ended(operation, bodies, end())

    def _ended(
        self, operation: str, bodies: Sequence[bytes], answers: list[dict[str, Any] | _Failed]
    ) -> Sequence[Result]:
        """Return the results of calls whose first attempts have these answers."""
        repeated = set[int]()
        for _ in range(ATTEMPTS - 1):
            failed = {n: a for n, a in enumerate(answers) if isinstance(a, _Failed) and a.can_be_repeated}
            if not failed:
                break
            time.sleep(max(self._pause_secs(each) for each in failed.values()))
            again = self._attempt(operation, [bodies[number] for number in failed])
            for number, answer in zip(failed, again(), strict=True):
                answers[number] = answer
            repeated |= failed.keys()
        return [
            AwsError(answer.code, answer.fields, is_repeated=number in repeated)
            if isinstance(answer, _Failed)
            else answer
            for number, answer in enumerate(answers)
        ]

    def _attempt(
        self, operation: str, bodies: Iterable[bytes]
    ) -> Callable[[], list[dict[str, Any] | _Failed]]:
        """Make one attempt of each call, several at a time.

        If the service cannot be reached, the calls that are left fail in the same way at once. Each of them
        would wait as long as the first one, and the time of an invocation would not suffice for that.
        """
        left = iter(bodies)
        sent: deque[_Sent] = deque()
        last: _Sent | None = None

        def send(count: int) -> None:
            nonlocal last
            for body in islice(left, count):
                last = last if isinstance(last, _Failed) else self._send(operation, body)
                sent.append(last)

        def end() -> list[dict[str, Any] | _Failed]:
            answers = []
            while sent:
                first = sent.popleft()
                answers.append(first if isinstance(first, _Failed) else first())
                send(1)
            return answers

        send(AT_A_TIME)
        return end

    def _send(self, operation: str, body: bytes) -> _Sent:
        """Send one request; return a function that reads its answer, or why nothing can be sent."""
        headers = {
            "Host": self._host,
            "Content-Type": f"application/x-amz-json-{self.service.json}",
            "X-Amz-Target": f"{self.service.target}.{operation}",
        }
        try:
            signed = self._signer.signed(self._credentials(), self._path, headers, body, time.time())
            end = self.post(self._path, signed, body, _MAX_ANSWER_BYTES)
        except NotConnected as exc:
            return _Failed(str(exc), {}, is_transient=True)
        except NoAnswer as exc:
            return partial(_Failed, str(exc), {}, is_transient=True)
        except AwsError as exc:
            return _Failed(exc.code, exc.fields)  # there are no credentials

        def read() -> dict[str, Any] | _Failed:
            try:
                return _read(end())
            except (NotConnected, NoAnswer) as exc:
                return _Failed(str(exc), {}, is_transient=True)
            except Exception as exc:  # noqa: BLE001 (it must not affect the other calls of the group)
                return _Failed(type(exc).__name__, {})

        return read

    def _pause_secs(self, failed: _Failed) -> float:
        longest = _PAUSES_SECS.get(self.service.name, _PAUSE_SECS)
        if failed.is_throttled:
            longest = _THROTTLED_PAUSE_SECS
        pause = random.random() * longest  # noqa: S311 (it spreads attempts, and is not a secret)
        return min(PAUSE_SECS, max(pause, failed.retry_after_secs))


def _read(answer: "Answer") -> dict[str, Any] | _Failed:
    """Return the fields of an answer, or what is wrong with it."""
    content = answer.body
    checksum = answer.headers.get("x-amz-crc32")
    if content is None or (checksum and checksum.isdecimal() and binascii.crc32(content) != int(checksum)):
        return _Failed("IncompleteAnswer", {}, is_transient=True)
    fields = _fields(content)
    if _OK <= answer.status < _REFUSED:
        return _Failed("UnreadableAnswer", {}) if fields is None else fields
    return _error(answer, fields or {})


def _fields(content: bytes) -> dict[str, Any] | None:
    """Return the fields of an answer's body, which may be empty; None if it is not an object in JSON."""
    try:
        fields = _READ_JSON.decode(content.decode("utf-8")) if content else {}
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _error(answer: "Answer", fields: Mapping[str, Any]) -> _Failed:
    """Return the error of an answer. A proxy's answer has no name of an error, and gets its status."""
    code = str(fields.get("__type", answer.status)).partition(":")[0].rpartition("#")[2]
    return _Failed(
        code,
        fields,
        is_transient=code in _TRANSIENT or answer.status in _TRANSIENT_STATUSES,
        is_throttled=code in _THROTTLED or answer.status == _TOO_MANY_REQUESTS,
        retry_after_secs=_milliseconds(answer.headers.get("x-amz-retry-after")) / 1000,
    )


def _milliseconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
