"""Draft a source folder from requests that were captured: `relayctl new`.

| module | what it does |
|---|---|
| `capture` | reads a file: a bare body, an example, an invocation, a dump of headers and a body |
| `payload` | recognises the format of a body, and writes a changed document as that body again |
| `secrecy`, `texts`, `stand_in_values`, `replacement` | replace secrets and personal data by stand-ins |
| `proof` | guesses how the sender proves itself, from the rows of the presets |
| `fields`, `roles` | list the fields of the documents, and choose what each is good for |
| `wording`, `source_text` | write the values, the message rules, and the text of `source.toml` |
| `words.toml` | the words of fields by which all of these decide |
| `schema` | infers the schema, and keeps the fields that are read |
| `folder` | writes the folder, and refuses to keep one that the relay would not accept |

Everything after `replacement` works on the stand-ins alone, so that no original value can reach the folder.
"""
