"""A relay whose only route batches its pushes in windows of five minutes."""

from pathlib import Path
from typing import Any

from fakes import World
from invocations import sqs_batch, sqs_record

ROUTES = """
[[route]]
source = "bakery"
to = ["user:u-1"]
batch = "5m"
"""


def batching_world(directory: Path, *options: str) -> World:
    """Return the relay. The options are more lines of its route."""
    routes = directory / "relay.toml"
    routes.write_text("\n".join([ROUTES, *options, ""]))
    return World(routes=routes)


def bake(world: World, *words: str, start: int = 0) -> dict[str, Any]:
    """Deliver events with these texts. The message ids are numbered from `start`."""
    records = [
        sqs_record({"kind": "baked", "words": text}, source="bakery", message_id=f"m-{number}")
        for number, text in enumerate(words, start)
    ]
    return world.deliver(sqs_batch(*records))
