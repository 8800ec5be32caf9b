"""Turn an event into pushes and settle what becomes of each. No I/O in here."""
