"""The events that only a fallback source took: read from the log, and listed with the next step."""
