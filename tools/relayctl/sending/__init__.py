"""Send an example of a source to a stack, and follow it to its receipts.

| module      | contents                                                                             |
|-------------|--------------------------------------------------------------------------------------|
| `changes`   | change fields of an example: `--set data.issue.title=...`. Pure                       |
| `body`      | the document in an example's body, which is JSON or a form. Pure                      |
| `freshness` | change what makes an example new to the relay, so that no event is a duplicate        |
| `preparing` | from an example to the signed request or the message that is sent                     |
| `posting`   | send it, and what the stack has answered                                              |
| `awaiting`  | follow its events to their receipts                                                   |
| `report`    | progress and result on the terminal, and as JSON                                      |
"""


class CannotSendError(Exception):
    """Nothing is sent. The text gives the reason and the remedy."""
