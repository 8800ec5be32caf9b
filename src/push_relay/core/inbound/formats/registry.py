"""The formats by the names that `[event] format` of a source uses.

Each is imported when a source with it gets a request; most sources have the default.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from push_relay.core.inbound.formats.base import Format

#: The format of a source that configures none.
DEFAULT_FORMAT = "json"


def _of(module: str, name: str) -> Callable[[], Format]:
    """Return what makes a format, whose module is imported then."""

    def make() -> Format:
        made: Any = getattr(import_module(f"{__package__}.{module}"), name)
        return made()  # type: ignore[no-any-return] # each of them is a format

    return make


FORMATS: Mapping[str, Callable[[], Format]] = {
    DEFAULT_FORMAT: Format,
    "list": _of("json_list", "JsonList"),
    "ndjson": _of("ndjson", "Ndjson"),
    "cloudevents": _of("cloud_event", "CloudEvent"),
    "xml": _of("xml_body", "Xml"),
    "text": _of("plain_text", "PlainText"),
    "multipart": _of("form_data", "FormData"),
    "jwt": _of("jwt_claims", "JwtClaims"),
    "list-of-one": _of("list_of_one", "ListOfOne"),
    "sns": _of("sns_message", "SnsMessage"),
}
