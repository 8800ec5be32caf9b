"""A GitHub event sent by Apprise as a JSON notification. It verifies no signature and keeps no connection.

python apprise_post.py INVOCATION
"""

import json
import os
import sys
from pathlib import Path

import apprise

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from side_process import serve


def main(file: str) -> None:
    """Measure a notification."""
    invocation = json.loads(Path(file).read_text("utf-8"))
    sender = apprise.Apprise()
    sender.add(os.environ["PUSH_BASE_URL"].replace("https://", "jsons://") + "/api/v2/push")

    def side() -> None:
        event = json.loads(invocation["body"])
        issue = event["issue"]
        title = f"New issue: {event['repository']['full_name']} #{issue['number']}"
        body = f"{issue['title']}\nby {issue['user']['login']}\n{issue['body']}"
        if not sender.notify(title=title, body=body):
            raise SystemExit("bench: the peer did not send its notification")

    serve(side)


if __name__ == "__main__":
    main(sys.argv[1])
