"""The output of `relayctl new`: the folder, the number of replaced values, and the next steps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Final

from relayctl.drafting.folder import Drafted
from relayctl.drafting.secrecy import Kind
from relayctl.preview.goldens import Golden
from relayctl.terminal_text import printable

_WIDTH: Final = 110
_READ_FIRST: Final = "texts are kept, and a name in them is only replaced if a field has it too."
_PLURALS: Final = {Kind.EMAIL: "email addresses", Kind.ADDRESS: "postal addresses", Kind.IP: "IP addresses"}


def report(
    drafted: Drafted, folder: Path, goldens: Sequence[tuple[str, Golden]], config: Path
) -> Iterator[str]:
    """Yield the lines."""
    shown = _shown(folder)
    yield f"{shown}: written"
    yield from _beside("proof", " ".join(drafted.proof.comments))
    yield from _beside("replaced", _replaced(drafted))
    for warning in drafted.warnings:
        yield from _beside("warning", warning)
    for name, golden in goldens:
        yield ""
        yield f"examples/{name}"
        yield from _pushes(golden)
    yield ""
    yield "Next"
    for number, (step, command) in enumerate(_steps(drafted, shown, _shown(config)), start=1):
        yield from wrap(
            step,
            _WIDTH,
            initial_indent=f"  {number}. ",
            subsequent_indent="     ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        if command:
            yield f"         {command}"


def _shown(path: Path) -> str:
    """Return a path as it is shown: relative, if it is below the current directory."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def _beside(name: str, text: str) -> Iterator[str]:
    yield from wrap(
        text,
        _WIDTH,
        initial_indent=f"  {name:<10} ",
        subsequent_indent=" " * 13,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _replaced(drafted: Drafted) -> str:
    counts = [
        f"1 {kind.value}" if number == 1 else f"{number} {_PLURALS.get(kind, f'{kind.value}s')}"
        for kind, number in sorted(drafted.replaced.items())
    ]
    return ", ".join(counts) or "nothing, because nothing looked secret or personal"


def _pushes(golden: Golden) -> Iterator[str]:
    if not golden:
        yield "  no push"
    for push in golden:
        yield f"  title    {printable(str(push['title']))}"
        first, *more = printable(str(push["body"])).splitlines()
        yield f"  body     {first}"
        yield from (f"           {line}" for line in more)


def _steps(drafted: Drafted, folder: str, config: str) -> Iterator[tuple[str, str]]:
    """Yield each step, and its command or an empty text."""
    name, proof = drafted.order.name, drafted.proof
    yield f"Read the files in {folder}/examples before you commit them: {_READ_FIRST}", ""
    yield (
        f"Change the words in {folder}/source.toml, and look at them:",
        f"relayctl preview --watch --phone {folder}",
    )
    if proof.question:
        yield f"Ask the sender, or its documentation: {proof.question}", ""
    yield (
        "Choose who receives the pushes. Add the route, and write your own recipient into `to`:",
        f"cat {folder}/routes.toml >> {config}",
    )
    yield "Try it on this machine:", f"make run SOURCE={name}"
    settings = f", with the settings {', '.join(proof.settings)}" if proof.settings else ""
    yield f"Store as `{name}` in the signing secrets (docs/configuration.md): {proof.secret}{settings}.", ""
    if proof.handshake:
        yield "The sender asks a question before it sends:", f"relayctl handshake {name}"
    url = (
        f" Set `url` of `[source.{name}]` to that address, because it is signed."
        if proof.read.signs_url
        else ""
    )
    yield (
        f"Enter at the sender: the stack's output `WebhookUrl`, with `{name}` in place of {{source}}.{url}",
        "",
    )
    yield "After each change:", f"make check && relayctl preview --update {folder}"
