"""Follow what was sent, and show what happened to it."""

import http.client
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from push_relay.core.outcomes import Outcome
from relayctl.deadletters.aws_time import AwsClock
from relayctl.deadletters.options import aws_errors, describe_aws_error
from relayctl.deadletters.scan import stopped_by_ctrl_c
from relayctl.examples import Example
from relayctl.progress import Progress
from relayctl.receipts.json_line import line_json, verdict_json
from relayctl.receipts.line import LogLine
from relayctl.receipts.log_reader import ReceiptLog
from relayctl.receipts.report import show_line
from relayctl.receipts.route_texts import RouteTexts
from relayctl.receipts.story import Story, Verdict, Waiting
from relayctl.sending.awaiting import Awaiter
from relayctl.sending.posting import Sent
from relayctl.sending.preparing import Prepared
from relayctl.sending.report import (
    NOT_DELIVERED,
    bare_verdict_json,
    exit_code,
    refusal,
    sent_json,
    show_verdicts,
)
from relayctl.targets import Target

#: Seconds between two readings of the log. CloudWatch Logs allows an account a few calls a second.
_INTERVAL_SECS: Final = 2.0
_LOCAL_INTERVAL_SECS: Final = 0.5
#: Seconds for which the log is read for the reason of a 5xx, which its sender does not get.
_REASON_SECS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Following:
    """Something that was sent, and how its story is shown."""

    target: Target
    example: Example
    prepared: Prepared
    sent: Sent
    progress: Progress
    wait_secs: float
    as_json: bool
    as_is: bool

    def run(self) -> int:
        """Show what happened, and return the exit code."""
        self._print_json(sent_json(self.target.name, self.example, self.prepared, self.sent))
        if self.sent.is_refused:
            return self._refused()
        if self.prepared.without_events:
            return self._ended(Waiting.HANDSHAKE, "it has no event: the endpoint has answered the sender")
        found = self._stories(self.sent.event_ids, self.wait_secs)
        if not found:
            reason = f"the log has no line about it after {self.wait_secs:.0f} s"
            return self._ended(Waiting.UNKNOWN, f"{reason}; later: {self._later}")
        for story in found:
            self._print_json(verdict_json(story, self.target.name))
        if not self.as_json:
            texts = RouteTexts(self.target.config, self.target.sources)
            show_verdicts(self.progress.console, found, texts, self.prepared, as_is=self.as_is)
        verdicts = [story.verdict for story in found]
        if any(verdict in (Outcome.PARKED, Waiting.QUEUED) for verdict in verdicts):
            self._print_text(f"     to look again: {self._later}")
        return exit_code(verdicts)

    def _refused(self) -> int:
        """Show why the endpoint has refused the request. The reason of a 5xx is only in the log."""
        reason = refusal(self.sent)
        is_retried = (self.sent.status or 0) >= http.client.INTERNAL_SERVER_ERROR
        if is_retried and self.sent.correlation_id:
            self._stories((), min(_REASON_SECS, self.wait_secs))
        self._ended(Outcome.PARKED if is_retried else Outcome.REJECTED, reason)
        self._print_text("     what to do first for each error code: docs/errors.md")
        return NOT_DELIVERED

    def _stories(self, event_ids: Sequence[str], wait_secs: float) -> list[Story]:
        """Follow the log, and show its lines as they are written."""
        correlation_id = self.sent.correlation_id
        if correlation_id is None:
            return []
        clock = AwsClock()
        log = ReceiptLog(clock.observe(self.target.client("logs")), self.target.stack)
        interval = _LOCAL_INTERVAL_SECS if self.target.is_on_this_machine else _INTERVAL_SECS
        doing = f"following {correlation_id} in the log, for {wait_secs:.0f} s at most"
        with stopped_by_ctrl_c() as stop, self.progress.step("receipts", doing) as step:
            awaiter = Awaiter(log, stop, interval, wait_secs, self._show_lines, clock.now)
            try:
                found = awaiter.await_receipts(correlation_id, event_ids, self.sent.began_at)
            except aws_errors() as exc:
                print(
                    f"send: it was sent, and the log cannot be read: {describe_aws_error(exc)}",
                    file=sys.stderr,
                )
                found = []
            step.result = ", ".join(dict.fromkeys(story.verdict.value for story in found)) or "none"
        return found

    @property
    def _later(self) -> str:
        stack = f" --stack {self.target.name}"
        return f"relayctl why {self.sent.correlation_id or '-'}{stack}"

    def _show_lines(self, lines: Sequence[LogLine]) -> None:
        for line in lines:
            self._print_json(line_json(line, self.target.name))
            if not self.as_json:
                show_line(self.progress.console, line)

    def _ended(self, verdict: Verdict, reason: str) -> int:
        """Show the verdict on a request of which no event is known, and return the exit code."""
        self._print_json(bare_verdict_json(self.target.name, self.example.source, self.sent, verdict, reason))
        self._print_text(f"  => {verdict.value}: {reason}")
        return exit_code([verdict])

    def _print_text(self, text: str) -> None:
        if not self.as_json:
            self.progress.print_text(text)

    def _print_json(self, document: dict[str, Any]) -> None:
        if self.as_json:
            print(json.dumps(document), flush=True)
