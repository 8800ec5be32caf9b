"""The relay's HTTP interface as an OpenAPI 3.1 document, generated from the code and the source folders.

Errors come from the error tree and its table of verdicts, proofs from the compiled schemes, and bodies from
the sources' schemas. So none of them is described twice.
"""
