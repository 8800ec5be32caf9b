"""The deployer's files for tests of the page: the source `oven` with examples, and routes."""

import json
from pathlib import Path

from relayctl.page.explainer import Files

SECRET = "planted-signing-secret"
SECRETS = {"oven": SECRET}
SOURCE = """\
title = "Oven"
docs = "https://example.com/oven"

[verify]
scheme = "hmac"
header = "x-oven-signature"
prefix = "sha256="

[event]
id = 'headers."x-oven-delivery"'
type = "data.kind"

[[match]]
eventbridge_source = "oven"

[[message]]
when = "type == 'hot'"
title = "Too hot: {{ data.note }}"
body = "The oven reports {{ data.degrees }} °C"
sound = true
expiry_secs = 3600

[[message]]
when = "type == 'ready'"
title = "{{ data.note }} is ready"
body = "Take it out"
"""
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["kind", "note"],
    "properties": {"kind": {"type": "string"}, "note": {"type": "string"}},
}
RELAY = """\
[people]
mia = { email = "mia@example.com" }

[[route]]
source = "oven"
when = "type == 'hot'"
to = ["person:mia", "external:4711"]

[[route]]
source = "oven"
when = "type == 'ready' && data.note == 'Bread'"
to = ["external:4711"]
"""
HEADERS = {
    "content-type": "application/json",
    "x-oven-delivery": "d-1",
    "authorization": "Bearer planted-bearer-token",
}
EXAMPLES = {
    "hot": {"headers": HEADERS, "body": {"kind": "hot", "note": "oven 4", "degrees": 451}},
    "ready": {"headers": HEADERS, "body": {"kind": "ready", "note": "Bread"}},
    "ready-for-nobody": {"headers": HEADERS, "body": {"kind": "ready", "note": "Cake"}},
    "unknown-kind": {"headers": HEADERS, "body": {"kind": "cold", "note": "oven 4"}},
    "from-eventbridge": {
        "headers": {"eventbridge-source": "oven", "eventbridge-detail-type": "Oven"},
        "body": {"kind": "hot", "note": "oven 5", "degrees": 300},
    },
}


def write_files(directory: Path) -> Files:
    """Write the source folder and relay.toml."""
    folder = directory / "sources/oven"
    (folder / "examples").mkdir(parents=True)
    (folder / "source.toml").write_text(SOURCE, "utf-8")
    (folder / "schema.json").write_text(json.dumps(SCHEMA, indent=2), "utf-8")
    for name, example in EXAMPLES.items():
        (folder / f"examples/{name}.request.json").write_text(json.dumps(example), "utf-8")
    (directory / "relay.toml").write_text(RELAY, "utf-8")
    return Files(directory / "sources", directory / "relay.toml")
