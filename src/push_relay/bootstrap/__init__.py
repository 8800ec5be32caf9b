"""The composition root: settings -> adapters -> core -> entrypoint. Nothing else builds an adapter.

Each function has a module of its own, so that it imports only its own half of the relay.
"""
