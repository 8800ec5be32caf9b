"""Decide whom to believe: verification, the deployer's policy, handshakes."""
