"""The formats by the names that `[event] format` of a source uses.

Those that few sources use are imported when a source with one of them gets a request.
"""

from collections.abc import Callable, Mapping

from push_relay.core.inbound.formats.base import Format
from push_relay.core.inbound.formats.cloud_event import CloudEvent
from push_relay.core.inbound.formats.list_of_one import ListOfOne
from push_relay.core.inbound.formats.sns_message import SnsMessage

#: The format of a source that configures none.
DEFAULT_FORMAT = "json"


def _list() -> Format:
    from push_relay.core.inbound.formats.json_list import JsonList  # noqa: PLC0415 (see above)

    return JsonList()


def _ndjson() -> Format:
    from push_relay.core.inbound.formats.ndjson import Ndjson  # noqa: PLC0415 (see above)

    return Ndjson()


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


FORMATS: Mapping[str, Callable[[], Format]] = {
    DEFAULT_FORMAT: Format,
    "list": _list,
    "ndjson": _ndjson,
    "cloudevents": CloudEvent,
    "xml": _xml,
    "text": _text,
    "multipart": _multipart,
    "jwt": _jwt,
    "list-of-one": ListOfOne,
    "sns": SnsMessage,
}
