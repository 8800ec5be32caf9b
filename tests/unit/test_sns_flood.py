"""Forged SNS messages refer to certificates that do not exist.

Few of these are fetched, and genuine messages are still accepted.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from fakes import World
from front_door import api_gateway_v2, world_of
from ports import Clock
from push_relay.adapters.sns import SnsEndpoint
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.outcomes import Outcome
from push_relay.core.trust.certificates import (
    MAX_FETCHES,
    MAX_KEPT,
    MAX_REFUSED,
    PERIOD_SECS,
    RESERVED_FOR_REPEATED,
    KnownCertificates,
)
from push_relay.core.trust.door import Door
from signers import CASES, Place
from sns_sender import CERTIFICATE
from sns_sender import certificates as served

CASE = next(case for case in CASES if case.name == "sns-http version 2")
GENUINE = CASE.genuine()  # valid for an hour
FLOOD = 1000
#: Seconds between the four attempts of SNS, unless the deployer has configured others.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
RETRY_SECS = 20


class Answer:
    """An answer of SNS."""

    def __init__(self, status: int, body: bytes) -> None:
        """Keep the status and the body."""
        self.status = status
        self._body = body

    def read1(self, _size: int) -> bytes:
        """Return the whole body at the first call, and nothing afterwards."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """Do nothing: there is no connection."""


class Server:
    """The server of SNS, used instead of a pool of connections to it. It records the requests."""

    def __init__(self, clock: Clock, served: Mapping[str, bytes]) -> None:
        """Serve these certificates."""
        self._clock = clock
        self.served = dict(served)
        self.requests: list[tuple[float, str]] = []
        self.status = 403

    def request(self, _method: str, url: str, **_options: Any) -> Answer:
        """Answer as SNS does: 403 if there is no such certificate."""
        self.requests.append((self._clock.time, url))
        return Answer(200, self.served[url]) if url in self.served else Answer(self.status, b"<Error/>")

    def clear(self) -> None:
        """Do nothing: there are no connections."""

    @property
    def urls(self) -> list[str]:
        """The URLs that were requested."""
        return [url for _, url in self.requests]


def known(server: Server, clock: Clock) -> KnownCertificates:
    """Return the certificates of a relay that fetches them from a server."""
    pool: Any = server
    return KnownCertificates(SnsEndpoint(pool).certificate, clock.monotonic)


def flooded(directory: Path) -> tuple[World, Server]:
    """Return a relay, and the fake of SNS that it uses. SNS has one certificate."""
    here = world_of(directory, CASE)
    server = Server(here.clock, served())
    here.change_door(Door(here.secrets, known(server, here.clock)))
    return here, server


def made_up() -> Iterator[str]:
    """Yield URLs of certificates that SNS does not have."""
    return (CERTIFICATE.replace("0123456789abcdef", f"{number:016x}") for number in count(1))


def status(here: World, certificate: str = CERTIFICATE) -> int:
    """Send a message that refers to a certificate, and return the status of the answer."""
    named = Place("json", "SigningCertURL").write(GENUINE, certificate)
    return int(here.receive(api_gateway_v2(named))["statusCode"])


def test_a_flood_causes_few_certificate_fetches_a_minute(tmp_path: Path) -> None:
    """The flood lasts ten minutes and has many urls; no minute of it has more than MAX_FETCHES fetches."""
    here, server = flooded(tmp_path)
    for name in (name for name, _ in zip(made_up(), range(FLOOD), strict=False)):
        assert status(here, name) in {401, 503}
        here.clock.time += 10 * PERIOD_SECS / FLOOD
    moments = [moment for moment, _ in server.requests]
    assert (
        max(sum(0 <= later - moment < PERIOD_SECS for later in moments) for moment in moments) <= MAX_FETCHES
    )
    assert 10 <= len(moments) <= 11 * MAX_FETCHES
    assert not here.messages.queued


def test_a_known_certificate_is_not_fetched_again_during_a_flood(tmp_path: Path) -> None:
    """This is the normal state: one fetch in a process's life, and all genuine messages are accepted."""
    here, server = flooded(tmp_path)
    assert status(here) == 202
    for number, name in zip(range(FLOOD), made_up(), strict=False):
        status(here, name)
        if number % 10 == 0:
            assert status(here) == 202
        here.clock.time += 1
    assert server.urls.count(CERTIFICATE) == 1


