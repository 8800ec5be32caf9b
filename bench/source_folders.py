"""Source folders to start with: a few that ship with the relay, and as many synthetic ones as are wanted.

A synthetic folder has the size of a shipped one: fifteen message rules, 5 KB. Three in ten have match
rules, as a service of AWS would have: for its bus, for a topic of any name, and for a queue.
"""

import json
from pathlib import Path
from typing import Final

import shipped

#: The most shipped folders among them. The measured events belong to the first two.
SHIPPED: Final = 8
_USED: Final = ("github", "cloudwatch-alarm")
_RULES: Final = 15
_TOP: Final = """
title = "Synthetic {number}"
docs = "https://docs.example.com/webhooks"
[verify]
scheme = "github"
[event]
type = "data.kind"
"""
_MATCH: Final = """
[[match]]
eventbridge_source = "aws.synthetic-{number}"
[[match]]
sns_topic = "arn:*:sns:*"
when = "data.Synthetic{number} && data.NewStateValue"
[[match]]
sqs_queue = "arn:*"
when = "data.Synthetic{number} && data.NewStateValue || data.synthetic{number} && data.state.value"
"""
_MESSAGE: Final = """
[[message]]
when = "type == 'kind-{rule}' && contains(['opened', 'failed', 'resolved'], data.action)"
title = "{{{{ first_text(data.project.name, data.name, 'Project') }}}}: {{{{ data.action }}}}"
body = "{{{{ first_line(first_text(data.summary, data.items[?state != 'ok'] | [0].text, data.url)) }}}}"
sound = true
expiry_secs = 86400
"""


def write(directory: Path, folders: int) -> None:
    """Write a number of source folders into a directory: the shipped ones first."""
    others = [name for name in sorted(shipped.names()) if name not in _USED]
    for name in [*_USED, *others][: min(folders, SHIPPED)]:
        (directory / name).symlink_to(shipped.FOLDERS / name)
    for number in range(folders - SHIPPED):
        folder = directory / f"synthetic-{number}"
        folder.mkdir()
        (folder / "source.toml").write_text(_source(number), "utf-8")
        (folder / "schema.json").write_text(json.dumps({"type": "object"}), "utf-8")


def _source(number: int) -> str:
    top = _TOP.format(number=number)
    match = _MATCH.format(number=number) if number % 10 < 3 else ""  # noqa: PLR2004 (three in ten)
    return top + match + "".join(_MESSAGE.format(rule=rule) for rule in range(_RULES))
