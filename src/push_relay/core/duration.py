"""Read a duration as people write it in a configuration: `90s`, `5m`, `2h`, `7d`."""

import re

from push_relay.core.errors import ConfigurationInvalid

DURATION = "([1-9][0-9]{0,5})([smhd])"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """Return a duration's seconds. Raises ConfigurationInvalid."""
    found = re.fullmatch(DURATION, text)
    if not found:
        raise ConfigurationInvalid(f"`{text}` is not a duration: a number and s, m, h or d (5m)")
    return float(int(found[1]) * _SECONDS[found[2]])
