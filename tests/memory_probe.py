"""Handle one invocation, and print the memory that it needed.

    python memory_probe.py receive|deliver FILE [EVENT]

EVENT is a line of the source's table `[event]`. The probe runs in its own process and loads the AWS clients
as in Lambda. A queued or stored event is packed and then dropped.
"""

import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
#: The secret of the only source.
SECRET = b"secret"


def peak_mib() -> int:
    """Return the peak memory of this process.

    On Linux the figure is read from /proc, because that of getrusage includes the parent process until the
    program is loaded.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(function: str, file: Path, event: str = "") -> None:
    """Handle the invocation in a file."""
    sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
    import boto3  # noqa: PLC0415 (only in the process that is measured)

    from front_door import world  # noqa: PLC0415
    from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog  # noqa: PLC0415
    from push_relay.adapters.dynamodb.backlog_table import BacklogTable  # noqa: PLC0415
    from push_relay.adapters.queue import SqsQueue  # noqa: PLC0415
    from push_relay.core.errors import VendorThrottled  # noqa: PLC0415
    from push_relay.core.queue_format import pack  # noqa: PLC0415

    clients = [boto3.client(name) for name in ("sqs", "secretsmanager", "dynamodb")]
    here = world(Path(tempfile.mkdtemp()), {"scheme": "github"}, event=event)
    here.secrets.secrets = (SECRET,)
    messages: Any = here.messages
    messages.put = pack
    queue: Any = SqsQueue("", "", lambda: 0.0)
    queue._call = lambda *_, **__: {}  # SQS accepts every call
    messages.put_all = queue.put_all
    messages.requeue = lambda event, *_: pack(event)
    messages.dead_letter = lambda *_: None
    table: Any = BacklogTable("backlog")
    table.update = lambda *_, **__: None
    table._write_group = lambda _requests: {}  # DynamoDB takes every item
    stored: Any = here.backlog
    stored.put = DynamoDbBacklog(table, here.clock.now).put
    # Every push is throttled, because parking packs the event again, which needs the most memory.
    here.vendor.judge = lambda _push, _credentials: VendorThrottled("slow")
    invocation = json.loads(file.read_text())
    before = peak_mib()
    answer = here.receive(invocation) if function == "receive" else here.deliver(invocation)
    seen = {
        "before": before,
        "peak": peak_mib(),
        "clients": len(clients),
        "status": answer.get("statusCode"),
        "outcomes": sorted(receipt.error_code or receipt.outcome for receipt in here.witness.receipts),
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
