"""The presets: how each provider proves its webhooks, as rows of data over the engine."""