def test_a_flood_before_the_first_fetch_delays_a_genuine_message_once(tmp_path: Path) -> None:
    """SNS makes four attempts with the same URL. Some fetches are reserved for repeated URLs."""
    here, _ = flooded(tmp_path)
    urls, answers = made_up(), []
    for second in range(2 * RETRY_SECS):
        for _ in range(20):
            assert status(here, next(urls)) in {401, 503}
        if second % RETRY_SECS == 0:
            answers.append(status(here))
        here.clock.time += 1
    assert answers == [503, 202]


def test_a_flood_that_repeats_each_name_blocks_an_unknown_certificate_while_it_lasts(tmp_path: Path) -> None:
    """This limit is documented in docs/security.md. It ends at most a minute after the flood."""
    here, _ = flooded(tmp_path)
    for _, name in zip(range(FLOOD), made_up(), strict=False):
        status(here, name)
        status(here, name)
    assert status(here) == 503
    here.clock.time += PERIOD_SECS
    assert status(here) == 202


def test_a_forgery_that_is_repeated_costs_one_fetch_a_minute(tmp_path: Path) -> None:
    """The missing certificate is remembered for a minute only, because SNS may have it by then."""
    here, server = flooded(tmp_path)
    name = next(made_up())
    assert {status(here, name) for _ in range(FLOOD)} == {401}
    assert server.urls == [name]
    here.clock.time += PERIOD_SECS
    assert status(here, name) == 401
    assert server.urls == [name] * 2
    server.served[name] = served()[CERTIFICATE]
    here.clock.time += PERIOD_SECS
    status(here, name)
    assert server.urls == [name] * 3


def test_failed_fetches_count_against_the_limit(tmp_path: Path) -> None:
    """A failing server must not be called more often than another. Its failures are not remembered."""
    here, server = flooded(tmp_path)
    server.served.clear()
    server.status = 500
    assert {status(here) for _ in range(FLOOD)} == {503}
    assert len(server.requests) == MAX_FETCHES
    server.served.update(served())
    here.clock.time += PERIOD_SECS
    assert status(here) == 202


def test_retry_after_is_the_time_until_the_next_fetch_is_allowed(tmp_path: Path) -> None:
    """The answer is 503 and counts as parked, because the relay cannot know if the message was forged."""
    here, server = flooded(tmp_path)
    urls = made_up()
    for _ in range(MAX_FETCHES - RESERVED_FOR_REPEATED):
        assert status(here, next(urls)) == 401
    here.clock.time += 25
    sent = Place("json", "SigningCertURL").write(CASE.genuine(), next(urls))
    answer = here.receive(api_gateway_v2(sent))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "35")
    assert here.witness.outcomes[-1] is Outcome.PARKED
    assert len(server.requests) == MAX_FETCHES - RESERVED_FOR_REPEATED


def test_the_memory_of_a_flood_is_limited(tmp_path: Path) -> None:
    """A flood of many urls must not fill the memory of the process."""
    here = world_of(tmp_path, CASE)
    server = Server(here.clock, {})
    certificates = known(server, here.clock)
    for _, name in zip(range(2 * MAX_REFUSED), made_up(), strict=False):
        try:
            certificates(name)
        except CredentialsUnavailable:
            continue
    assert len(certificates._refused) == MAX_REFUSED
    assert len(certificates._absent) <= MAX_FETCHES
    assert len(certificates._fetches) <= MAX_FETCHES


def test_a_certificate_in_use_is_not_evicted_by_others() -> None:
    """SNS also has older certificates: messages that refer to them must not evict the current one."""
    clock = Clock()
    urls = [name for _, name in zip(range(3 * MAX_KEPT), made_up(), strict=False)]
    server = Server(clock, dict.fromkeys([CERTIFICATE, *urls], b"pem"))
    certificates = known(server, clock)
    for name in urls:
        certificates(CERTIFICATE)
        certificates(name)
        assert len(certificates._certificates) <= MAX_KEPT
        clock.time += PERIOD_SECS
    assert server.urls.count(CERTIFICATE) == 1
