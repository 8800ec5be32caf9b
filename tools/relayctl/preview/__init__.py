"""The preview of inputs: what the relay would do with a request or an invocation, without network or AWS.

`inputs` reads a file, `previewer` runs it through the core, and `json_line` and `report` show the result.
docs/preview.md is the contract.
"""
