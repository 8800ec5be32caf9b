"""The fuzzer of the receive path and of the messages from AWS. `make fuzz` runs it."""
