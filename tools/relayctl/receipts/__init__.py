"""The stories of events: the log lines of the functions, read and understood.

| module       | contents                                                                            |
|--------------|-------------------------------------------------------------------------------------|
| `line`       | one log line of a function. Pure                                                    |
| `story`      | the lines of one event, with the state of each of its pushes and a verdict. Pure    |
| `reasons`    | a line, and a verdict, in a sentence for people. Pure                               |
| `route_texts`| the text of a number such as `route[3].to[1]`, from a relay.toml and source folders |
| `log_reader` | read both functions' log groups, once or as they grow                               |
| `json_line`  | a line, and a verdict, as JSON for programs                                         |
| `schema`     | the JSON Schema of these                                                            |
| `report`     | lines and stories on the terminal                                                   |
"""
