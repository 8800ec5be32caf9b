"""The presets: how each provider proves its webhooks, as rows of data over the engine.

`PRESETS[slug]` imports only the module that has the row, because both functions read the sources' tables in
each cold start. A new module needs a line in FAMILIES.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from push_relay.core.trust.presets.preset import Preset

#: The slugs of each module.
FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "first": (
            "github",
            "stripe",
            "slack",
            "shopify",
            "standard-webhooks",
            "grafana",
            "pagerduty",
            "zendesk",
            "twilio",
        ),
    }
)
_MODULES = {slug: module for module, slugs in FAMILIES.items() for slug in slugs}
#: Every slug.
SLUGS = tuple(_MODULES)


class _Presets(Mapping[str, Preset]):
    """The presets by slug."""

    def __getitem__(self, slug: str) -> Preset:
        module = import_module(f"{__name__}.{_MODULES[slug]}")
        row: Preset = module.PRESETS[slug]
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(SLUGS)

    def __len__(self) -> int:
        return len(SLUGS)


PRESETS: Mapping[str, Preset] = _Presets()
