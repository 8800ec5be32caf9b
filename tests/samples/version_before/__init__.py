"""The stores of the version before, frozen: both versions may run side by side. Do not adapt them."""
