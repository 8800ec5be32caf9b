"""The modules by which the version before shared an account: both versions may run side by side."""
