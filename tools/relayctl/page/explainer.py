"""Explain a request: run it through the relay's own core, with the files and secrets that the stack uses."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from push_relay.adapters.catalog import read_routing_file
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.routing import Routing
from relayctl.page.requests import Request
from relayctl.preview.inputs import Input, InputError
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.result import PreviewedFile
from relayctl.preview.stand_ins import PreviewClock, door_maker

_QUEUE = "arn:aws:sqs:eu-west-1:000000000000:push-relay"


@dataclass(frozen=True, slots=True)
class Files:
    """The files that the functions use.

    sources  the directory of the source folders
    config   relay.toml
    """

    sources: Path
    config: Path


class Explainer:
    """Previews requests with the files that the functions use at that time.

    secrets  the stored signing secrets, by source. It may get more of them

    Raises ConfigurationInvalid and InputError for files that cannot be read.
    """

    def __init__(self, files: Files, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._lock = threading.Lock()
        self.use(files)

    def use(self, files: Files) -> None:
        """Use other files from now on."""
        sources, routing = LayeredSources(files.sources), read_routing_file(files.config)
        with self._lock:
            self.files, self.sources, self.routing = files, sources, routing

    def request(self, request: Request, request_id: str) -> PreviewedFile | None:
        """Explain a request to `receive`; None if its source has a mistake.

        request_id  the id that the API has given it
        """
        return self._preview(Input("request", request.invocation(request_id)), request.at)

    def message(self, body: str, message_id: str, at: float) -> PreviewedFile | None:
        """Explain a message in the relay's queue; None if its source has a mistake."""
        record = {
            "messageId": message_id,
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(round(at * 1000))},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": _QUEUE,
        }
        return self._preview(Input("message", {"Records": [record]}), at)

    def _preview(self, given: Input, at: float) -> PreviewedFile | None:
        clock = PreviewClock(at)
        with self._lock:
            door = door_maker(json.dumps(dict(self._secrets)), None, clock)
            try:
                return Previewer(self.sources, self.routing, door, clock).preview(given)
            except (InputError, ConfigurationInvalid):
                return None

    def current(self) -> tuple[LayeredSources, Routing]:
        """Return the sources and the routes that are used now."""
        with self._lock:
            return self.sources, self.routing
