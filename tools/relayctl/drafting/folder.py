"""Write a drafted source folder, after the relay itself has accepted it."""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from push_relay.adapters.catalog import read_source_folder
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.routing_file import read_routing
from push_relay.core.strict_json import JsonObject
from relayctl.catalogue.page_file import FILE as PAGE
from relayctl.drafting import event_headers, source_text
from relayctl.drafting.capture import Capture
from relayctl.drafting.names import words_of
from relayctl.drafting.payload import Payload, read_payload
from relayctl.drafting.proof import Proof, guess
from relayctl.drafting.replacement import Replacement
from relayctl.drafting.schema import infer
from relayctl.drafting.secrecy import Kind
from relayctl.drafting.word_lists import words as listed
from relayctl.drafting.wording import Draft, draft
from relayctl.example_files import EXAMPLE_SUFFIX, GOLDEN_SUFFIX
from relayctl.preview.goldens import (
    ROUTES,
    Golden,
    GoldenWriter,
    golden_file,
    golden_text,
)
from relayctl.preview.inputs import InputError
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.stand_ins import PreviewClock, door_maker

#: The names of source folders, as the relay serves them.
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_EXAMPLE_NAME_CHARS: Final = 60
_STEM: Final = re.compile(r"[a-z]+(?:-[a-z]+){0,3}")
#: Names of files that say nothing about the event in them.
_ANY_FILE: Final = frozenset(listed("file", "any"))


class Order(NamedTuple):
    """The arguments of the user.

    documented_at  the address at which the sender publishes the shape, or empty
    """

    name: str
    title: str
    documented_at: str
    preset: str


class Example(NamedTuple):
    """A request of the folder: the file's name, and its content."""

    name: str
    content: JsonObject


class Drafted(NamedTuple):
    """A folder that is ready to be written.

    source, schema, routes  the texts of the files
    replaced  how many different values of each kind have a stand-in
    warnings  what the relay may refuse of the requests as they were captured
    """

    order: Order
    proof: Proof
    draft: Draft
    source: str
    schema: JsonObject
    routes: str
    examples: Sequence[Example]
    replaced: Mapping[Kind, int]
    warnings: Sequence[str]


def draft_folder(order: Order, captures: Sequence[Capture]) -> Drafted:
    """Draft the folder of captured requests. Raises InputError."""
    payloads = [read_payload(capture) for capture in captures]
    _check_one_format(payloads)
    proof = guess(order.name, captures, order.preset)
    headers = {
        key: header
        for key, find in (("id", event_headers.id_header), ("type", event_headers.type_header))
        if (header := find(captures, proof.headers))
    }
    replacement = Replacement()
    for payload in payloads:
        replacement.learn(payload.tree)
    replacement.learn(
        [capture.headers.get(header, "") for capture in captures for header in headers.values()]
    )
    trees = [replacement.tree(payload.tree) for payload in payloads]
    requests = [
        _request(order, payload, tree, capture, headers, replacement)
        for payload, tree, capture in zip(payloads, trees, captures, strict=True)
    ]
    per_request = [payload.documents(tree) for payload, tree in zip(payloads, trees, strict=True)]
    documents = [document for group in per_request for document in group]
    types = [
        request["headers"].get(headers.get("type", ""))
        for request, group in zip(requests, per_request, strict=True)
        for _ in group
    ]
    drafted = draft(order.title, documents, types)
    firsts = [sum(map(len, per_request[:number])) for number in range(len(per_request))]
    names = _example_names([drafted.labels[first] for first in firsts], captures, replacement)
    docs = order.documented_at or "examples/"
    return Drafted(
        order=order,
        proof=proof,
        draft=drafted,
        source=source_text.source_text(
            title=order.title, docs=docs, proof=proof, event=payloads[0].event, headers=headers, draft=drafted
        ),
        schema=infer(
            f"The fields of {order.title} that the relay reads",
            documents,
            drafted.read,
            with_types=payloads[0].is_json,
        ),
        routes=source_text.routes_text(order.name, " ".join(order.title.split())),
        examples=[Example(*pair) for pair in zip(names, requests, strict=True)],
        replaced=replacement.stand_ins.counts,
        warnings=_warnings(proof, payloads, captures),
    )


def _check_one_format(payloads: Sequence[Payload]) -> None:
    first = payloads[0]
    for payload in payloads[1:]:
        if payload.event != first.event:
            raise InputError(
                f"{payload.file}: has another format than {first.file}, and a source reads one: draft a "
                "source for each"
            )


