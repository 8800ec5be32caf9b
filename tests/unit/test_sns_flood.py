"""Forged SNS messages name certificates that nobody has: few are asked for, and genuine ones get through."""

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
GENUINE = CASE.genuine()  # good for an hour
FLOOD = 1000
#: Seconds between SNS's attempts where the deployer sets nothing else, of which it makes four.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
RETRY = 20


class Answer:
    """An answer of SNS's."""

    def __init__(self, status: int, body: bytes) -> None:
        """Hold what it says."""
        self.status = status
        self._body = body

    def read1(self, _size: int) -> bytes:
        """Return all of it, then nothing."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """End."""


class Server:
    """SNS's own server, in place of a pool of connections to it; counts what it is asked."""

    def __init__(self, clock: Clock, served: Mapping[str, bytes]) -> None:
        """Serve these certificates."""
        self._clock = clock
        self.served = dict(served)
        self.asked: list[tuple[float, str]] = []
        self.status = 403

    def request(self, _method: str, url: str, **_options: Any) -> Answer:
        """Answer as SNS does: what it does not have is forbidden."""
        self.asked.append((self._clock.time, url))
        return Answer(200, self.served[url]) if url in self.served else Answer(self.status, b"<Error/>")

    def clear(self) -> None:
        """Keep no connection."""

    @property
    def names(self) -> list[str]:
        """What was asked for."""
        return [url for _, url in self.asked]


def known(server: Server, clock: Clock) -> KnownCertificates:
    """Return the certificates of a relay that fetches them from a server."""
    pool: Any = server
    return KnownCertificates(SnsEndpoint(pool).certificate, clock.monotonic)


def flooded(directory: Path) -> tuple[World, Server]:
    """Return a relay with SNS behind it, which has its one certificate."""
    here = world_of(directory, CASE)
    server = Server(here.clock, served())
    here.change_door(Door(here.secrets, known(server, here.clock)))
    return here, server


def made_up() -> Iterator[str]:
    """Yield names of certificates that SNS does not have."""
    return (CERTIFICATE.replace("0123456789abcdef", f"{number:016x}") for number in count(1))


def status(here: World, certificate: str = CERTIFICATE) -> int:
    """Send a message that names a certificate, and return the answer's status."""
    named = Place("json", "SigningCertURL").write(GENUINE, certificate)
    return int(here.receive(api_gateway_v2(named))["statusCode"])


def test_a_flood_asks_for_few_certificates_a_minute(tmp_path: Path) -> None:
    """However many are named, over ten minutes: in any minute no more than MAX_FETCHES."""
    here, server = flooded(tmp_path)
    for name in (name for name, _ in zip(made_up(), range(FLOOD), strict=False)):
        assert status(here, name) in {401, 503}
        here.clock.time += 10 * PERIOD_SECS / FLOOD
    moments = [moment for moment, _ in server.asked]
    assert (
        max(sum(0 <= later - moment < PERIOD_SECS for later in moments) for moment in moments) <= MAX_FETCHES
    )
    assert 10 <= len(moments) <= 11 * MAX_FETCHES
    assert not here.messages.queued


def test_a_certificate_that_is_known_costs_nothing_and_a_flood_drives_it_not_out(tmp_path: Path) -> None:
    """The steady state: one fetch in the process's life, and every genuine message is let in."""
    here, server = flooded(tmp_path)
    assert status(here) == 202
    for number, name in zip(range(FLOOD), made_up(), strict=False):
        status(here, name)
        if number % 10 == 0:
            assert status(here) == 202
        here.clock.time += 1
    assert server.names.count(CERTIFICATE) == 1


def test_a_flood_before_the_certificate_is_known_costs_a_genuine_message_one_attempt(tmp_path: Path) -> None:
    """Of four: SNS comes again, and names what it has named before, which who makes names up does not."""
    here, _ = flooded(tmp_path)
    names, answers = made_up(), []
    for second in range(2 * RETRY):
        for _ in range(20):
            assert status(here, next(names)) in {401, 503}
        if second % RETRY == 0:
            answers.append(status(here))
        here.clock.time += 1
    assert answers == [503, 202]


def test_who_names_each_twice_keeps_a_new_certificate_out_for_as_long_as_they_go_on(tmp_path: Path) -> None:
    """That is told in docs/security.md; a minute after the flood it is over, at the latest."""
    here, _ = flooded(tmp_path)
    for _, name in zip(range(FLOOD), made_up(), strict=False):
        status(here, name)
        status(here, name)
    assert status(here) == 503
    here.clock.time += PERIOD_SECS
    assert status(here) == 202


def test_a_forgery_that_is_sent_again_and_again_costs_one_fetch_a_minute(tmp_path: Path) -> None:
    """That SNS has no such certificate is remembered, and no longer than that: it may have one by then."""
    here, server = flooded(tmp_path)
    name = next(made_up())
    assert {status(here, name) for _ in range(FLOOD)} == {401}
    assert server.names == [name]
    here.clock.time += PERIOD_SECS
    assert status(here, name) == 401
    assert server.names == [name] * 2
    server.served[name] = served()[CERTIFICATE]
    here.clock.time += PERIOD_SECS
    status(here, name)
    assert server.names == [name] * 3


def test_where_sns_fails_each_attempt_counts(tmp_path: Path) -> None:
    """A failing server is not asked more than one that answers; nothing is remembered of it."""
    here, server = flooded(tmp_path)
    server.served.clear()
    server.status = 500
    assert {status(here) for _ in range(FLOOD)} == {503}
    assert len(server.asked) == MAX_FETCHES
    server.served.update(served())
    here.clock.time += PERIOD_SECS
    assert status(here) == 202


def test_the_sender_is_told_when_a_fetch_is_free_again(tmp_path: Path) -> None:
    """503 with Retry-After, counted as parked: nobody can know that it was forged."""
    here, server = flooded(tmp_path)
    names = made_up()
    for _ in range(MAX_FETCHES - RESERVED_FOR_REPEATED):
        assert status(here, next(names)) == 401
    here.clock.time += 25
    sent = Place("json", "SigningCertURL").write(CASE.genuine(), next(names))
    answer = here.receive(api_gateway_v2(sent))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "35")
    assert here.witness.outcomes[-1] is Outcome.PARKED
    assert len(server.asked) == MAX_FETCHES - RESERVED_FOR_REPEATED


def test_what_is_remembered_of_a_flood_is_bounded(tmp_path: Path) -> None:
    """Whoever names many gets none of them kept for ever."""
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


def test_of_many_certificates_the_one_that_is_used_stays() -> None:
    """SNS has others too, of years ago: naming them does not drive the present one out."""
    clock = Clock()
    names = [name for _, name in zip(range(3 * MAX_KEPT), made_up(), strict=False)]
    server = Server(clock, dict.fromkeys([CERTIFICATE, *names], b"pem"))
    certificates = known(server, clock)
    for name in names:
        certificates(CERTIFICATE)
        certificates(name)
        assert len(certificates._certificates) <= MAX_KEPT
        clock.time += PERIOD_SECS
    assert server.names.count(CERTIFICATE) == 1
