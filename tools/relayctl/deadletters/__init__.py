"""Dead letters and parked pushes: find them, list them and replay the dead letters.

| module            | contents                                                                            |
|-------------------|-------------------------------------------------------------------------------------|
| `stack_resources` | the URLs of a stack's queues and the name of its ledger table                       |
| `dead_letter`     | one dead letter, and the summary of it that is safe to print                        |
| `queue`           | the dead-letter queue: read without removing, delete, make visible again            |
| `scan`            | one pass over the dead-letter queue                                                 |
| `parked`          | the pushes that wait, read from the ledger                                          |
| `outgoing`        | the messages that a replay sends in place of a dead letter                          |
| `preview`         | the outcome that a replay would have with this checkout's sources and routes        |
| `replaying`       | the replay: at a limited rate, in an order that loses nothing, safe to interrupt    |
| `options`         | the command line's options                                                          |
| `listing`         | the table and the JSON of `relayctl dead`                                           |
| `reporting`       | the progress bar and the result of `relayctl replay`                                |
| `aws_time`        | the current time by AWS's clock                                                     |
"""