def _request(  # noqa: PLR0913, PLR0917 (the parts of one request)
    order: Order,
    payload: Payload,
    tree: Any,
    capture: Capture,
    headers: Mapping[str, str],
    replacement: Replacement,
) -> JsonObject:
    """Return an example: of the headers only the Content-Type and those that the source reads."""
    kept = {"content-type": payload.content_type}
    for key, header in headers.items():
        kept[header] = replacement.text(capture.headers[header], is_word=key == "type")
    documented = {"documented_at": order.documented_at} if order.documented_at else {}
    return {**documented, "headers": kept, "body": payload.write(tree)}


def _example_names(
    labels: Sequence[tuple[str, ...]], captures: Sequence[Capture], replacement: Replacement
) -> list[str]:
    """Return a name for each example: by its type and state, else by the name of its file, else a number."""
    names: list[str] = []
    for label, capture in zip(labels, captures, strict=True):
        name = re.sub(r"[^a-z0-9]+", "-", " ".join(label).lower()).strip("-")[:_EXAMPLE_NAME_CHARS].strip("-")
        stem = "-".join(words_of(Path(capture.file).name.partition(".")[0]))
        if not name and _STEM.fullmatch(stem) and not _ANY_FILE & set(stem.split("-")):
            name = stem if replacement.text(stem.replace("-", " ")) == stem.replace("-", " ") else ""
        name = name or "event"
        number = 1 + sum(
            each == name or re.fullmatch(rf"{re.escape(name)}-\d+", each) is not None for each in names
        )
        names.append(name if number == 1 else f"{name}-{number}")
    return names


def _warnings(proof: Proof, payloads: Sequence[Payload], captures: Sequence[Capture]) -> list[str]:
    """Return a warning if a request without a signature has a Content-Type that the relay refuses."""
    if proof.read.signs_content:
        return []
    for payload, capture in zip(payloads, captures, strict=True):
        sent = capture.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent not in {"", payload.content_type, "multipart/form-data"}:
            message = (
                f"The sender sends the Content-Type `{sent}`, and without a signature the relay needs "
                f"`{payload.content_type}`: add the header `Content-Type: {payload.content_type}` there."
            )
            return [message]
    return []


def write(drafted: Drafted, into: Path, *, force: bool) -> list[tuple[str, Golden]]:
    """Write the folder into a directory of sources, and return the golden of each example.

    Nothing is written if the folder exists, unless `force` is given, or if the relay does not accept it.
    Raises InputError.
    """
    folder = into / drafted.order.name
    _check_free(folder, force=force)
    with tempfile.TemporaryDirectory(prefix="push-relay-new-") as directory:
        made = Path(directory) / drafted.order.name
        goldens = _made(drafted, made)
        _replace_files(folder, made)
    return goldens


def _check_free(folder: Path, *, force: bool) -> None:
    if not folder.exists():
        return
    if (folder / PAGE).is_file():
        raise InputError(
            f"{folder}: belongs to the catalogue, and has its words already: choose another name for your own"
        )
    if not force:
        raise InputError(
            f"{folder}: exists already; choose another name, or give --force to write its files again"
        )


def _made(drafted: Drafted, folder: Path) -> list[tuple[str, Golden]]:
    """Write the folder, and return its goldens. Raises InputError if the relay does not accept it."""
    (folder / "examples").mkdir(parents=True)
    (folder / "source.toml").write_text(drafted.source, "utf-8")
    (folder / "schema.json").write_text(_json(drafted.schema), "utf-8")
    (folder / ROUTES).write_text(drafted.routes, "utf-8")
    for example in drafted.examples:
        (folder / "examples" / f"{example.name}{EXAMPLE_SUFFIX}").write_text(_json(example.content), "utf-8")
    try:
        read_source_folder(folder)
    except ConfigurationInvalid as exc:
        raise InputError(
            f"the drafted source is not valid, which is a mistake of `relayctl new`: {exc.detail}"
        ) from None
    sources = LayeredSources(folder)
    clock = PreviewClock()
    writer = GoldenWriter(Previewer(sources, read_routing({}), door_maker(None, None, clock), clock))
    goldens = []
    for example in drafted.examples:
        file = folder / "examples" / f"{example.name}{EXAMPLE_SUFFIX}"
        golden = writer.golden(file)
        golden_file(file).write_text(golden_text(golden), "utf-8")
        goldens.append((example.name, golden))
    return goldens


def _replace_files(folder: Path, made: Path) -> None:
    """Move the files of a made folder into place. Of an existing folder's files only its examples go."""
    for suffix in (EXAMPLE_SUFFIX, GOLDEN_SUFFIX):
        for file in (folder / "examples").glob(f"*{suffix}"):
            file.unlink()
    shutil.copytree(made, folder, dirs_exist_ok=True)


def _json(document: JsonObject) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
