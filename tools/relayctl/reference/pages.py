"""The pages of the catalogue: docs/sources/NAME.md, and their index by category.

A page is made from the source's folder: page.toml (written by hand), the scheme, the examples with their
goldens, and routes.toml. Each is checked by a test, so a page cannot differ from what the relay does.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from push_relay.core.graphemes import cut
from push_relay.core.phone_text import clean_line, clean_text
from push_relay.core.push import Wording
from relayctl.catalogue.folder import CatalogueExample, CatalogueFolder
from relayctl.catalogue.page_file import CATEGORIES, FILE
from relayctl.preview.inputs import InputError
from relayctl.preview.report import duration_in_words
from relayctl.reference.stored_secret import stored_secret

#: The webhook's address as a page shows it.
_ADDRESS: Final = "https://API-ID.execute-api.eu-west-1.amazonaws.com/webhooks/{name}"
#: Characters of a body in the table of events.
_BODY_LIMIT: Final = 240
#: Pushes of one request that the table shows.
_MOST_PUSHES: Final = 3
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]|~])")
#: A block of code, or code in a line.
_CODE: Final = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_WRITTEN_BY: Final = "<!-- Written by `make reference` from {place}. Change the files there. -->"


def page(folder: CatalogueFolder) -> str:
    """Return the page of a source. Raises InputError for a mistake in its folder."""
    return "\n\n".join(_sections(folder)) + "\n"


def index(folders: Sequence[CatalogueFolder]) -> str:
    """Return docs/sources/README.md: the sources by category."""
    return "\n\n".join(_index_sections(folders)) + "\n"


def _sections(folder: CatalogueFolder) -> Iterator[str]:
    source, name = folder.source, folder.name
    yield _WRITTEN_BY.format(place=f"src/sources/{name}/")
    yield f"# {source.title}"
    shown = "; ".join(clean_line(wording.title) for wording in folder.on_the_phone)
    described = _attribute(f"A phone with pushes of this source: {shown}")
    yield f'<img src="{name}.svg" width="320" alt="{described}">'
    category = folder.page.category
    documentation = "The sender's documentation" if source.docs.startswith("https://") else "Documentation"
    yield (
        f"Source `{name}`, category [{category}](README.md#{_anchor(category)}). "
        f"[{documentation}]({_link(source.docs)})."
    )
    yield "## Set it up at the sender"
    yield from _setup(folder)
    yield "## What to store"
    yield (folder.page.secret or stored_secret(name, folder.file)).strip()
    yield "## Events and pushes"
    yield from _events(folder.examples)
    yield "## A route to start with"
    yield (
        "Add it to `config/relay.toml`, with your own recipients "
        "([Routes](../configuration.md#routes)). The pushes above follow these routes."
    )
    yield f"```toml\n{folder.routes}\n```"
    if folder.page.notes:
        yield "## Good to know"
        yield folder.page.notes.strip()
    yield (
        f"`relayctl preview {name}` shows what the relay does with each example, and "
        f"`make run SOURCE={name}` sends one to a local phone."
    )


def _setup(folder: CatalogueFolder) -> Iterator[str]:
    setup = folder.page.setup.strip()
    if folder.file.verify is None:
        if "{url}" in setup:
            raise InputError(f"{folder.path / FILE}: setup: has {{url}}, and the source takes no webhooks")
        yield setup
        return
    address = _ADDRESS.format(name=folder.name)
    yield (
        f"The webhook's address is the stack's output `WebhookUrl`, with `{folder.name}` in place of "
        "`{source}`."
    )
    yield _CODE.sub(lambda found: found[0].replace("{url}", address), setup).replace("{url}", f"`{address}`")


def _events(examples: Sequence[CatalogueExample]) -> Iterator[str]:
    rows = [_row(example) for example in examples if example.wordings]
    if rows:
        yield "\n".join(("| event | push | sound | disappears |", "|---|---|---|---|", *rows))
    filtered = [
        f"| {_name(example)} | {_escaped(example.reason)} |" for example in examples if not example.wordings
    ]
    if filtered:
        yield "Nobody is notified of these:"
        yield "\n".join(("| event | why |", "|---|---|", *filtered))


def _row(example: CatalogueExample) -> str:
    shown = example.wordings[:_MOST_PUSHES]
    pushes = "<br><br>".join(map(_push, shown))
    if len(example.wordings) > len(shown):
        pushes += f"<br><br>and {len(example.wordings) - len(shown)} more"
    sounds = " / ".join(dict.fromkeys(_sound(wording) for wording in shown))
    expiries = " / ".join(dict.fromkeys(_expiry(wording) for wording in shown))
    return f"| {_name(example)} | {pushes} | {sounds} | {expiries} |"


def _push(wording: Wording) -> str:
    body = cut(clean_text(wording.body), _BODY_LIMIT)
    return f"**{_escaped(clean_line(wording.title))}**<br>{_escaped(body)}"


def _name(example: CatalogueExample) -> str:
    if not example.documented_at:
        return example.title
    return f"[{example.title}]({_link(example.documented_at)})"


def _link(address: str) -> str:
    """Return the target of a link from docs/sources/. A page of the project is named from its root."""
    return address if address.startswith("https://") else f"../{address.removeprefix('docs/')}"


def _sound(wording: Wording) -> str:
    return {None: "the vendor's default", True: "yes", False: "no"}[wording.sound]


def _expiry(wording: Wording) -> str:
    secs = wording.expiry_secs
    return "the vendor's default" if secs is None else f"after {duration_in_words(secs)}"


def _escaped(text: str) -> str:
    """Return a text as a cell of a table, without any markup of its own."""
    escaped = _MARKDOWN.sub(r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An address is shown as a text.
    return escaped.replace("://", ":&#47;&#47;").replace("@", "&#64;").replace("\n", "<br>")


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _index_sections(folders: Sequence[CatalogueFolder]) -> Iterator[str]:
    yield _WRITTEN_BY.format(place="the folders in src/sources/ that have a page.toml")
    yield "# Sources"
    yield (
        f"The catalogue has {len(folders)} source{'' if len(folders) == 1 else 's'}. Each page has where to "
        "click at the sender, what to store, the pushes, and a route to start with. For another sender, "
        "[use its preset](../providers.md) or [write a source](../writing-a-source.md). Until then "
        "[any JSON webhook](webhook.md) and [any event of AWS](aws-event.md) becomes a readable push."
    )
    for category in CATEGORIES:
        members = [folder for folder in folders if folder.page.category == category]
        if members:
            yield f"## {category}"
            rows = [
                _index_row(folder) for folder in sorted(members, key=lambda each: each.source.title.lower())
            ]
            yield "\n".join(("| sender | source | events |", "|---|---|---|", *rows))


def _index_row(folder: CatalogueFolder) -> str:
    names = [example.title.lower() for example in folder.examples if example.wordings]
    events = _escaped(cut(", ".join(names), _BODY_LIMIT))
    return f"| [{folder.source.title}]({folder.name}.md) | `{folder.name}` | {events} |"
