"""The relay's command line: `python -m relayctl <command>`."""
