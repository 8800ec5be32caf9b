"""Read the rules of sources and routes, and apply them to an event."""
