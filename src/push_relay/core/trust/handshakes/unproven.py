"""Answers questions that come without a proof, before the verification of events.

None of them becomes an event, and none changes what the verification accepts.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.errors import CredentialsUnavailable, HandshakeRefused, QueueUnavailable
from push_relay.core.trust.door import Door, require_separate
from push_relay.core.trust.handshakes.base import Reply, no_preflight
from push_relay.core.trust.schemes.secret_form import readings_of

if TYPE_CHECKING:
    from push_relay.core.inbound.request import HttpRequest
    from push_relay.core.rules.source import Source
    from push_relay.core.trust.handshakes.row import Row
    from push_relay.core.trust.handshakes.setup import DeadLetters
    from push_relay.core.trust.policy import Policy


class UnprovenQuestions(NamedTuple):
    """Answers questions that come without a proof, of senders that may be strangers."""

    door: Door
    dead_letters: "DeadLetters | None"

    def answer(self, source: "Source", policy: "Policy", request: "HttpRequest", now: float) -> Reply | None:
        """Answer a request without a proof; None if it is not a question of its source's handshake.

        Such a POST may be an event; another method is not allowed. Raises UnknownSource and
        AddressNotAllowed, as the sender's events would, and HandshakeRefused, MalformedRequest,
        CredentialsUnavailable or QueueUnavailable for a question that gets no answer.
        """
        if request.method == "OPTIONS":
            return self._preflight(source, policy, request)
        handshake = source.handshake_rules
        row = next((row for row in handshake.unproven if row.method == request.method), None)
        if row is None:
            return None
        if request.method == "POST":
            from push_relay.core.trust.handshakes.engine import is_question  # noqa: PLC0415 (loaded with rows)

            if not is_question(row, request):
                return None
        self.door.approach(source, policy, request)
        # A sender that shows its verify token may ask before the URL's token is stored.
        if source.proven_by_url and not row.has_verify_token:
            self.door.verify(source, policy, request, now)
        try:
            return self._answer(row, source, policy, request)
        except (HandshakeRefused, CredentialsUnavailable):
            # Somebody may have stored the setting just now. Reads are some seconds apart.
            if not row.needs_settings:
                raise
            with suppress(CredentialsUnavailable):
                self.door.secrets.refreshed(source.name)
            return self._answer(row, source, policy, request)

    def _preflight(self, source: "Source", policy: "Policy", request: "HttpRequest") -> Reply | None:
        preflight = source.handshake_rules.preflight
        if preflight is no_preflight:
            return None
        self.door.approach(source, policy, request)
        return preflight(request, policy.origins)

    def _answer(self, row: "Row", source: "Source", policy: "Policy", request: "HttpRequest") -> Reply:
        from push_relay.core.trust.handshakes.engine import Means, answer_unproven  # noqa: PLC0415 (as above)

        settings = self.door.settings(source.name, policy) if row.needs_settings or row.signs else {}
        if row.brings:
            self._keep_secret(row, source.name, settings, request)
        key = self._key(source, settings) if row.signs else b""
        url = policy.url_of(request.url).partition("?")[0]
        return answer_unproven(row, request, Means(settings, key, url))

    def _key(self, source: "Source", settings: Mapping[str, str]) -> bytes:
        """Return the key that signs an answer: of several secrets, the first."""
        stored = self.door.secrets.of(source.name)
        scheme = source.verify
        readings = readings_of(scheme.secret, stored[0]) if scheme else ()
        if not readings:
            raise CredentialsUnavailable(f"the first signing secret of `{source.name}` cannot be a key")
        require_separate(source.name, readings, settings)
        return readings[0]

    def _keep_secret(
        self, row: "Row", source: str, settings: Mapping[str, str], request: "HttpRequest"
    ) -> None:
        from push_relay.core.queue_format import SOURCE_ATTRIBUTE, UNREADABLE_ATTRIBUTE  # noqa: PLC0415
        from push_relay.core.trust.handshakes import setup  # noqa: PLC0415 (few sources need it)
        from push_relay.core.trust.handshakes.engine import value_at  # noqa: PLC0415 (as above)

        setup.check_setup(request, settings)
        body = setup.waiting_secret(source, value_at(row.brings, request))
        if self.dead_letters is None:
            raise QueueUnavailable("there is no dead-letter queue that could take the secret")
        # A person may move the whole dead-letter queue back: the secret must not become an event there.
        attributes = {SOURCE_ATTRIBUTE: source, UNREADABLE_ATTRIBUTE: "1"}
        self.dead_letters.dead_letter(body, attributes, setup.WAITING_CODE, request.correlation_id)
