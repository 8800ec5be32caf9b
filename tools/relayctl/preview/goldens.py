"""The golden files of examples: the wording of each push, and its recipients.

`examples/NAME.pushes.json` beside `examples/NAME.request.json` is a list with an object for each push of the
example's events, in their order. It is empty if nobody is to be notified:

    {"to": ["external:4711"], "title": "...", "body": "...", "sound": true, "expiry_secs": 86400}

`to` has the recipients by the folder's own routes.toml, or by the deployer's relay.toml if the folder has
none. It is empty if no route leads to anybody. The texts are as the source writes them. They are not cut to
an account's limits, so that a golden does not depend on them.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from push_relay.adapters.catalog import read_routing_file
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT, Push
from push_relay.core.rules.routing import Routing
from relayctl.example_files import EXAMPLE_SUFFIX, GOLDEN_SUFFIX
from relayctl.preview.inputs import InputError, read_input
from relayctl.preview.json_line import wording_object
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.result import PreviewedEvent, PreviewedFile

#: The routes of a source folder, with which its goldens are written.
ROUTES: Final = "routes.toml"
#: The outcomes that a golden can hold. An event of an example may be old.
_HELD: Final = frozenset({Outcome.DELIVERED, Outcome.FILTERED, Outcome.EXPIRED})

type Golden = list[dict[str, Any]]


class GoldenError(InputError):
    """An example has no golden: it is refused, or a push of it fails. The text has the reason."""


def golden_file(example: Path) -> Path:
    """Return the golden file of an example. Raises InputError if the file is not named as an example."""
    if not example.name.endswith(EXAMPLE_SUFFIX):
        raise InputError(
            f"{example}: a golden is written for an example, which is named NAME{EXAMPLE_SUFFIX}"
        )
    return example.with_name(example.name.removesuffix(EXAMPLE_SUFFIX) + GOLDEN_SUFFIX)


def golden_text(golden: Golden) -> str:
    """Return the content of a golden file."""
    return json.dumps(golden, indent=2, ensure_ascii=False) + "\n"


def differences(file: Path, current: str) -> list[str]:
    """Return the lines that a golden file lacks (`+`) and those that it has too many (`-`), with context."""
    stored = file.read_text("utf-8") if file.is_file() else ""
    lines = difflib.unified_diff(stored.splitlines(), current.splitlines(), n=2, lineterm="")
    # Without the two lines that name the files, and without the numbers of lines.
    return ["..." if line.startswith("@@") else line for line in list(lines)[2:]]


def without_example(folder: Path) -> list[Path]:
    """Return the golden files of a source folder whose example is missing."""
    return [
        file
        for file in sorted((folder / "examples").glob(f"*{GOLDEN_SUFFIX}"))
        if not file.with_name(file.name.removesuffix(GOLDEN_SUFFIX) + EXAMPLE_SUFFIX).is_file()
    ]


class GoldenWriter:
    """Writes what the golden of an example should be, with the routes of its folder."""

    def __init__(self, previewer: Previewer) -> None:
        """Use the previewer's own routes for folders without a routes.toml."""
        self._previewer = previewer
        self._routings: dict[Path, Routing] = {}

    def golden(self, example: Path) -> Golden:
        """Return the golden of an example. Raises InputError."""
        folder = example.absolute().parents[1]
        previewer = self._previewer.with_routing(self._routing(folder))
        preview = previewer.preview(read_input(str(example)))
        return list(_entries(preview))

    def _routing(self, folder: Path) -> Routing:
        if folder not in self._routings:
            self._routings[folder] = (
                folder_routing(folder, self._previewer.sources) or self._previewer.routing
            )
        return self._routings[folder]


def folder_routing(folder: Path, sources: LayeredSources) -> Routing | None:
    """Return the routes of a source folder; None if it has no routes.toml. Raises InputError."""
    file, name = folder / ROUTES, folder.name
    if not file.is_file():
        return None
    try:
        proofs = {name: sources.named(name).proof} if name in sources.names() else {}
        return read_routing_file(file, [name], proofs)
    except ConfigurationInvalid as exc:
        raise InputError(exc.detail) from None


def _entries(preview: PreviewedFile) -> Iterator[dict[str, Any]]:
    for event in preview.events:
        if event.outcome not in _HELD:
            raise GoldenError(f"{preview.file}: has no golden: {_reason(event)}")
        pushes = [receipt.push for receipt in event.receipts if receipt.push]
        for message in event.messages:
            yield {"to": _recipients(pushes), **wording_object(message.wording)}


def _recipients(pushes: Sequence[Push]) -> list[str]:
    return [
        f"{push.recipient.kind}:{push.recipient.value}"
        + ("" if push.account == DEFAULT_ACCOUNT else f" (account {push.account})")
        for push in pushes
    ]


def _reason(event: PreviewedEvent) -> str:
    receipt = event.receipt
    broken = [f"{each.pointer or '(the document)'} breaks `{each.rule}`" for each in event.violations]
    reason = ": ".join(part for part in (receipt.error_code, receipt.detail) if part)
    return f"it is {event.outcome.value}: {'; '.join((reason, *broken))}"
