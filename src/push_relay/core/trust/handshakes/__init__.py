"""The questions that senders ask before they send events: one handshake for each kind of sender."""
