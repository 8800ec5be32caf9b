"""A source folder of the catalogue: its source, page.toml, routes.toml, and examples with their goldens."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from push_relay.adapters.catalog import read_table
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.push import Wording
from push_relay.core.rules.findings import ERROR, INVALID_VALUE, choices
from push_relay.core.rules.routing_file import read_routing
from push_relay.core.rules.source import Source
from push_relay.core.rules.source_file import SourceFile
from relayctl.catalogue.page_file import MOST_ON_A_PHONE, PageFile, read_page
from relayctl.example_files import EXAMPLE_SUFFIX, example_files
from relayctl.preview.goldens import ROUTES, folder_routing, golden_file
from relayctl.preview.inputs import InputError, parse_json, read_bytes, read_input
from relayctl.preview.previewer import Previewer
from relayctl.preview.result import PreviewedEvent


class CatalogueExample(NamedTuple):
    """An example, as its page shows it.

    name           the name of its file, without the suffix
    documented_at  the address at which its shape is published, or empty
    wordings       the pushes, by its golden file
    reason         why it has no push, if it has none
    """

    name: str
    documented_at: str
    wordings: tuple[Wording, ...]
    reason: str = ""

    @property
    def title(self) -> str:
        """The name as words."""
        words = self.name.replace("-", " ")
        return words[:1].upper() + words[1:]

    @property
    def urgency(self) -> tuple[int, str]:
        """Sorts the examples with a sound first, then those without a stated sound, then by name."""
        sounds = [wording.sound for wording in self.wordings]
        return (0 if True in sounds else 1 if None in sounds else 2), self.name


class CatalogueFolder:
    """One folder. Raises InputError with all mistakes of a file, as soon as the file is needed."""

    def __init__(self, folder: Path, previewer: Previewer) -> None:
        self.path = folder
        self.name = folder.name
        self._previewer = previewer

    @cached_property
    def source(self) -> Source:
        """The source."""
        return _or_input_error(lambda: self._previewer.sources.named(self.name))

    @cached_property
    def file(self) -> SourceFile:
        """The keys of source.toml."""
        return _or_input_error(lambda: read_table(self.path / "source.toml", SourceFile))

    @cached_property
    def page(self) -> PageFile:
        """The parts of the page that are written by hand."""
        return _or_input_error(lambda: read_page(self.path))

    @cached_property
    def routes(self) -> str:
        """The text of routes.toml, whose mistakes are found here."""
        if folder_routing(self.path, self._previewer.sources) is None:
            raise InputError(f"{self.path / ROUTES}: is missing: it has the routes to start with")
        return (self.path / ROUTES).read_text("utf-8").strip()

    @cached_property
    def examples(self) -> tuple[CatalogueExample, ...]:
        """The examples, by name."""
        return tuple(map(self._example, example_files(self.path)))

    @cached_property
    def on_the_phone(self) -> tuple[Wording, ...]:
        """The pushes of the picture, the newest first: at most three."""
        by_name = {example.name: example for example in self.examples if example.wordings}
        if chosen := self.page.phone:
            for name in chosen:
                if name not in by_name:
                    message = f"`{name}` is not an example with a push; {choices(name, by_name)}"
                    line = self.page.report.finding(("phone",), message, INVALID_VALUE, ERROR)
                    raise InputError(str(line))
            return tuple(by_name[name].wordings[0] for name in chosen)
        return tuple(_different(by_name.values()))

    def _example(self, file: Path) -> CatalogueExample:
        request = parse_json(str(file), read_bytes(str(file)))
        golden = golden_file(file)
        if not golden.is_file():
            raise InputError(f"{golden}: is missing: `relayctl preview --update {file}` writes it")
        wordings = _wordings(golden)
        return CatalogueExample(
            file.name.removesuffix(EXAMPLE_SUFFIX),
            request.get("documented_at", ""),
            wordings,
            "" if wordings else self._reason(file),
        )

    def _reason(self, file: Path) -> str:
        """Return why an example has no push, whatever the folder's routes are."""
        routing = read_routing({"route": [{"source": self.name, "to": "external:4711"}]})
        preview = self._previewer.with_routing(routing).preview(read_input(str(file)))
        if preview.is_handshake:
            return "the sender's handshake, which the relay answers"
        reasons = dict.fromkeys(map(_event_reason, preview.events))
        return "; ".join(reasons) or "a request without an event"


def _wordings(golden: Path) -> tuple[Wording, ...]:
    pushes = parse_json(str(golden), read_bytes(str(golden)))
    try:
        return tuple(
            Wording(push["title"], push["body"], push["sound"], push["expiry_secs"]) for push in pushes
        )
    except (KeyError, TypeError):
        raise InputError(f"{golden}: is not a golden; `relayctl preview --update` writes it") from None


def _event_reason(event: PreviewedEvent) -> str:
    skip = event.explanation.skip if event.explanation else ""
    if not skip and event.explanation and event.explanation.writing_rule is None:
        return "no message rule is for it"
    return skip or event.receipt.detail or event.outcome.value


def _different(examples: Iterable[CatalogueExample]) -> Iterator[Wording]:
    """Yield pushes with different titles, the most urgent first."""
    wordings = (example.wordings[0] for example in sorted(examples, key=lambda example: example.urgency))
    by_title: dict[str, Wording] = {}
    for wording in wordings:
        by_title.setdefault(wording.title, wording)
    yield from islice(by_title.values(), MOST_ON_A_PHONE)


def _or_input_error[T](read: Callable[[], T]) -> T:
    try:
        return read()
    except ConfigurationInvalid as exc:
        raise InputError(exc.detail) from None
