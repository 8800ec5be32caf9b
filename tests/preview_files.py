"""Files of previews: a source with a secret, a relay.toml with routes, and a run of the command."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from fakes import ROOT
from relayctl.__main__ import main

SECRET = "the bakery's key"
SOURCE = """\
title = "Kiln"
docs = "d"
[verify]
scheme = "hmac"
header = "x-kiln-signature"
[event]
id = "data.id"
type = "data.kind"
max_age = "1h"
[[match]]
sns_topic = "arn:aws:sns:*:kilns"
[[match]]
eventbridge_source = "kiln"
[[match]]
sqs_queue = "arn:aws:sqs:*:kilns"
[[message]]
when = "data.heat[::0]"
title = "Too hot"
body = "{{ data.note }}"
[[message]]
when = "type == 'hot'"
title = "Kiln: {{ data.note }}"
body = "{{ data.text }}"
sound = true
expiry_secs = 3600
"""
SCHEMA = {"required": ["note"], "properties": {"note": {"type": "string"}, "text": {}, "who": {}}}
RELAY = """\
[account.default]
title_limit = 20
[account.mill]
credentials_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mill"
[people]
mia = { email = "mia@example.com" }
[[route]]
source = "grafana"
to = "user:other"
[[route]]
source = "kiln"
when = "data.note == 'never'"
to = "user:never"
[[route]]
source = "kiln"
when = "data.heat[::0]"
to = "user:failed"
[[route]]
source = "kiln"
when = "data.who"
to = ["person:{{ data.who }}", "user:{{ data.user }}"]
[[route]]
source = "kiln"
when = "data.all"
account = "mill"
to = "external:7"
"""
#: An event of the source `kiln` that a route leads to a person.
HOT = {"id": "k-1", "kind": "hot", "note": "Kiln 4", "text": "1,300 °C", "heat": None, "who": "mia"}
#: When the events of `invocations` were sent.
NOW = "2027-01-15T08:00:00Z"
#: The part of the source that verifies.
PROOF = '[verify]\nscheme = "hmac"\nheader = "x-kiln-signature"\n'
_SCHEMA_OF_A_LINE = ROOT / "docs/schemas/preview.schema.json"


class Ran(NamedTuple):
    """The output of a run of the command, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The lines of JSON, each of which keeps the contract."""
        schema = json.loads(_SCHEMA_OF_A_LINE.read_text("utf-8"))
        lines = [json.loads(line) for line in self.out.splitlines()]
        for line in lines:
            jsonschema.Draft202012Validator(schema).validate(line)
        return lines

    @property
    def line(self) -> Any:
        """The only line."""
        (line,) = self.lines
        return line

    @property
    def event(self) -> Any:
        """The only event of the only line."""
        (event,) = self.line["events"]
        return event


class Files:
    """A folder with sources, relay.toml, secrets and inputs."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.write_source("kiln")
        self.config = self.write("relay.toml", RELAY)
        self.secrets = self.write("secrets.json", {"kiln": SECRET})

    def write(self, name: str, content: object) -> Path:
        """Write a file. Content that is not a text is written as JSON."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return file

    def write_source(self, name: str, text: str = SOURCE, at: str = "sources") -> Path:
        """Write a source folder."""
        self.write(f"{at}/{name}/source.toml", text)
        return self.write(f"{at}/{name}/schema.json", SCHEMA).parent

    def example(self, body: object, headers: Mapping[str, str] | None = None, **more: Any) -> Path:
        """Write an example of the source `kiln`."""
        request = {
            "headers": headers or {"content-type": "application/json"},
            "query": {},
            "body": body,
            **more,
        }
        return self.write("sources/kiln/examples/hot.request.json", request)

    def run(self, *arguments: object, json_lines: bool = True) -> Ran:
        """Run the command with the sources and the relay.toml."""
        self._capsys.readouterr()
        options = ["--sources", self.folder / "sources", "--config", self.config]
        words = ["preview", *map(str, [*arguments, *options]), *(["--json"] if json_lines else [])]
        try:
            code = main(words)
        except SystemExit as exc:
            code = int(str(exc.code))
        out, err = (text.replace(f"{self.folder}/", "") for text in self._capsys.readouterr())
        return Ran(code, out, err)
