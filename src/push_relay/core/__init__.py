"""Turn requests into events, events into pushes, and pushes into receipts. Nothing here does I/O."""
