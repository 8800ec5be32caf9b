"""The relay's HTTP interface as an OpenAPI 3.1 document, made of the code and the source folders.

Nothing of it is written down twice: errors come from the error tree and its table of verdicts, proofs from
the compiled schemes, bodies from the sources' schemas.
"""
