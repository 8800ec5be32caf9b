"""Show the previews of a session's files, in one of several forms, and return the exit code."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from push_relay.core.delivery.encoding import Credentials, encode
from push_relay.core.errors import RelayError
from push_relay.core.push import Wording
from push_relay.core.push_format import PushFormat
from relayctl.phone.lock_screen import lock_screen
from relayctl.preview.inputs import InputError, read_input
from relayctl.preview.json_line import json_line
from relayctl.preview.report import report
from relayctl.preview.result import PreviewedEvent, PreviewedFile
from relayctl.preview.session import Messages, Session

_WRONG_ARGUMENTS = 2
#: The credentials of a push that is shown. A preview has none, and the key is secret.
_MASKED = Credentials(0, "***")


class Showing:
    """Goes through the files of a session. `code` is the exit code so far."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.messages = Messages()
        self.code = 0

    def previews(self) -> Iterator[PreviewedFile]:
        """Yield the preview of each file, one after the other, and print what is wrong with a file."""
        for file in self.session.files:
            try:
                preview = self.session.previewer.preview(read_input(file))
            except InputError as exc:
                preview = PreviewedFile(file, is_unusable=True)
                self.code = _WRONG_ARGUMENTS
                self.messages.show(str(exc))
            self.messages.warn_of(self.session.previewer.sources)
            yield preview
            self.code = max(self.code, 0 if preview.is_fine else 1)


def show_reports(session: Session) -> int:
    """Print the text for people."""
    return _printed(session, lambda preview: None if preview.is_unusable else report(preview))


def show_json(session: Session) -> int:
    """Print one line of JSON for each file."""
    return _printed(session, json_line)


def _printed(session: Session, text_of: Callable[[PreviewedFile], str | None]) -> int:
    showing = Showing(session)
    for preview in showing.previews():
        if (text := text_of(preview)) is not None:
            print(text, flush=True)
    return showing.code


def show_bytes(session: Session, push_format: PushFormat) -> int:
    """Write the request body of each push to standard output, and what it is to standard error."""
    showing = Showing(session)
    accounts = session.previewer.routing.accounts
    for preview in showing.previews():
        for event in preview.events:
            for each in event.pushes:
                push = each.push
                showing.messages.note(
                    f"{preview.file}: to {push.recipient.kind}:{push.recipient.value}, account {push.account}"
                )
                root = accounts[push.account].xml_root
                try:
                    body = encode(push, _MASKED, push_format, xml_root=root)
                except RelayError as exc:
                    showing.messages.note(f"{preview.file}: cannot be written: {exc.detail}")
                    showing.code = max(showing.code, 1)
                else:
                    sys.stdout.flush()
                    sys.stdout.buffer.write(body + b"\n")
                    sys.stdout.buffer.flush()
        _note_silent(showing, preview)
    return showing.code


def show_phone(session: Session, pictures: list[Path]) -> int:
    """Draw the pushes of all files on one phone: in the terminal, or into picture files."""
    showing = Showing(session)
    wordings: list[Wording] = []
    for preview in showing.previews():
        wordings += [wording for event in preview.events for wording in _on_the_phone(event)]
        _note_silent(showing, preview)
    screen = lock_screen(", ".join(dict.fromkeys(_names(session))), wordings)
    if not pictures:
        from relayctl.phone.terminal import draw

        draw(screen)
    for picture in pictures:
        from relayctl.phone.picture import PictureError, write_picture

        try:
            write_picture(screen, picture)
        except PictureError as exc:
            showing.messages.show(str(exc))
            return _WRONG_ARGUMENTS
        print(f"wrote {picture}")
    return showing.code


def _on_the_phone(event: PreviewedEvent) -> Iterator[Wording]:
    """Yield what an event's recipients see, once. If no route leads to anybody, the words are not cut."""
    if event.pushes:
        yield from dict.fromkeys(each.push.wording for each in event.pushes)
    else:
        yield from (message.wording for message in event.messages)


def _names(session: Session) -> Iterator[str]:
    for file in session.files:
        path = Path(file).absolute()
        yield path.parents[1].name if path.parent.name == "examples" else path.name


def _note_silent(showing: Showing, preview: PreviewedFile) -> None:
    """Print why a file, or an event of it, has no push."""
    for event in preview.events:
        if not event.pushes:
            code = f"{event.receipt.error_code}: " if event.receipt.error_code else ""
            showing.messages.note(
                f"{preview.file}: {event.outcome.value}: {code}{event.receipt.detail or ''}"
            )
    if not preview.events and not preview.is_unusable:
        showing.messages.note(f"{preview.file}: {preview.status}: no event")
