"""The backlog: list what waits, and put it back into the queue.

| module       | contents                                                                          |
|--------------|-----------------------------------------------------------------------------------|
| `reading`    | the events that wait, without their content                                       |
| `listing`    | the table and the JSON of `relayctl waiting`                                      |
| `requeuing`  | what waits, put back into the queue: safe to interrupt, and to run again         |
"""
