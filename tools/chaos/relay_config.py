"""The run's relay.toml: two accounts, and the routes of every kind of event to both."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chaos.plan import FAN, SECOND, STORM
from chaos.run_calendar import TIME_ZONE
from chaos.split_sources import SPLIT_SOURCES
from push_relay.core.push import DEFAULT_ACCOUNT

_ACCOUNT: Final = """
[account.{name}]
base_url = "{base_url}"
connections = 3
connect_timeout_secs = 2
read_timeout_secs = 1
daily_calls = {daily_calls}
time_zone = "{time_zone}"
max_age = "13d"
delivery_unknown = "{delivery_unknown}"
body_limit = 50000
"""
_POLICY: Final = """
[source.push]
daily_calls = {push_calls}

[[route]]
source = "github"
when = "type == 'issues'"
to = ["external:4711"]
"""
#: The routes of a source whose events have the field names of the Push API, by the last word of their title.
_PUSH_ROUTES: Final = """
[[route]]
source = "{source}"
account = "{account}"
when = "({whose}) && ends_with(data.Title, ' fan')"
to = {fan}

[[route]]
source = "{source}"
account = "{account}"
when = "({whose}) && ends_with(data.Title, ' urgent')"
to = ["user:{{{{ data.UserId }}}}"]
priority = "high"

[[route]]
source = "{source}"
account = "{account}"
when = "({whose}) && ends_with(data.Title, ' brief')"
to = ["user:{{{{ data.UserId }}}}"]
max_age = "1h"

[[route]]
source = "{source}"
account = "{account}"
when = "({whose}) && ends_with(data.Title, ' storm')"
to = ["{storm}"]
batch = "5m"

[[route]]
source = "{source}"
account = "{account}"
when = "({whose}) && ({others})"
to = ["user:{{{{ data.UserId }}}}"]
"""
_OTHERS: Final = " || ".join(f"ends_with(data.Title, ' {kind}')" for kind in ("plain", "poison", "fan"))
#: The events of each account, by the second word of their title.
_WHOSE: Final = {
    DEFAULT_ACCOUNT: "!contains(data.Title, ' second ')",
    SECOND: "contains(data.Title, ' second ') || contains(data.Title, ' both ')",
}


def write_config(file: Path, accounts: Mapping[str, Mapping[str, object]], push_calls: int) -> None:
    """Write a relay.toml.

    accounts    by the account's name: the keys of its table that differ between accounts. The value of
                `credentials_secret` may be None
    push_calls  the budget of the source `push` on each day of an account
    """
    text = ""
    for name, account in accounts.items():
        text += _ACCOUNT.format(name=name, time_zone=TIME_ZONE.key, **account)
        if secret := account["credentials_secret"]:
            text += f'credentials_secret = "{secret}"\n'
    text += _POLICY.format(push_calls=push_calls)
    for source in ("push", *SPLIT_SOURCES):
        for name, whose in _WHOSE.items():
            text += _PUSH_ROUTES.format(
                source=source, account=name, whose=whose, others=_OTHERS, fan=json.dumps(FAN), storm=STORM
            )
    file.write_text(text, encoding="utf-8")
