"""Deliver pushes within what the account permits."""
