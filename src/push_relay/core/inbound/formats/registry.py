"""The formats by the names that `[event] format` of a source uses.

Each is imported when a source with it gets a request; most sources have the default.
"""

from collections.abc import Callable, Mapping

from push_relay.core.inbound.formats.base import Format

#: The format of a source that configures none.
DEFAULT_FORMAT = "json"


def _list() -> Format:
    from push_relay.core.inbound.formats.json_list import JsonList  # noqa: PLC0415 (see above)

    return JsonList()


def _ndjson() -> Format:
    from push_relay.core.inbound.formats.ndjson import Ndjson  # noqa: PLC0415 (see above)

    return Ndjson()


def _cloud_event() -> Format:
    from push_relay.core.inbound.formats.cloud_event import CloudEvent  # noqa: PLC0415 (see above)

    return CloudEvent()


def _xml() -> Format:
    from push_relay.core.inbound.formats.xml_body import Xml  # noqa: PLC0415 (see above)

    return Xml()


def _text() -> Format:
    from push_relay.core.inbound.formats.plain_text import PlainText  # noqa: PLC0415 (see above)

    return PlainText()


def _multipart() -> Format:
    from push_relay.core.inbound.formats.form_data import FormData  # noqa: PLC0415 (see above)

    return FormData()


def _jwt() -> Format:
    from push_relay.core.inbound.formats.jwt_claims import JwtClaims  # noqa: PLC0415 (see above)

    return JwtClaims()


def _list_of_one() -> Format:
    from push_relay.core.inbound.formats.list_of_one import ListOfOne  # noqa: PLC0415 (see above)

    return ListOfOne()


def _sns() -> Format:
    from push_relay.core.inbound.formats.sns_message import SnsMessage  # noqa: PLC0415 (see above)

    return SnsMessage()


FORMATS: Mapping[str, Callable[[], Format]] = {
    DEFAULT_FORMAT: Format,
    "list": _list,
    "ndjson": _ndjson,
    "cloudevents": _cloud_event,
    "xml": _xml,
    "text": _text,
    "multipart": _multipart,
    "jwt": _jwt,
    "list-of-one": _list_of_one,
    "sns": _sns,
}
