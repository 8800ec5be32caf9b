"""The relay's command line: `relayctl <command>`."""
