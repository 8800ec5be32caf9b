"""The translator: an event becomes pushes, by the deployer's routes and the source's wording.

It is pure: it sends nothing, reads no clock and needs no adapter but the source folders. `relayctl` shows
with it what an event would become.
"""

from collections.abc import Iterator

from push_relay.core.delivery.batching import can_be_batched
from push_relay.core.event import Event, sha256_hex
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import fit
from push_relay.core.push import Push, Receipt, Recipient, Wording, of_account
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.rules.recognition import Sources
from push_relay.core.rules.routes import Route
from push_relay.core.rules.routing import Routing
from push_relay.core.rules.source import Source


@dataclass(frozen=True, slots=True)
class Translator:
    """The source folders and the deployer's routes."""

    sources: Sources
    routing: Routing

    def translate(self, event: Event) -> Iterator[Push | Receipt]:
        """Write an event's pushes, and a receipt for each part of it that fails. Never raises.

        If it becomes no push and nothing fails, there is one receipt, with the reason.
        """
        try:
            source = self.sources.named(event.source)
            routed = self.routing.route(event)
            if not routed.recipients and not routed.failures:
                detail = "no route leads to anybody"
                yield Receipt.of(event, Outcome.FILTERED, detail=detail, left_out=routed.left_out)
                return
            written = source.wording(event)
            if written.wording is None:
                yield Receipt.of(event, Outcome.FILTERED, detail=written.reason)
                return
            wording = written.wording
            pushes = [
                self._push(event, source, wording, at[1], route, routed.numbers[at])
                for at, route in routed.recipients.items()
            ]
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the event's outcome)
            yield Receipt.of_error(event, exc)
            return
        left = [push for push in pushes if event.is_for(push.key)]
        if not event.only:
            failures = (*routed.failures, *written.errors)
        else:
            # The failures were reported when the event was first handled, unless it waited for a recipient
            # that could not be determined then.
            is_missing = not {push.key for push in pushes}.issuperset(event.only)
            failures = routed.failures if is_missing else ()
        yield from (Receipt.of_error(event, error) for error in failures)
        if not left and not failures:
            detail = "the routes no longer lead to the recipients that it was for"
            yield Receipt.of(event, Outcome.FILTERED, detail=detail)
        if left and routed.left_out:
            # One receipt of the event is enough to show who was left out.
            yield replace(left[0], left_out=routed.left_out)
            left = left[1:]
        yield from left

    def _push(  # noqa: PLR0913, PLR0917 (all that a push is made of)
        self, event: Event, source: Source, wording: Wording, recipient: Recipient, route: Route, number: str
    ) -> Push:
        account = self.routing.accounts[route.account]
        ages = (route.max_age, source.max_age, account.max_age)
        max_age = next(age for age in ages if age is not None)
        fitted = fit(wording, account.title_limit, account.body_limit)
        return Push(
            recipient,
            fitted,
            of_account(_key(event, recipient), route.account),
            high=route.high,
            max_age=max_age,
            batch_secs=route.batch_secs if can_be_batched(fitted) else None,
            account=route.account,
            sources=(event.source,),
            remember=source.remembers(event),
            route=number,
        )


def _key(event: Event, recipient: Recipient) -> str:
    """Return the key of the default account's push, made of its event's identity and its recipient.

    Neither can be forged.
    """
    parts = (event.source, event.identity, recipient.kind, recipient.value)
    return sha256_hex("\0".join(parts).encode("utf-8", "surrogatepass"))
