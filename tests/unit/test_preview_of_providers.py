"""`relayctl preview` accepts the genuine request of every provider, and refuses each forgery of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provider_signer import SENDERS
from provider_signer.forgeries import FORGERIES
from provider_signer.kit import NOW, Sent
from provider_signer.sender import Sender
from relayctl.__main__ import main

_MESSAGE = '[[message]]\ntitle = "planted"\nbody = "planted"\n'
_ACCOUNT = '[account.default]\nformat = "json"\nconnections = 3\n'


def written(directory: Path, name: str, sent: Sent) -> Path:
    """Write a request as an example, and return the file."""
    file = directory / f"{name}.json"
    members = {
        "method": sent.method,
        "url": sent.url,
        "path": "/webhooks/planted",
        "headers": dict(sent.headers),
        "query": dict(sent.query),
        "body": sent.body.decode(),
    }
    file.write_text(json.dumps(members))
    return file


def arguments(directory: Path, sender: Sender) -> list[str]:
    """Write a source with the preset's name, its secret and a route, and return the command's options."""
    folder = directory / "sources" / sender.slug
    folder.mkdir(parents=True)
    verify = f'[verify]\nscheme = "{sender.slug}"\n'
    (folder / "source.toml").write_text(f'title = "Planted"\ndocs = "-"\n{verify}{_MESSAGE}')
    (folder / "schema.json").write_text("{}")
    (directory / "secrets.json").write_text(json.dumps({sender.slug: sender.stored()}))
    route = f'[[route]]\nsource = "{sender.slug}"\nto = ["external:1"]\n'
    (directory / "relay.toml").write_text(_ACCOUNT + route)
    options = {
        "--source": sender.slug,
        "--sources": folder,
        "--config": directory / "relay.toml",
        "--secrets": directory / "secrets.json",
        "--now": datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return ["preview", "--json", *(str(each) for pair in options.items() for each in pair)]


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
def test_the_genuine_request_is_shown_and_the_forged_ones_are_refused(
    sender: Sender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the preset's name, its secret and a message rule is needed."""
    forged = [
        (f"{forge.__name__}-{number}", sent)
        for forge in FORGERIES
        for number, sent in enumerate(forge(sender))
    ]
    options = arguments(tmp_path, sender)
    files = [written(tmp_path, name, sent) for name, sent in (("genuine", sender.request()), *forged)]
    assert main([*options, *map(str, files)]) == 1
    genuine, *refused = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["outcome"] for event in genuine["events"]] == ["delivered"] * len(genuine["events"])
    assert genuine["events"]
    assert {name: line["answer"]["status"] for (name, _), line in zip(forged, refused, strict=True)} == {
        name: 401 for name, _ in forged
    }
