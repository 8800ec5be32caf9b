"""The progress of a run on the terminal: one line when a step begins, and one when it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape


class StepFailedError(Exception):
    """A step has failed. The text gives the cause and, if there is one, the remedy."""


class StepStoppedError(StepFailedError):
    """A step was stopped because the run ends. The step itself did not fail."""


@dataclass(slots=True)
class Step:
    """A step that runs. Its last line shows `result`."""

    result: str = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """Prints the steps of a run. Steps may run in several threads at once."""

    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[Step]:
        """Print that a step begins and, at the end of the block, how it ended."""
        self._line("cyan", "·", name, doing)
        began = time.monotonic()
        step = Step()
        try:
            yield step
        except StepStoppedError:
            self._line("dim", "-", name, "stopped")
            raise
        except Exception:
            self._line("red", "✗", name, "failed")
            raise
        self._line("green", "✓", name, f"{step.result} ({time.monotonic() - began:.1f} s)")

    def print_text(self, text: str = "") -> None:
        """Print plain text."""
        self.console.print(text, markup=False)

    def print_styled(self, style: str, before: str, styled: str, after: str) -> None:
        """Print a line, of which the middle part has a style."""
        self.console.print(f"{escape(before)}[{style}]{escape(styled)}[/{style}]{escape(after)}")

    def heading(self, text: str) -> None:
        """Print a heading, with an empty line above."""
        self.console.print(f"\n[bold]{escape(text)}[/bold]")

    def failure(self, cause: str) -> None:
        """Print why the run failed."""
        self.console.print(f"\n[bold red]failed:[/bold red] {escape(cause)}")

    def _line(self, style: str, mark: str, name: str, text: str) -> None:
        elapsed = time.monotonic() - self.started
        self.console.print(
            f"[dim]{elapsed:5.1f} s[/dim] [{style}]{mark} {escape(name):<12}[/{style}] {escape(text)}"
        )
