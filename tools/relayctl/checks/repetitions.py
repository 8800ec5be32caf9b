"""Put the core's mistakes and the findings of the checks together."""

from collections.abc import Iterator, Sequence

from push_relay.core.rules.findings import Finding
from relayctl.checks.expressions import without_hint


def together(mistakes: Sequence[Finding], found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield what the core and the checks have found.

    A mistake that both have found is yielded once, with the hint of the checks.
    """
    for mistake in mistakes:
        place, begin = _place(mistake), without_hint(mistake.message)
        if not any(_place(each) == place and each.message.startswith(begin) for each in found):
            yield mistake
    yield from found


def _place(finding: Finding) -> tuple[str, int, str]:
    return finding.file, finding.line, finding.key
