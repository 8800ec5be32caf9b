"""Find the mistakes that a source or a route can have and still compile. `relayctl check` runs these checks.

The functions never load them: the core refuses only what it notices when it compiles.

values        what is known about a value without an event
interpreter   evaluates an expression on such values, and notes what it reads, calls and compares
names, calls, comparisons, conditions, templates, recipients
              judge those notes: each yields problems of one kind
syntax        explains why a text is not an expression
fields        compares what is read with the folder's examples
json_schema   a schema's keywords, against its metaschema and its examples
folders       the names of folders and files
"""
